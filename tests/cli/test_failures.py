"""Failing migrations: the database is as before, the error says where and what, and the exit code is right."""

import json
from pathlib import Path

import pytest

from tests.databases import Database
from tests.running import Project

OURS = ("migration_history", "smalls_journal")
TRANSACTIONAL = pytest.mark.parametrize("database", ["sqlite", "postgres15", "postgres17"], indirect=True)
EVERY_FAMILY = pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

FIRST = 'db.execute_sql("CREATE TABLE kept (id INTEGER PRIMARY KEY)")'
CHANGES = """
db.execute_sql("CREATE TABLE half (id INTEGER PRIMARY KEY)")
db.execute_sql("INSERT INTO kept VALUES (1)")
"""


@TRANSACTIONAL
def test_a_failed_migration_leaves_no_trace(database: Database, project: Project) -> None:
    """6; the database is byte for byte as before; earlier ones stay, later ones don't run; it isn't recorded."""
    project.migration("0001_first", FIRST)
    assert project.run("migrate", env=database.env).code == 0
    before = database.dump()
    project.migration("0002_fails", CHANGES + 'db.execute_sql("INSERT INTO kept VALUES (1)")')
    project.migration("0003_later", 'db.execute_sql("CREATE TABLE later (id INTEGER)")')
    result = project.run("migrate", env=database.env)
    assert result.code == 6, result.stderr
    assert database.dump() == before
    error = result.named("migration.failed")[0]["error"]
    assert error["code"] == "SML-MIGRATION-FAILED"
    assert error["file"].endswith("migrations/0002_fails.py")
    source = Path(project.migrations / "0002_fails.py").read_text().splitlines()
    assert source[error["line"] - 1].strip() == 'db.execute_sql("INSERT INTO kept VALUES (1)")'
    assert error["statement"] == "INSERT INTO kept VALUES (1)"
    assert "unique" in error["message"].lower()
    assert result.events[-1]["event"] == "run.finished"
    assert result.events[-1]["exit_code"] == 6
    assert result.events[-1]["applied"] == 0
    again = project.run("migrate", env=database.env)
    assert again.code == 6
    project.migration("0002_fails", CHANGES)
    assert project.run("migrate", env=database.env).code == 0
    assert "later" in database.tables()


@SQLITE
def test_earlier_ones_of_the_same_run_stay(database: Database, project: Project) -> None:
    """What was applied before the failure, in the same run, stays applied; in DEV and in PROD alike."""
    project.migration("0001_first", FIRST)
    project.migration("0002_fails", "raise ValueError('no')")
    for environment in ("DEV", "PROD"):
        result = project.run("migrate", env={**database.env, "SMALLS_ENV": environment}, input="y\n\n")
        assert result.code == 6
        assert database.query("SELECT name FROM migration_history") == [("0001_first",)]


# What the function does → words of the error.
RAISES = {
    "ValueError": ('raise ValueError("no good")', "ValueError: no good"),
    "an exception of its own": ('class Odd(Exception): pass\nraise Odd("odd")', "Odd: odd"),
    "an exception without words": ("raise KeyError", "KeyError"),
    "SystemExit": ("raise SystemExit", "SystemExit"),
    "sys.exit(0)": ("import sys\nsys.exit(0)", "SystemExit: 0"),
    "sys.exit with words": ('import sys\nsys.exit("bye")', "SystemExit: bye"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "GeneratorExit": ("raise GeneratorExit", "GeneratorExit"),
    "RecursionError": ("def f(): f()\nf()", "RecursionError"),
    "an import": ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'"),
    "a name": ("undefined_name", "NameError"),
    "an assertion": ("assert 1 == 2", "AssertionError"),
    "a generator": ("yield 1", "generator"),
    "a coroutine": ("async def inner(): pass\nreturn inner()", "coroutine"),
    "words like a lost connection's": (
        'raise RuntimeError("server closed the connection unexpectedly")',
        "RuntimeError",
    ),
    "words like a lock's": ('raise RuntimeError("database is locked")', "RuntimeError"),
    "a number like a driver's": ("raise OSError(2006, 'gone')", "gone"),
    "one of Peewee's, by hand": ('raise IntegrityError("by hand")', "by hand"),
    "an exception that can't be shown": (
        "class Mute(Exception):\n    def __str__(self): raise TypeError('mute')\nraise Mute",
        "Mute",
    ),
    "a base exception of its own": ("class Deep(BaseException): pass\nraise Deep('deep')", "Deep: deep"),
    "a group": ('raise ExceptionGroup("several", [ValueError("one")])', "several"),
    "a surrogate": (r"raise ValueError('\udcff')", "ValueError"),
}


@SQLITE
@pytest.mark.parametrize("case", RAISES)
def test_whatever_the_code_raises(case: str, database: Database, project: Project) -> None:
    """Any exception ends the run with 6, its words and its line; all of it is undone, the result stream empty."""
    database.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY)")
    before = database.dump()
    body, words = RAISES[case]
    project.migration("0001_fails", CHANGES + body)
    result = project.run("migrate", env=database.env)
    assert result.code == 6, result.stderr
    error = result.named("run.failed")[0]["error"]
    assert words in error["message"]
    assert error["file"].endswith("0001_fails.py")
    assert database.dump(without=OURS) == before
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert [line for line in result.stderr.splitlines() if not line.startswith("{")] == []


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
@pytest.mark.parametrize("body", ["import sys\nsys.exit(0)", "raise KeyboardInterrupt", 'raise ValueError("no")'])
def test_exits_and_errors_on_servers(body: str, database: Database, project: Project) -> None:
    """On PostgreSQL 6; on MariaDB 7 after DDL, and 6 where nothing was sent before."""
    database.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY)")
    project.migration("0001_fails", body)
    assert project.run("migrate", env=database.env).code == 6
    project.migration("0001_fails", CHANGES + body)
    result = project.run("migrate", env=database.env)
    assert result.code == (7 if database.family == "mysql" else 6)
    assert database.query("SELECT name FROM migration_history") == []


