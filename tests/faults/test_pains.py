"""What hurts users of other migration runners, each by its number in the list that this project began with."""

import contextlib
import re
import time
from pathlib import Path

import pytest

from tests.databases import Database
from tests.faults.scenes import (
    advisory_locks,
    applied,
    at_gate,
    code_of,
    logged,
    logs,
    make_tables,
    read_until,
    wait_at_gate,
)
from tests.running import Project, finish
from tests.servers import MYSQL, POSTGRES, SQLITE, Server

SERVERS = [*POSTGRES, *MYSQL]


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_pain_02_session_lock_stranded_by_a_pooler(
    database: Database, project: Project, pgbouncer: Server, start
) -> None:
    """A runner is killed behind a pooler: no session of the pool keeps a lock, and the next run goes on."""
    open_gate = at_gate(project, "0001_one")
    env = {"SMALLS_DATABASE_URL": pgbouncer.url(database.name), "SMALLS_LEASE_TIMEOUT": "2"}
    victim = start("migrate", cwd=project.path, env=env)
    wait_at_gate(project, "0001_one", victim)
    victim.kill()
    open_gate()
    assert advisory_locks(database) == []
    heir = project.run("migrate", env={**env, "SMALLS_LOCK_TIMEOUT": "20"})
    assert heir.code == 0, heir.stderr
    assert applied(database) == ["0001_one"]


@pytest.mark.parametrize("kind", ["auto", "lease"])
@pytest.mark.parametrize("database", [*SQLITE, *SERVERS], indirect=True)
def test_pain_03_lock_row_survives_a_killed_pod(database: Database, project: Project, kind: str, start) -> None:
    """Nobody has to delete anything: the lock of a killed runner is free at once, a lease when it has expired."""
    env = {**database.env, "SMALLS_LOCK": kind, "SMALLS_LEASE_TIMEOUT": "2", "SMALLS_LOCK_TIMEOUT": "20"}
    project.migration("0001_one")
    at_gate(project, "0002_two")
    victim = start("migrate", cwd=project.path, env=env)
    wait_at_gate(project, "0002_two", victim)
    victim.kill()
    victim.wait()
    project.migration("0002_two")
    began = time.monotonic()
    heir = project.run("migrate", env=env)
    assert heir.named("lock.acquired")
    assert time.monotonic() - began < 15
    assert heir.code == 0, heir.stderr
    assert applied(database) == ["0001_one", "0002_two"]


@pytest.mark.parametrize("database", POSTGRES, indirect=True)
def test_pain_04_index_built_concurrently_deadlocks_with_waiters(
    database: Database, project: Project, start
) -> None:
    """Building an index waits for every transaction; runners that wait for the lock have none open."""
    make_tables(database)
    open_gate = at_gate(project, "0001_gate")
    project.migration("0002_index", 'db.execute_sql("CREATE INDEX CONCURRENTLY i ON log (runner)")')
    holder = start("migrate", cwd=project.path, env=database.env)
    wait_at_gate(project, "0001_gate", holder)
    waiters = [start("migrate", cwd=project.path, env=database.env) for _ in range(3)]
    for waiter in waiters:
        read_until(waiter, "lock.waiting")
    open_gate()
    assert [finish(each, 30).code for each in (holder, *waiters)] == [0] * 4
    assert applied(database) == ["0001_gate", "0002_index"]


def test_pain_05_no_lock_by_default(database: Database, project: Project, start) -> None:
    """Five at once, and nobody asked for a lock: each migration ran once, and all succeeded."""
    make_tables(database)
    names = [f"000{number}_x" for number in range(1, 4)]
    for name in names:
        project.migration(name, f"{logs(name)}\ntime.sleep(0.05)")
    runners = [start("migrate", cwd=project.path, env=database.env) for _ in range(5)]
    results = [finish(runner) for runner in runners]
    assert [result.code for result in results] == [0] * 5
    assert logged(database) == applied(database) == names


@pytest.mark.parametrize("database", [*SQLITE, *SERVERS], indirect=True)
def test_pain_06_lock_timeout_ignored_or_opaque(database: Database, project: Project, start) -> None:
    """The bound holds to the second; the log names the holder, and on servers its host and age."""
    open_gate = at_gate(project, "0001_one")
    holder = start("migrate", cwd=project.path, env=database.env)
    wait_at_gate(project, "0001_one", holder)
    refused = project.run("migrate", env={**database.env, "SMALLS_LOCK_TIMEOUT": "1"})
    assert refused.code == 5
    assert code_of(refused) == "SML-LOCK-TIMEOUT"
    (waiting,) = refused.named("lock.waiting")
    told = waiting["holder"]
    assert told["session"]
    if database.family == "postgres":
        assert told["host"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["since"])
    elif database.family == "mysql":
        assert told["host"]
        assert re.search(r"for \d+ s", told["program"])
    else:
        assert told["program"] == f"pid {holder.pid}"
    assert refused.named("run.finished")[0]["duration_ms"] < 4000
    open_gate()
    assert finish(holder).code == 0


