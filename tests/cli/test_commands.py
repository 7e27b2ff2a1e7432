"""The commands as a user calls them: what they do, say and answer."""

import json

import pytest

SOME = ("sqlite", "postgres15", "mariadb10")
TABLES = {"migration_history", "smalls_journal"}
some_engines = pytest.mark.parametrize("database", SOME, indirect=True)


@pytest.fixture
def three(project):
    """Give a project of three migrations, each making a table of its own."""
    for number, letter in enumerate("abc", start=1):
        project.migration(
            f"000{number}_{letter}",
            f"db.execute_sql('CREATE TABLE t_{letter} (n INTEGER)')",
            f"db.execute_sql('DROP TABLE t_{letter}')",
        )
    return project


def states(result):
    return {line["name"]: line["state"] for line in json.loads(result.stdout)["migrations"]}


def error(result):
    return result.named("run.failed")[0]["error"]


# ── migrate ─────────────────────────────────────────────────────────────────────────────────────────────


@some_engines
def test_to_a_target_and_on(three, database):
    """`migrate 2` stops after number 2, a full name likewise; without a target the rest follows."""
    done = three.run("migrate", "2", env=database.env)
    assert done.code == 0, done.stderr
    assert (done.events[-1]["applied"], done.events[-1]["pending"]) == (2, 1)
    assert set(database.tables()) - TABLES == {"t_a", "t_b"}
    again = three.run("migrate", "0001_a", env=database.env)
    assert again.code == 0
    assert "nothing pending" not in again.events[-1]["message"]
    assert again.events[-1]["pending"] == 1
    assert three.run("migrate", "0003_c", env=database.env).code == 0
    assert set(database.tables()) - TABLES == {"t_a", "t_b", "t_c"}


@pytest.mark.parametrize("target", ["9", "abcd", "0001_nope", "postgresql://u:hunter2@h/n"])
def test_a_target_that_is_not_there(three, target):
    """A target that does not exist is a usage error; nothing runs, and a URL's password is not repeated."""
    done = three.run("migrate", target)
    assert done.code == 2
    assert not done.named("migration.started")
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize("words", [("--plan",), ("--plan", "3"), ("3", "--plan"), ("--plan=show", "0003_c")])
@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
def test_plan_changes_nothing(three, database, words):
    """`--plan` shows what would run, runs no user code, and leaves the database as it was."""
    three.write("migrations/0003_c.py", "raise SystemExit(99)\ndef migrate(): ...\n")
    before = database.dump()
    done = three.run("migrate", *words, env=database.env)
    assert done.code == 0, done.stderr
    assert [step["migration"] for step in json.loads(done.stdout)["plan"]] == ["0001_a", "0002_b", "0003_c"]
    assert database.dump() == before


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
def test_rehearsal(three, database):
    """`--plan=execute` runs everything and rolls it back; a failure in it is told as one."""
    three.run("migrate", "1", env=database.env)
    before = database.dump()
    done = three.run("migrate", "--plan=execute", env=database.env)
    assert done.code == 0, done.stderr
    assert [step["migration"] for step in json.loads(done.stdout)["executed"]] == ["0002_b", "0003_c"]
    assert database.dump() == before
    three.migration("0004_d", "db.execute_sql('SELECT * FROM nowhere')")
    done = three.run("migrate", "--plan=execute", env=database.env)
    assert (done.code, error(done)["code"]) == (6, "SML-MIGRATION-FAILED")
    assert database.dump() == before
    assert three.run("migrate", "--plan=execute", env={**database.env, "SMALLS_ENV": "PROD"}).code == 13


@pytest.mark.parametrize("database", ["mariadb10"], indirect=True)
def test_no_rehearsal_where_ddl_commits(three, database):
    """MySQL and MariaDB cannot rehearse, and say so before anything runs."""
    done = three.run("migrate", "--plan=execute", env=database.env)
    assert done.code == 2
    assert database.tables() == []