# The file's text → words of the error; none of these runs anything, not even the good file before it.
UNLOADABLE = {
    "no Python": (b"def migrate(:\n    pass\n", "is not Python"),
    "no migrate()": (b"def rollback():\n    pass\n", "defines no migrate()"),
    "an async migrate()": (b"async def migrate():\n    pass\ndef rollback(): pass\n", "async"),
    "migrate is no function": (b"migrate = 3\n", "is not a function"),
    "a NUL byte": (b"def migrate():\n    pass\n\0", "is not Python"),
    "bytes that are no UTF-8": (b"def migrate():\n    'caf\xe9'\n", "is not Python"),
    "an unknown coding": (b"# coding: klingon\ndef migrate():\n    pass\n", "is not Python"),
    "an import": (b"import nowhere_to_be_found\ndef migrate():\n    pass\n", "nowhere_to_be_found"),
    "an exit": (b"import sys\nsys.exit(0)\ndef migrate():\n    pass\n", "SystemExit"),
    "an interrupt": (b"raise KeyboardInterrupt\ndef migrate():\n    pass\n", "KeyboardInterrupt"),
    "an error": (b"\n\n1 / 0\ndef migrate():\n    pass\n", "ZeroDivisionError"),
    "deep nesting": (b"x = " + b"(" * 5000 + b")" * 5000 + b"\ndef migrate():\n    pass\n", "is not Python"),
    "empty": (b"", "defines no migrate()"),
}


@SQLITE
@pytest.mark.parametrize("case", UNLOADABLE)
def test_a_file_that_cannot_be_loaded(case: str, database: Database, project: Project) -> None:
    """3, naming the file, before anything was run."""
    source, words = UNLOADABLE[case]
    project.migration("0001_good", FIRST)
    (project.migrations / "0002_bad.py").write_bytes(source)
    result = project.run("migrate", env=database.env)
    assert result.code == 3, result.stderr
    error = result.named("run.failed")[0]["error"]
    assert words in error["message"]
    assert "0002_bad.py" in error["message"]
    assert database.tables() == []
    assert "Traceback" not in result.stderr


@SQLITE
def test_a_coding_line_is_heeded(database: Database, project: Project) -> None:
    """A file in another encoding that says so runs, and its checksum holds."""
    database.execute("CREATE TABLE word (word TEXT)")
    text = "# -*- coding: latin-1 -*-\nfrom smalls import db\ndef migrate():\n    "
    text += "db.execute_sql(\"INSERT INTO word VALUES ('café')\")\n"
    (project.migrations / "0001_latin.py").write_bytes(text.encode("latin-1"))
    assert project.run("migrate", env=database.env).code == 0
    assert database.query("SELECT word FROM word") == [("café",)]
    assert project.run("migrate", env={**database.env, "SMALLS_ENV": "PROD"}).code == 0


@EVERY_FAMILY
def test_prints_are_log_lines(database: Database, project: Project) -> None:
    """What a file prints, on stdout or stderr, with or without a line end, becomes events; stdout stays clean."""
    project.migration(
        "0001_prints",
        """
        import sys, warnings
        print("one\\ntwo")
        sys.stdout.write("no end")
        print("error", file=sys.stderr)
        warnings.warn("careful")
        """,
        header='print("at the top")\n',
    )
    result = project.run("migrate", env=database.env)
    assert result.code == 0, result.stderr
    assert result.stdout == ""
    printed = [event["message"] for event in result.named("migration.output")]
    assert {"one", "two", "no end", "error"} <= set(printed)
    assert "at the top" in [event["message"] for event in result.named("project.output")]
    assert [line for line in result.stderr.splitlines() if not line.startswith("{")] == []


@SQLITE
def test_results_stay_clean_when_files_print(database: Database, project: Project) -> None:
    """`--plan=execute` prints its JSON alone, whatever the file and its child processes print."""
    body = 'import os\nprint("inside")\nos.system("echo from a child")'
    project.migration("0001_prints", body, header='print("at the top")\n')
    result = project.run("migrate", "--plan=execute", env=database.env)
    assert result.code == 0, result.stderr
    assert json.loads(result.stdout)["executed"][0]["migration"] == "0001_prints"