@pytest.mark.parametrize("database", POSTGRES, indirect=True)
def test_pain_11_pods_with_nothing_to_do_are_blocked_by_another_ones_migration(
    database: Database, project: Project, tmp_path, start
) -> None:
    """A pod of the old image starts while the new one's migration runs: it is done at once, and writes nothing."""
    project.migration("0001_one")
    assert project.run("migrate", env=database.env).code == 0
    old = Project(tmp_path / "old")
    (old.path / "migrations").mkdir(parents=True)
    (old.migrations / "0001_one.py").write_bytes((project.migrations / "0001_one.py").read_bytes())
    open_gate = at_gate(project, "0002_two", before='db.execute_sql("CREATE TABLE b (n INTEGER)")')
    runner = start("migrate", cwd=project.path, env=database.env)
    wait_at_gate(project, "0002_two", runner)
    url = database.user_url(read_only=True)
    before = database.dump()
    result = old.run("migrate", env={"SMALLS_DATABASE_URL": url, "SMALLS_LOCK_TIMEOUT": "0"})
    assert result.code == 0, result.stderr
    assert not result.named("lock.acquired")
    assert database.dump() == before
    open_gate()
    assert finish(runner).code == 0


@pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
def test_pain_01_dirty_state(database: Database, project: Project) -> None:
    """Rolled back cleanly, else one command settles it; nobody edits a table by hand."""
    bad = "db.execute_sql('CREATE TABLE a (n INTEGER)')\ndb.execute_sql('INSERT INTO nowhere VALUES (1)')"
    project.migration("0001_one", bad)
    failed = project.run("migrate", env=database.env)
    assert failed.named("run.failed")[0]["error"]["statement"] == "INSERT INTO nowhere VALUES (1)"
    project.migration("0001_one", "db.execute_sql('CREATE TABLE IF NOT EXISTS a (n INTEGER)')")
    if database.family == "mysql":
        assert failed.code == 7
        assert project.run("repair", "--retry", "0001_one", "--yes", env=database.env).code == 0
    else:
        assert failed.code == 6
    assert project.run("migrate", env=database.env).code == 0
    assert applied(database) == ["0001_one"]


@pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
def test_pain_07_old_image_against_a_newer_schema(database: Database, project: Project) -> None:
    """An older image succeeds where what is newer says that it may, and else refuses, naming what is in its way."""
    newer = {**database.env, "SMALLS_VERSION": "2.0"}
    older = {**database.env, "SMALLS_VERSION": "1.5"}
    project.migration("0001_one")
    kept = [
        project.migration("0002_fits", header='min_version = "1.4"\n'),
        project.migration("0003_does_not", header='min_version = "2.0"\n'),
    ]
    assert project.run("migrate", "2", env=newer).code == 0
    texts = [path.read_text() for path in kept]
    for path in kept:
        path.unlink()
    assert project.run("migrate", env=older).code == 0
    for path, text in zip(kept, texts, strict=True):
        path.write_text(text)
    assert project.run("migrate", env=newer).code == 0
    for path in kept:
        path.unlink()
    refused = project.run("migrate", env=older)
    assert refused.code == 9
    assert "0003_does_not" in refused.named("run.failed")[0]["error"]["message"]


@pytest.mark.parametrize("database", MYSQL, indirect=True)
def test_pain_08_half_applied_mysql_migration(database: Database, project: Project) -> None:
    """A declarative migration that failed after its first step goes on with the second, which it is to do once."""
    steps = ("CREATE TABLE a (n INTEGER)", "INSERT INTO missing VALUES (1)", "CREATE TABLE b (n INTEGER)")
    lines = "\n    ".join(f"manager.run_sql({sql!r}, '')" for sql in steps)
    project.write(
        "migrations/0001_one.py",
        "from smalls.manager import MigrationManager\n\n\n"
        f"def migrate():\n    manager = MigrationManager()\n    {lines}\n    return manager\n",
    )
    assert project.run("migrate", env=database.env).code == 7
    database.execute("CREATE TABLE missing (n INTEGER)")
    assert project.run("migrate", env=database.env).code == 0
    assert database.query("SELECT n FROM missing") == [(1,)]
    assert {"a", "b"} <= set(database.tables())


@pytest.mark.parametrize("database", [*POSTGRES, *MYSQL], indirect=True)
def test_pain_09_queued_ddl_causes_an_outage(database: Database, project: Project, start) -> None:
    """While a change waits for a table, who comes after it does not wait for long; who is in the way is named."""
    make_tables(database)
    project.migration("0001_wide", "db.execute_sql('ALTER TABLE log ADD COLUMN more INTEGER')")
    with contextlib.closing(database.connect()) as reader:
        cursor = reader.cursor()
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM log")
        runner = start("migrate", cwd=project.path, env={**database.env, "SMALLS_DDL_LOCK_TIMEOUT": "3"})
        time.sleep(0.5)
        began = time.monotonic()
        assert database.query("SELECT count(*) FROM log") == [(0,)]
        assert time.monotonic() - began < 5
        refused = finish(runner)
        reader.rollback()
    assert refused.code == 14
    assert refused.named("run.failed")[0]["error"]["holder"]["session"]
    assert project.run("migrate", env=database.env).code == 0