@some_engines
def test_fake(three, database):
    """`--fake` records without running; faked ones are never undone; it goes with no --plan."""
    done = three.run("migrate", "2", "--fake", env=database.env)
    assert done.code == 0, done.stderr
    assert set(database.tables()) == TABLES
    assert states(three.run("status", "--json", env=database.env)) == {
        "0001_a": "faked",
        "0002_b": "faked",
        "0003_c": "pending",
    }
    assert three.run("migrate", env=database.env).code == 0
    done = three.run("rollback", "zero", "--yes", env=database.env)
    assert [event["migration"] for event in done.named("migration.undone")] == ["0003_c"]
    assert three.run("migrate", "--fake", "--plan").code == 2


def test_gaps_and_late_arrivals_by_policy(three):
    """In DEV a late file runs; PROD refuses it with 8; ignored, it stays out and is told."""
    (three.migrations / "0002_b.py").rename(three.path / "later.py")
    assert three.run("migrate").code == 0
    (three.path / "later.py").rename(three.migrations / "0002_b.py")
    prod = {"SMALLS_ENV": "PROD", "SMALLS_DATABASE_URL": "sqlite:///smalls.db"}
    refused = three.run("migrate", env=prod)
    assert (refused.code, error(refused)["code"]) == (8, "SML-HISTORY-OUT-OF-ORDER")
    ignored = three.run("migrate", env={**prod, "SMALLS_OUT_OF_ORDER": "ignore"})
    assert ignored.code == 0
    assert "0002_b" in ignored.named("history.warned")[0]["message"]
    assert three.run("status", "--policy", "PROD").code == 8
    three.write("config.ini", "[smalls.PROD]\nout_of_order = apply\n")
    assert three.run("status", "--policy", "PROD").code == 0
    assert [e["migration"] for e in three.run("migrate").named("migration.applied")] == ["0002_b"]


@pytest.mark.parametrize(("first", "later"), [("0001_Straße", "0001_strasse"), ("0001_Café", "0001_cafe")])
def test_names_that_the_history_takes_for_one(project, database, first, later):
    """MySQL and MariaDB could not record the second one: refused before anything runs; others have both."""
    project.migration(first, "db.execute_sql('CREATE TABLE a (n INTEGER)')")
    project.migration(later, "db.execute_sql('CREATE TABLE b (n INTEGER)')")
    both = project.run("migrate", env=database.env)
    if database.family != "mysql":
        assert (both.code, set(database.tables())) == (0, TABLES | {"a", "b"}), both.stderr
        return
    assert (both.code, error(both)["code"]) == (8, "SML-HISTORY-NAME-CLASH")
    assert database.tables() == []
    (project.migrations / f"{later}.py").rename(project.path / "later.py")
    assert project.run("migrate", env=database.env).code == 0
    (project.path / "later.py").rename(project.migrations / f"{later}.py")
    assert project.run("migrate", env=database.env).code == 8
    assert "b" not in database.tables()


def test_nothing_to_do_writes_nothing(three):
    """A second run leaves even the file's bytes alone."""
    three.run("migrate")
    before = (three.path / "smalls.db").read_bytes()
    done = three.run("migrate")
    assert (done.code, done.events[-1]["applied"], done.events[-1]["pending"]) == (0, 0, 0)
    assert not done.named("lock.acquired")
    assert (three.path / "smalls.db").read_bytes() == before


# ── rollback ────────────────────────────────────────────────────────────────────────────────────────────


@some_engines
def test_rollback(three, database):
    """Everything above the number is undone, last applied first; without consent nothing is."""
    three.run("migrate", env=database.env)
    refused = three.run("rollback", "1", env=database.env)
    assert (refused.code, error(refused)["code"]) == (13, "SML-CONSENT")
    assert {"t_b", "t_c"} <= set(database.tables())
    done = three.run("rollback", "0001", env={**database.env, "SMALLS_YES": "1"})
    assert [event["migration"] for event in done.named("migration.undone")] == ["0003_c", "0002_b"]
    assert (done.events[-1]["undone"], done.events[-1]["pending"]) == (2, 2)
    assert set(database.tables()) - TABLES == {"t_a"}


