"""SMALLS_SKIP: exits 0, changes nothing, warns, and is recorded where that can be done quickly."""

import contextlib
import json
import time

import pytest

from tests.databases import Database
from tests.faults.scenes import nothing_is_left
from tests.running import Project
from tests.servers import ENGINES, free_port

every_engine = pytest.mark.parametrize("database", ENGINES, indirect=True)
some_engines = pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
SKIP = {"SMALLS_SKIP": "INC-4711: the\n migration  blocks orders"}
CAUSE = "INC-4711: the migration blocks orders"
COMMANDS = (
    ("migrate",),
    ("migrate", "--fake"),
    ("rollback", "0", "--yes"),
    ("init",),
    ("seed",),
    ("wait", "--migrated"),
)


@pytest.fixture
def begun(project: Project, database: Database) -> Project:
    """Give a project with one migration applied and one that fails."""
    project.migration("0001_a", "db.execute_sql('CREATE TABLE t_a (n INTEGER)')", "raise ValueError('no')")
    assert project.run("migrate", env=database.env).code == 0
    project.migration("0002_b", "raise ValueError('no')")
    project.write("initdb.py", "raise SystemExit(9)")
    project.write("seed.py", "raise SystemExit(9)")
    return project


def entries(database: Database) -> list[dict]:
    """Give what the journal says of skips."""
    rows = database.query("SELECT migration, event, detail FROM smalls_journal WHERE event = 'skipped' ORDER BY id")
    return [{"migration": migration, **json.loads(detail)} for migration, _, detail in rows]


@every_engine
def test_nothing_is_done_and_it_is_recorded(begun: Project, database: Database, tmp_path) -> None:
    """0, a warning, the last line's outcome, the termination message and the journal, of each command."""
    before = database.dump(without=("smalls_journal",))
    for words in COMMANDS:
        left = tmp_path / "left"
        env = {**database.env, **SKIP, "SMALLS_TERMINATION_LOG": str(left)}
        done = begun.run(*words, env=env)
        assert done.code == 0, done.stderr
        (told,) = done.named("run.skipped")
        assert (told["level"], told["cause"], told["recorded"]) == ("warning", CAUSE, True)
        last = done.events[-1]
        assert (last["event"], last["outcome"], last["exit_code"]) == ("run.finished", "skipped", 0)
        assert CAUSE in last["message"]
        assert CAUSE in left.read_text()
    assert database.dump(without=("smalls_journal",)) == before
    found = entries(database)
    assert [(each["migration"], each["command"], each["reason"]) for each in found] == [
        ("", words[0], CAUSE) for words in COMMANDS
    ]
    assert all(each["who"] for each in found)
    nothing_is_left(database)


@some_engines
def test_the_runs_after_it_are_as_if_it_had_not_been(begun: Project, database: Database) -> None:
    """What was skipped is still pending; the entry stands in nobody's way."""
    assert begun.run("migrate", env={**database.env, **SKIP}).code == 0
    status = json.loads(begun.run("status", "--json", env=database.env).stdout)
    assert (status["applied"], status["pending"]) == (1, 1)
    begun.migration("0002_b")
    assert begun.run("migrate", env=database.env).code == 0


@some_engines
def test_commands_that_only_read_do_not_look_at_it(begun: Project, database: Database) -> None:
    """Nor does repair, which is how a person mends what the skip was for; and empty is not set."""
    env = {**database.env, **SKIP}
    assert begun.run("status", "--exit-code", env=env).code == 10
    assert json.loads(begun.run("migrate", "--plan", env=env).stdout)["plan"][0]["migration"] == "0002_b"
    assert json.loads(begun.run("rollback", "0", "--plan", env=env).stdout)["plan"]
    assert begun.run("wait", env=env).code == 0
    assert begun.run("check", env=env).named("run.skipped") == []
    assert begun.run("repair", "--retry", "0002_b", "--yes", env=env).named("run.skipped") == []
    for empty in ("", " \n"):
        done = begun.run("migrate", env={**database.env, "SMALLS_SKIP": empty})
        assert done.code in (6, 7), done.stderr
    assert entries(database) == []