@pytest.mark.parametrize("database", POSTGRES, indirect=True)
def test_pain_10_invalid_index_skipped(database: Database, project: Project) -> None:
    """An index that was left invalid is built anew by the rerun, and not taken for the one that was meant."""
    database.execute("CREATE TABLE thing (n INTEGER); INSERT INTO thing VALUES (1), (1)")
    project.write(
        "migrations/0001_index.py",
        "from smalls.manager import MigrationManager\n"
        "from smalls.schema import Column, Index, Table, types\n"
        "from smalls.operations import AddTable\n\n\n"
        "def migrate():\n    manager = MigrationManager()\n"
        "    manager.state_only([AddTable(Table('thing', [Column('n', types.integer(), null=True)]))])\n"
        "    manager.add_index('thing', Index('thing_n', 'n', unique=True), concurrently=True)\n"
        "    return manager\n",
    )
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'thing_n'::regclass"
    assert project.run("migrate", env=database.env).code == 7
    assert database.query(valid) == [(False,)]
    database.execute("DELETE FROM thing")
    assert project.run("migrate", env=database.env).code == 0
    assert database.query(valid) == [(True,)]


@pytest.mark.parametrize("database", SQLITE, indirect=True)
def test_pain_12_checksum_fights(database: Database, project: Project) -> None:
    """Blanks and comments do not count; every file that was edited is listed; each is settled by itself."""
    env = {**database.env, "SMALLS_ENV": "PROD"}
    files = [project.migration(f"000{number}_x") for number in range(1, 4)]
    assert project.run("migrate", env=env).code == 0
    for path in files:
        path.write_bytes(path.read_bytes().replace(b"\n", b"  \r\n") + b"# a comment\r\n")
    assert project.run("migrate", env=env).code == 0
    for path in files[:2]:
        path.write_text(path.read_text() + "\nMORE = 1\n")
    refused = project.run("migrate", env=env)
    assert refused.code == 8
    assert all(path.stem in refused.named("run.failed")[0]["error"]["message"] for path in files[:2])
    assert project.run("repair", "--accept", "0001_x", "--yes", env=env).code == 0
    left = project.run("migrate", env=env).named("run.failed")[0]["error"]["message"]
    assert "0002_x" in left
    assert "0001_x" not in left
    assert project.run("repair", "--accept", "0002_x", "--yes", env=env).code == 0
    assert project.run("migrate", env=env).code == 0


@pytest.mark.parametrize(("policy", "code", "rows"), [("apply", 0, 3), ("refuse", 8, 2), ("ignore", 0, 2)])
@pytest.mark.parametrize("database", SQLITE, indirect=True)
def test_pain_13_out_of_order_merges(
    database: Database, project: Project, policy: str, code: int, rows: int
) -> None:
    """What is done with a late number is said, and done."""
    project.migration("0001_one")
    project.migration("0003_three")
    assert project.run("migrate", env=database.env).code == 0
    project.migration("0002_late")
    assert project.run("migrate", env={**database.env, "SMALLS_OUT_OF_ORDER": policy}).code == code
    assert len(applied(database)) == rows


@pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
def test_pain_14_exit_0_and_the_wrong_schema(database: Database, project: Project) -> None:
    """What the history says was applied and the schema has no more is found, and said operation by operation."""
    project.write(
        "migrations/0001_one.py",
        "from smalls.manager import MigrationManager\nfrom smalls.schema import Column, types\n\n\n"
        "def migrate():\n    manager = MigrationManager()\n"
        "    manager.add_table('thing', [Column('id', types.integer()), Column('word', types.varchar(9))],"
        " primary_key='id')\n    return manager\n",
    )
    env = {**database.env, "SMALLS_VERIFY": "1"}
    assert project.run("migrate", env=env).code == 0
    database.execute("ALTER TABLE thing DROP COLUMN word")
    assert project.run("migrate", env=env).code == 11
    found = project.run("verify", env=database.env)
    assert found.code == 11
    assert "word" in found.stdout


@pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
def test_pain_15_automation_surface(database: Database, project: Project, tmp_path: Path) -> None:
    """Lines of JSON, 0 where nothing is to do, secrets from files, and a process that ends by itself."""
    secret = tmp_path / "url"
    secret.write_text(f"{database.url}\n")
    env = {"SMALLS_DATABASE_URL_FILE": str(secret)}
    project.migration("0001_one")
    for number in (1, 0):
        result = project.run("migrate", env=env)
        assert result.code == 0
        assert len(result.events) == len(result.stderr.splitlines())
        assert (result.events[-1]["event"], result.events[-1]["applied"]) == ("run.finished", number)