def test_rollback_plan(three):
    """`rollback --plan` shows what would go and needs no consent."""
    three.run("migrate")
    done = three.run("rollback", "1", "--plan")
    assert [step["migration"] for step in json.loads(done.stdout)["plan"]] == ["0003_c", "0002_b"]
    assert done.code == 0
    assert set(states(three.run("status", "--json")).values()) == {"applied"}


@pytest.mark.parametrize(("words", "code"), [(("abcd",), 2), ((), 2), (("9",), 0), (("3",), 0), (("--", "-1"), 2)])
def test_rollback_numbers(three, words, code):
    """What is no number is a usage error; a number with nothing above it is nothing to do."""
    three.run("migrate")
    assert three.run("rollback", "--yes", *words).code == code
    assert set(states(three.run("status", "--json")).values()) == {"applied"}


def test_everything_is_known_to_be_possible_first(three):
    """A missing file and a missing rollback() are both named, and nothing is undone."""
    three.migration("0004_d", rollback=None)
    three.run("migrate")
    (three.migrations / "0002_b.py").unlink()
    done = three.run("rollback", "0", "--yes")
    assert done.code == 8
    assert "0002_b" in error(done)["message"]
    assert "0004_d" in error(done)["message"]
    assert not done.named("migration.started")


# ── status ──────────────────────────────────────────────────────────────────────────────────────────────


def test_status_of_every_state(three):
    """Each migration's line says its state in one word, in the table and as JSON."""
    three.migration("0004_d")
    three.run("migrate", "3")
    three.migration("0001_a", "pass  # edited: pass", "db")
    (three.migrations / "0002_b.py").unlink()
    three.migration("0000_late")
    shown = three.run("status", "--json")
    assert shown.code == 0
    assert states(shown) == {
        "0000_late": "pending",
        "0001_a": "edited",
        "0002_b": "missing",
        "0003_c": "applied",
        "0004_d": "pending",
    }
    assert [p["exit_code"] for p in json.loads(shown.stdout)["problems"]] == [8]
    table = three.run("status").stdout
    for word in ("edited", "missing", "out of order", "3 applied, 2 pending", "0004_d"):
        assert word in table
    prod = three.run("status", "--policy", "PROD", "--json")
    assert prod.code == 8
    assert len(json.loads(prod.stdout)["problems"]) == 3


def test_the_codes_of_status(three):
    """`--exit-code` answers 10 for pending, 0 for none; without it status answers 0."""
    assert three.run("status", "--exit-code").code == 10
    assert three.run("status").code == 0
    three.run("migrate")
    assert three.run("status", "--exit-code").code == 0


@some_engines
def test_status_creates_nothing(three, database):
    """Reading status of a database without a history table makes none."""
    before = database.dump()
    done = three.run("status", "--json", env=database.env)
    assert done.code == 0, done.stderr
    assert set(states(done).values()) == {"pending"}
    assert database.dump() == before
    assert done.events[-1]["pending"] == 3


def test_no_database_file(three):
    """No command that only looks makes the SQLite file, nor its lock's."""
    for words in (("status",), ("check",), ("config",), ("migrate", "--plan"), ("repair",), ("wait",)):
        assert three.run(*words).code == 0, words
    assert three.run("migrate", "--fake", "zero").code == 0
    assert sorted(path.name for path in three.path.iterdir()) == ["migrations"]