@SQLITE
def test_a_file_that_goes_elsewhere(database: Database, project: Project) -> None:
    """A change of the working folder ends with the file that made it, so relative paths go on to mean the same."""
    project.write("folder/empty.txt", "")
    project.write("data.sql", "CREATE TABLE data (id INTEGER)")
    project.migration("0001_goes", "import os\nos.chdir('folder')\ndb.close()")
    project.migration("0002_reads", "db.execute_sql(open('data.sql').read())", header="import os; os.chdir('/')\n")
    result = project.run("migrate", env={"SMALLS_DATABASE_URL": "sqlite:///here.db"})
    assert result.code == 0, result.stderr
    assert sorted(path.name for path in project.path.rglob("*.db")) == ["here.db"]
    assert project.run("status", env={"SMALLS_DATABASE_URL": "sqlite:///here.db"}).stdout.count("applied") >= 2


@SQLITE
def test_a_files_place_is_known_to_it(database: Database, project: Project) -> None:
    """`__file__` leads to the file's neighbours from anywhere; relative imports and imports by package work."""
    project.write("migrations/helpers.py", "WORD = 'helped'\n")
    project.write("migrations/rows.sql", "CREATE TABLE rows_of_file (id INTEGER)")
    project.migration(
        "0001_reads",
        """
        import os, pathlib
        os.chdir("/")
        db.execute_sql(pathlib.Path(__file__).with_name("rows.sql").read_text())
        assert WORD == AGAIN == "helped"
        """,
        header="from migrations.helpers import WORD\nfrom .helpers import WORD as AGAIN\n",
    )
    result = project.run("migrate", env=database.env)
    assert result.code == 0, result.stderr


@EVERY_FAMILY
def test_monkeypatches_do_not_reach_what_is_recorded(database: Database, project: Project) -> None:
    """A file that replaces streams, functions or the object's methods is recorded, and the next one runs."""
    project.migration(
        "0001_patches",
        """
        import io, sys, time
        sys.stdout = io.StringIO()
        time.monotonic = lambda: 0.0
        db.cursor = db.cursor
        print("unseen")
        """,
    )
    project.migration("0002_next", 'print("seen")')
    result = project.run("migrate", env=database.env)
    assert result.code == 0, result.stderr
    assert "seen" in [event["message"] for event in result.named("migration.output")]
    assert len(database.query("SELECT name FROM migration_history")) == 2


@EVERY_FAMILY
def test_a_rollback_that_fails(database: Database, project: Project) -> None:
    """Undoing fails as applying does: 6 and as before where it can be rolled back, 7 where not; its row stays."""
    project.migration("0001_first", FIRST)
    project.migration("0002_second", CHANGES, 'db.execute_sql("DROP TABLE half")\nraise ValueError("no way back")')
    project.migration("0003_third")
    assert project.run("migrate", env=database.env).code == 0
    result = project.run("rollback", "zero", "--yes", env=database.env)
    assert result.code == (7 if database.family == "mysql" else 6), result.stderr
    error = result.named("migration.failed")[0]["error"]
    assert "Undoing 0002_second" in error["message"]
    assert "no way back" in error["message"]
    names = [name for (name,) in database.query("SELECT name FROM migration_history ORDER BY id")]
    assert names == ["0001_first", "0002_second"]
    assert ("half" in database.tables()) == (database.family != "mysql")
    assert result.events[-1]["undone"] == 1


@SQLITE
@pytest.mark.parametrize("body", ["import sys\nsys.exit(0)", "raise KeyboardInterrupt", "yield", "db.rollback()"])
def test_rollbacks_raise_whatever_they_like(body: str, database: Database, project: Project) -> None:
    """An undoing that exits, interrupts or never runs is 6, and its row stays."""
    project.migration("0001_first", FIRST, body)
    assert project.run("migrate", env=database.env).code == 0
    before = database.dump()
    assert project.run("rollback", "zero", "--yes", env=database.env).code == 6
    assert database.dump() == before


@SQLITE
def test_a_failure_in_a_helper_names_the_migration(database: Database, project: Project) -> None:
    """The place named is in the migration's own file, also when the error arose in a module that it calls."""
    project.write("helpers.py", "def fail():\n    return 1 / 0\n")
    project.migration("0001_calls", "import helpers\nhelpers.fail()")
    error = project.run("migrate", env=database.env).named("run.failed")[0]["error"]
    assert error["file"].endswith("0001_calls.py")
    assert "ZeroDivisionError" in error["message"]


@EVERY_FAMILY
def test_parameters_are_not_told(database: Database, project: Project) -> None:
    """A failed statement is told without its parameters."""
    database.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY, word VARCHAR(99))")
    param = "?" if database.family == "sqlite" else "%s"
    project.migration(
        "0001_fails",
        f'db.execute_sql("INSERT INTO missing VALUES ({param}, {param})", (1, "very-private"))',
    )
    result = project.run("migrate", env=database.env)
    assert result.code == 6
    assert "very-private" not in result.stderr
    assert "INSERT INTO missing" in result.named("run.failed")[0]["error"]["statement"]