@some_engines
def test_a_database_without_a_journal_stays_as_it_is(project: Project, database: Database) -> None:
    """Nothing is made to record it in, no table and no file; that is told."""
    project.migration("0001_a")
    before = database.dump()
    done = project.run("migrate", env={**database.env, **SKIP})
    assert done.code == 0, done.stderr
    (told,) = done.named("run.skipped")
    assert told["recorded"] is False
    assert "yet" in told["message"]
    assert database.dump() == before


@pytest.mark.parametrize("engine", ["postgresql", "mysql"])
@pytest.mark.parametrize("silent", [False, True])
def test_a_database_that_does_not_answer_holds_nobody_up(project: Project, engine: str, silent: bool) -> None:
    """However long the wait that is set: a few seconds, 0, and a warning."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if silent:
            listener.listen()
        port = listener.getsockname()[1] if silent else free_port()
        url = f"{engine}://u:hunter22@127.0.0.1:{port}/x?connect_timeout=60"
        began = time.monotonic()
        done = project.run("migrate", env={"SMALLS_DATABASE_URL": url, "SMALLS_WAIT_TIMEOUT": "600", **SKIP})
    assert time.monotonic() - began < 12
    assert done.code == 0, done.stderr
    assert done.named("run.skipped")[0]["recorded"] is False
    assert done.events[-1]["outcome"] == "skipped"
    assert "hunter22" not in done.stderr


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_a_journal_that_is_locked_holds_nobody_up(begun: Project, database: Database) -> None:
    """The insert waits for others a few seconds, not for ever."""
    with contextlib.closing(database.connect()) as other:
        cursor = other.cursor()
        cursor.execute("BEGIN" if database.family == "postgres" else "LOCK TABLES smalls_journal WRITE")
        if database.family == "postgres":
            cursor.execute("LOCK TABLE smalls_journal")
        began = time.monotonic()
        done = begun.run("migrate", env={**database.env, **SKIP, "SMALLS_DDL_LOCK_TIMEOUT": "60"})
        assert time.monotonic() - began < 12
        cursor.execute("ROLLBACK" if database.family == "postgres" else "UNLOCK TABLES")
    assert done.code == 0, done.stderr
    assert done.named("run.skipped")[0]["recorded"] is False


@pytest.mark.parametrize(
    "wrong",
    [{"SMALLS_ENV": "TEST"}, {"SMALLS_ENV": "PROD"}, {"SMALLS_MODEL": "nowhere"}, {"SMALLS_DATABASE_URL": "x://"}],
    ids="-".join,
)
def test_wrong_settings_do_not_stand_in_its_way(project: Project, wrong: dict[str, str]) -> None:
    """A deployment that a setting blocks is one of those that it is for."""
    done = project.run("migrate", env={**wrong, **SKIP})
    assert done.code == 0, done.stderr
    assert done.named("run.skipped")[0]["recorded"] is False
    assert done.events[-1]["outcome"] == "skipped"


def test_wrong_usage_does(project: Project) -> None:
    """What was typed wrong is told as ever."""
    assert project.run("migrate", "--nonsense", env=SKIP).code == 2


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_the_reason_tells_no_secret(begun: Project, database: Database) -> None:
    """A password in the reason is masked in log and journal."""
    secret = database.server.password
    done = begun.run("migrate", env={**database.env, "SMALLS_SKIP": f"psql {database.url} {secret}"})
    assert done.code == 0
    assert secret not in done.stderr
    assert secret not in entries(database)[0]["reason"]


def test_the_console_does_not_congratulate(project: Project) -> None:
    """At a terminal, too, it says what was not done."""
    project.migration("0001_a")
    done = project.run("migrate", env={"SMALLS_LOG_FORMAT": "console", **SKIP})
    assert done.code == 0
    assert "complete" not in done.stderr
    assert CAUSE in done.stderr