@pytest.mark.parametrize("database", ["postgres15", "postgres17", "mariadb10", "mysql9"], indirect=True)
def test_a_read_only_user(three, database):
    """A user who may only read can ask for status, with a history and without; migrating is refused with 3."""
    reader = {"SMALLS_DATABASE_URL": database.user_url(read_only=True)}
    assert three.run("status", env=reader).code == 0
    assert three.run("migrate", "2", env=database.env).code == 0
    shown = three.run("status", "--json", env=reader)
    assert shown.code == 0, shown.stderr
    assert list(states(shown).values()) == ["applied", "applied", "pending"]
    refused = three.run("migrate", env=reader)
    assert refused.code == 3, refused.stderr
    assert error(refused)["code"] == "SML-DATABASE-PERMISSION"


def test_a_read_only_file(three):
    """A SQLite database that is opened read-only can be asked for its status."""
    three.run("migrate", "2")
    reader = {"SMALLS_DATABASE_URL": f"sqlite:///file:{three.path}/smalls.db%3Fmode=ro?uri=true"}
    shown = three.run("status", "--json", env=reader)
    assert shown.code == 0, shown.stderr
    assert list(states(shown).values()) == ["applied", "applied", "pending"]
    assert three.run("migrate", env=reader).code == 3


def test_a_model_that_prints(three):
    """What the project prints while it is imported does not get between the lines of a result."""
    three.write(
        "model.py",
        """\
        import sys
        from peewee import *
        print("hello")
        print("to stderr", file=sys.stderr)
        db = SqliteDatabase("x.db")
        """,
    )
    env = {"SMALLS_MODEL": "model"}
    shown = three.run("status", "--json", env=env)
    assert len(states(shown)) == 3
    lines = {event["message"]: event["stream"] for event in shown.named("project.output")}
    assert lines == {"hello": "stdout", "to stderr": "stderr"}
    assert len(shown.events) == len(shown.stderr.splitlines())


# ── check ───────────────────────────────────────────────────────────────────────────────────────────────


def test_check_connects_to_nothing(three):
    """`check` loads every file without a database, in PROD too."""
    env = {"SMALLS_ENV": "PROD", "SMALLS_DATABASE_URL": "postgresql://u:p@127.0.0.1:1/n"}
    assert three.run("check", env=env).code == 0
    assert three.run("check", env={"SMALLS_ENV": "PROD"}).code == 0


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("def migrate(:\n", "SML-MIGRATION-LOAD", 1),
        ("\nimport no_such_module\ndef migrate(): ...\n", "SML-MIGRATION-LOAD", 2),
        ("x = 1\n", "SML-MIGRATION-LOAD", 1),
        ("def migrate(): ...\n\nraise SystemExit(0)\n", "SML-MIGRATION-LOAD", 3),
        ("async def migrate(): ...\n", "SML-MIGRATION-LOAD", 1),
        ("def migrate(): ...\nmin_version = 1 + 1\n", "SML-MIGRATION-LOAD", 2),
        ("def migrate(): ...\nreversible = False\nmin_version = 'soon'\n", "SML-CONFIG", None),
        ("def migrate(): ...\n", "SML-MIGRATION-NO-REVERSE", None),
    ],
)
def test_check_finds(three, text, code, line):
    """A file that cannot be loaded, or has no way back, is named with its line; exit 3."""
    three.write("migrations/0002_b.py", text)
    done = three.run("check")
    assert (done.code, error(done)["code"], error(done).get("line")) == (3, code, line)
    assert "0002_b" in error(done)["message"]


def test_check_lists_every_file(three):
    """Several broken files are all told at once."""
    three.write("migrations/0001_a.py", "x\n")
    three.write("migrations/0003_c.py", "def\n")
    told = error(three.run("check"))
    assert "0001_a" in told["message"]
    assert "0003_c" in str(told["also"])


# ── baseline, repair ────────────────────────────────────────────────────────────────────────────────────


@some_engines
def test_baseline(three, database):
    """Everything up to the number is recorded, not run; what is above runs; baselined rows stay."""
    database.execute("CREATE TABLE t_a (n INTEGER)")
    database.execute("CREATE TABLE t_b (n INTEGER)")
    done = three.run("baseline", "2", env=database.env)
    assert done.code == 0, done.stderr
    assert three.run("baseline", "2", env=database.env).events[-1]["message"].startswith("Nothing to do")
    assert three.run("migrate", env=database.env).code == 0
    assert three.run("rollback", "zero", "--yes", env=database.env).events[-1]["undone"] == 1
    assert set(database.tables()) - TABLES == {"t_a", "t_b"}
    assert three.run("baseline", "9", env=database.env).code == 2


def test_repair_of_an_edited_file(three):
    """`repair` shows the edit and its remedy; with consent it accepts the file, as it is and as it was."""
    three.run("migrate")
    original = (three.migrations / "0001_a.py").read_text()
    three.migration("0001_a", "pass", "pass")
    (problem,) = json.loads(three.run("repair").stdout)["problems"]
    assert (problem["migration"], problem["problem"]) == ("0001_a", "edited")
    assert three.run("repair", "--accept", "0001_a").code == 13
    assert three.run("repair", "--accept", "0002_b", "--yes").code == 2
    assert three.run("repair", "--accept", "0001_a", "--forget", "0002_b", "--yes").code == 2
    assert three.run("repair", "--accept", "0001_a", "--yes").code == 0
    for text in (None, original):
        if text:
            (three.migrations / "0001_a.py").write_text(text)
        assert three.run("status", "--policy", "PROD", "--exit-code").code == 0


def test_repair_of_a_missing_file(three):
    """A row whose file is gone for good is forgotten, with consent."""
    three.run("migrate")
    (three.migrations / "0002_b.py").unlink()
    assert three.run("migrate").code == 8
    assert three.run("repair", "--forget", "0002_b", "--yes").code == 0
    assert states(three.run("status", "--json")) == {"0001_a": "applied", "0003_c": "applied"}
    assert json.loads(three.run("repair").stdout) == {"problems": []}


@pytest.mark.parametrize("database", ["mariadb10"], indirect=True)
def test_repair_of_a_half_done_migration(three, database):
    """What failed part-way is refused until repair settles it: taken up again, or marked as finished."""
    three.migration("0004_d", "db.execute_sql('CREATE TABLE half (n INTEGER)'); db.execute_sql('NONSENSE')")
    assert three.run("migrate", env=database.env).code == 7
    assert three.run("migrate", env=database.env).code == 7
    (problem,) = json.loads(three.run("repair", env=database.env).stdout)["problems"]
    assert problem["statements"][0]["statement"] == "CREATE TABLE half (n INTEGER)"
    assert three.run("repair", "--retry", "0004_d", "--yes", env=database.env).code == 0
    assert three.run("migrate", env=database.env).code in {6, 7}
    assert three.run("status", env=database.env).code == 0
    three.migration("0004_d", "db.execute_sql('CREATE TABLE other (n INTEGER)'); db.execute_sql('NONSENSE')")
    three.run("migrate", env=database.env)
    assert three.run("repair", "--mark-applied", "0004_d", "--yes", env=database.env).code == 0
    assert three.run("status", "--exit-code", env=database.env).code == 0


# ── wait ────────────────────────────────────────────────────────────────────────────────────────────────


@some_engines
def test_wait(three, database):
    """`wait` ends once the database answers; `--migrated` once nothing is pending."""
    assert three.run("wait", env=database.env).code == 0
    pending = three.run("wait", "--migrated", env=database.env)
    assert (pending.code, pending.events[-1]["outcome"]) == (10, "pending")
    three.run("migrate", env=database.env)
    assert three.run("wait", "--migrated", env=database.env).code == 0


def test_wait_for_what_never_comes(three):
    """A database that does not answer is 4, once the wait is over; the reason is logged once."""
    env = {"SMALLS_DATABASE_URL": "postgresql://u:p@127.0.0.1:1/n", "SMALLS_WAIT_TIMEOUT": "0.5"}
    done = three.run("wait", env=env)
    assert (done.code, error(done)["code"]) == (4, "SML-DATABASE-UNREACHABLE")
    assert [event["reason"] for event in done.named("database.waited")] == ["refused"]


def test_wait_for_a_job_that_migrates(three, start):
    """An app's pod that waits goes on when the Job has migrated."""
    env = {"SMALLS_WAIT_TIMEOUT": "30"}
    waiting = start("wait", "--migrated", cwd=three.path, env=env)
    assert three.run("migrate").code == 0
    _, stderr = waiting.communicate(timeout=20)
    assert waiting.returncode == 0, stderr


def test_wait_tells_what_it_waits_for(three):
    """What is pending is told at every change, and not at every look."""
    three.run("migrate", "0001")
    done = three.run("wait", "--migrated", env={"SMALLS_WAIT_TIMEOUT": "2.5"})
    (told,) = done.named("pending.waited")
    assert (done.code, told["pending"]) == (10, 2)
    assert told["message"] == "Waiting until nothing is pending: the first of 2 pending is 0002_b."


def test_wait_ends_at_once_where_waiting_does_not_help(three):
    """What only a person can settle is told at once, not after the wait."""
    three.run("migrate")
    (three.migrations / "0002_b.py").unlink()
    assert three.run("wait", "--migrated", env={"SMALLS_WAIT_TIMEOUT": "60"}, timeout=10).code == 8


# ── config ──────────────────────────────────────────────────────────────────────────────────────────────


@some_engines
def test_config(three, database):
    """Every setting with its source, no secret, and what the user may do."""
    env = {
        **database.env,
        "SMALLS_LOCK_TIMEOUT": "7",
        "SMALLS_DB_PASSWORD": "hunter2",
        "SMALLS_SESSION_SQL": "SELECT 1",
    }
    database.execute("CREATE TABLE there (n INTEGER)")
    shown = three.run("config", "--json", env=env)
    assert shown.code == 0, shown.stderr
    found = json.loads(shown.stdout)
    settings = {row["variable"]: row for row in found["settings"]}
    assert (settings["SMALLS_LOCK_TIMEOUT"]["value"], settings["SMALLS_LOCK_TIMEOUT"]["source"]) == (
        "7",
        "SMALLS_LOCK_TIMEOUT",
    )
    assert settings["SMALLS_ENV"]["source"] == "default"
    assert settings["SMALLS_SESSION_SQL"]["value"] == "***"
    assert found["database"]["server"].split()[0] in {"SQLite", "PostgreSQL", "MariaDB"}
    assert found["user"]
    text = three.run("config", env=env)
    for line in ("SMALLS_LOCK_TIMEOUT", "user:"):
        assert line in text.stdout
    assert "hunter2" not in shown.stdout + shown.stderr + text.stdout + text.stderr


def test_config_of_a_database_that_does_not_answer(three):
    """The settings are shown all the same, and the error beside them."""
    shown = three.run("config", "--json", env={"SMALLS_DATABASE_URL": "postgresql://u:p@127.0.0.1:1/n"})
    assert shown.code == 0
    assert json.loads(shown.stdout)["database_error"]["code"] == "SML-DATABASE-UNREACHABLE"


# ── help and usage ──────────────────────────────────────────────────────────────────────────────────────

COMMANDS = (
    "create",
    "init",
    "migrate",
    "rollback",
    "seed",
    "status",
    "check",
    "wait",
    "baseline",
    "repair",
    "config",
)


@pytest.mark.parametrize(
    "words", [(), *((command,) for command in COMMANDS)], ids=lambda words: "-".join(words) or "smalls"
)
def test_help_touches_nothing(project, words):
    """`-h` and `--help` answer the same, connect to nothing, need no valid setting and leave no file."""
    env = {
        "SMALLS_ENV": "nonsense",
        "SMALLS_DATABASE_URL": "postgresql://u:p@127.0.0.1:1/n",
        "SMALLS_MODEL": "nope",
    }
    short, long = project.run(*words, "-h", env=env), project.run(*words, "--help", env=env)
    assert (short.code, long.code, short.stderr, long.stderr) == (0, 0, "", "")
    assert short.stdout == long.stdout
    assert "Usage: smalls" in short.stdout
    assert sorted(path.name for path in project.path.iterdir()) == ["migrations"]


def test_the_list_of_commands(project):
    """Help lists every command with what it does; so does `smalls` alone."""
    shown = project.run("--help").stdout
    assert all(f"\n  {command} " in shown for command in COMMANDS)
    assert "Run migrations on the database" in shown
    alone = project.run()
    assert alone.stdout == shown
    assert (alone.code, error(alone)["code"]) == (2, "SML-USAGE")


@pytest.mark.parametrize(
    "words", [("nope",), ("migrate", "--nope"), ("--log-format", "xml", "status"), ("create",), ("status", "x")]
)
def test_usage(project, words):
    """A mistake on the command line is 2, as one of our errors, in our log."""
    done = project.run(*words)
    assert (done.code, done.stdout) == (2, "")
    assert [event["event"] for event in done.events[-2:]] == ["run.failed", "run.finished"]
    assert error(done)["code"] == "SML-USAGE"
    assert "--help" in error(done)["hint"]


def test_version(project):
    """`--version` says the version and nothing else."""
    shown = project.run("--version")
    assert shown.code == 0
    assert shown.stdout.strip().count(".") == 2


# ── an image without what it needs ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", ["migrate", "status", "wait", "init"])
def test_prod_without_a_database(three, command):
    """PROD without a database named is 3, never a fresh SQLite file."""
    three.write("initdb.py", "")
    done = three.run(command, env={"SMALLS_ENV": "PROD", "SMALLS_YES": "1"})
    assert (done.code, error(done)["code"]) == (3, "SML-CONFIG-NO-DATABASE")
    assert not (three.path / "smalls.db").exists()


def test_a_missing_folder(project):
    """A migrations folder that is not there is 3 in PROD; in DEV it is a folder without files."""
    project.migrations.rmdir()
    prod = {"SMALLS_ENV": "PROD", "SMALLS_DATABASE_URL": "sqlite:///x.db"}
    for command in ("migrate", "status", "check"):
        done = project.run(command, env=prod)
        assert (done.code, error(done)["code"]) == (3, "SML-MIGRATIONS-FOLDER")
    assert project.run("migrate").code == 0


@pytest.mark.parametrize("environment", ["DEV", "PROD"])
def test_history_and_no_files(three, environment):
    """An image built without its migrations is 8, in DEV too, for each command that looks."""
    three.run("migrate")
    for path in three.migrations.iterdir():
        if path.suffix == ".py":
            path.unlink()
    env = {"SMALLS_ENV": environment, "SMALLS_DATABASE_URL": "sqlite:///smalls.db"}
    for words in (("migrate",), ("status", "--exit-code"), ("wait", "--migrated"), ("rollback", "0", "--yes")):
        assert three.run(*words, env=env).code == 8, words
    assert error(three.run("migrate", env=env))["code"] == "SML-HISTORY-NO-FILES"


def test_an_unknown_environment(three):
    """An environment that is neither DEV nor PROD is 3, for every command."""
    done = three.run("migrate", env={"SMALLS_ENV": "production"})
    assert done.code == 3
    assert "SMALLS_ENV" in error(done)["message"]
    assert not (three.path / "smalls.db").exists()


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_a_version_beyond_upstreams_column(three, database):
    """A build's time stamp as the image's version is recorded whole, beside upstream's 32 bits."""
    done = three.run("migrate", env={**database.env, "SMALLS_VERSION": "202611211822"})
    assert done.code == 0, done.stderr
    assert database.query("SELECT DISTINCT version, image_version FROM migration_history") == [(0, "202611211822")]
