"""What would run, rehearsals, and what a rollback undoes and in which order."""

import json
from typing import Any

import pytest

from tests.databases import Database
from tests.running import Project, Result

SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
TRANSACTIONAL = pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
EVERY_FAMILY = pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
TABLE = 'db.execute_sql("CREATE TABLE {0} (id INTEGER)")'.format
DROP = 'db.execute_sql("DROP TABLE {0}")'.format


def planned(result: Result) -> list[str]:
    """Give the names that a plan lists."""
    return [step["migration"] for step in json.loads(result.stdout)["plan"]]


def applied(database: Database) -> list[str]:
    """Give what is recorded, in order of application."""
    return [name for (name,) in database.query("SELECT name FROM migration_history ORDER BY id")]


def undone(result: Result) -> list[str]:
    """Give what a rollback undid, in order."""
    return [event["migration"] for event in result.named("migration.undone")]


def table(project: Project, name: str) -> None:
    """Write a migration that makes a table of its own number."""
    project.migration(name, TABLE(f"t{name[:4]}"), DROP(f"t{name[:4]}"))


@EVERY_FAMILY
def test_a_plan_runs_nothing(database: Database, project: Project) -> None:
    """`--plan` lists what would run; no file's code runs, no lock is taken, nothing is made in the database."""
    header = "open('ran', 'w').close()\nimport nowhere_to_be_found\n"
    project.migration("0001_first", TABLE("t"), header=header)
    project.migration("0002_second", rollback=None, header="transaction = False\n")
    before = database.dump()
    result = project.run("migrate", "--plan", env={**database.env, "SMALLS_LOCK_TIMEOUT": "0"})
    assert result.code == 0, result.stderr
    steps: list[dict[str, Any]] = json.loads(result.stdout)["plan"]
    assert [step["migration"] for step in steps] == ["0001_first", "0002_second"]
    assert [step["transaction"] for step in steps] == [database.family != "mysql", False]
    assert [step["reversible"] for step in steps] == [True, False]
    assert not any(step["previewable"] for step in steps)
    assert result.named("lock.acquired") == []
    assert database.dump() == before
    assert not (project.path / "ran").exists()
    assert not list(database_files(database, "*smalls-lock"))


def database_files(database: Database, pattern: str) -> list[Any]:
    """Give files beside a SQLite database; of a server's, none."""
    from pathlib import Path

    return list(Path(database.name).parent.glob(pattern)) if database.family == "sqlite" else []


@SQLITE
def test_a_plan_makes_no_file(database: Database, project: Project) -> None:
    """A SQLite database that is not there is not made by looking."""
    table(project, "0001_first")
    assert planned(project.run("migrate", "--plan", env=database.env)) == ["0001_first"]
    assert database_files(database, "*.db*") == []


@SQLITE
def test_a_plan_goes_to_a_target(database: Database, project: Project) -> None:
    """TARGET bounds the plan as it bounds the run."""
    for name in ("0001_a", "0002_b", "0003_c"):
        table(project, name)
    assert planned(project.run("migrate", "2", "--plan", env=database.env)) == ["0001_a", "0002_b"]
    assert project.run("migrate", "0002_b", env=database.env).code == 0
    assert planned(project.run("migrate", "--plan", env=database.env)) == ["0003_c"]


@TRANSACTIONAL
def test_a_rehearsal_is_rolled_back(database: Database, project: Project) -> None:
    """`--plan=execute` runs everything, one on top of the other, and leaves the database as it was."""
    table(project, "0001_first")
    assert project.run("migrate", env=database.env).code == 0
    project.migration("0002_second", TABLE("second") + '\ndb.execute_sql("INSERT INTO t0001 VALUES (7)")')
    project.migration("0003_third", 'assert db.execute_sql("SELECT * FROM second").fetchall() == []\nprint("here")')
    before = database.dump()
    result = project.run("migrate", "--plan=execute", env=database.env)
    assert result.code == 0, result.stderr
    assert [step["migration"] for step in json.loads(result.stdout)["executed"]] == ["0002_second", "0003_third"]
    assert "here" in [event["message"] for event in result.named("migration.output")]
    assert database.dump() == before
    assert result.named("lock.acquired")


@TRANSACTIONAL
def test_a_rehearsal_on_an_empty_database(database: Database, project: Project) -> None:
    """Not even our own tables are made."""
    table(project, "0001_first")
    assert project.run("migrate", "--plan=execute", env=database.env).code == 0
    assert database.tables() == []


ESCAPES = {
    "commit()": "db.commit()",
    "a raw COMMIT": 'db.execute_sql("COMMIT")',
    "a commit that is swallowed": "try:\n    db.commit()\nexcept Exception:\n    pass",
    "a rollback that is swallowed": "try:\n    db.rollback()\nexcept Exception:\n    pass",
    "close()": "db.close()",
    "begin()": "db.begin()",
    "manual_commit()": "with db.manual_commit():\n    pass",
    "a raw connection": 'c = db.connection().cursor(); c.execute("COMMIT")',
    "a raw connection that is swallowed": (
        'try:\n    c = db.connection().cursor(); c.execute("COMMIT")\nexcept Exception:\n    pass'
    ),
    "VACUUM": 'db.execute_sql("VACUUM")',
}


@TRANSACTIONAL
@pytest.mark.parametrize("case", ESCAPES)
def test_a_rehearsal_never_commits(case: str, database: Database, project: Project) -> None:
    """A file that would commit is refused in words, and nothing that it does before or after is kept."""
    project.migration("0001_escapes", f"{TABLE('before')}\n{ESCAPES[case]}\n{TABLE('after')}")
    result = project.run("migrate", "--plan=execute", env=database.env)
    assert result.code == 6, result.stderr
    assert "cannot be rehearsed" in result.named("run.failed")[0]["error"]["message"]
    assert database.tables() == []
    assert result.stdout == ""


@SQLITE
def test_a_rehearsal_finds_what_a_run_would(database: Database, project: Project) -> None:
    """Broken foreign keys, and a body that never ran, fail a rehearsal as they fail a run."""
    database.execute(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p INTEGER REFERENCES p);"
        "INSERT INTO p VALUES (1); INSERT INTO c VALUES (1);"
    )
    project.migration("0001_breaks", 'db.execute_sql("DELETE FROM p")')
    result = project.run("migrate", "--plan=execute", env=database.env)
    assert result.code == 6
    assert "foreign keys" in result.named("run.failed")[0]["error"]["message"]
    assert database.query("SELECT * FROM p") == [(1,)]


@EVERY_FAMILY
def test_what_cannot_be_rehearsed(database: Database, project: Project) -> None:
    """On MySQL and MariaDB, and for `transaction = False` anywhere, a rehearsal is refused before anything runs."""
    project.migration("0001_out", TABLE("t"), header="transaction = False\n")
    result = project.run("migrate", "--plan=execute", env=database.env)
    assert result.code == 2
    assert database.tables() == []


@SQLITE
def test_a_rehearsal_in_prod_needs_consent(database: Database, project: Project) -> None:
    """It runs code on the production database: 13 without a yes."""
    table(project, "0001_first")
    prod = {**database.env, "SMALLS_ENV": "PROD"}
    assert project.run("migrate", "--plan=execute", env=prod).code == 13
    assert project.run("migrate", "--plan=execute", "--yes", env=prod).code == 0
    assert database.tables() == []


# ── rollback ──


@SQLITE
def test_rollback_undoes_in_reverse_order_of_application(database: Database, project: Project) -> None:
    """Late arrivals go by when they were applied, not by their numbers; NUMBER itself stays."""
    for name in ("0001_a", "0003_c", "0005_e"):
        table(project, name)
    assert project.run("migrate", env=database.env).code == 0
    for name in ("0002_late", "0004_late"):
        table(project, name)
    assert project.run("migrate", env=database.env).code == 0
    assert applied(database) == ["0001_a", "0003_c", "0005_e", "0002_late", "0004_late"]
    shown = project.run("rollback", "2", "--plan", env=database.env)
    assert planned(shown) == ["0004_late", "0005_e", "0003_c"]
    assert len(applied(database)) == 5
    result = project.run("rollback", "0002", "--yes", env=database.env)
    assert undone(result) == ["0004_late", "0005_e", "0003_c"]
    assert applied(database) == ["0001_a", "0002_late"]
    assert project.run("migrate", env=database.env).code == 0


@SQLITE
def test_zero_and_0000(database: Database, project: Project) -> None:
    """0000 undoes every file above number 0; `zero` also one numbered 0000."""
    for name in ("0000_base", "0001_a"):
        table(project, name)
    assert project.run("migrate", env=database.env).code == 0
    assert undone(project.run("rollback", "0000", "--yes", env=database.env)) == ["0001_a"]
    assert applied(database) == ["0000_base"]
    assert undone(project.run("rollback", "zero", "--yes", env=database.env)) == ["0000_base"]
    assert applied(database) == []
    again = project.run("rollback", "zero", "--yes", env=database.env)
    assert again.code == 0
    assert undone(again) == []


@SQLITE
def test_equal_numbers_are_told_apart_by_name(database: Database, project: Project) -> None:
    """A number keeps all files of that number; a full name keeps only what stands up to it."""
    for name in ("0001_a", "0002_x", "0002_y", "0003_c"):
        project.migration(name)
    assert project.run("migrate", env=database.env).code == 0
    assert planned(project.run("rollback", "2", "--plan", env=database.env)) == ["0003_c"]
    assert planned(project.run("rollback", "0002_x", "--plan", env=database.env)) == ["0003_c", "0002_y"]
    assert undone(project.run("rollback", "0002_x", "--yes", env=database.env)) == ["0003_c", "0002_y"]
    assert applied(database) == ["0001_a", "0002_x"]


@EVERY_FAMILY
def test_what_was_not_run_is_not_undone(database: Database, project: Project) -> None:
    """Baselined and faked rows are left alone, with or without their files."""
    for name in ("0001_base", "0002_faked"):
        project.migration(name, TABLE("never"), DROP("never"))
    table(project, "0003_real")
    assert project.run("baseline", "1", env=database.env).code == 0
    assert project.run("migrate", "2", "--fake", env=database.env).code == 0
    assert project.run("migrate", env=database.env).code == 0
    result = project.run("rollback", "zero", "--yes", env=database.env)
    assert result.code == 0, result.stderr
    assert undone(result) == ["0003_real"]
    assert applied(database) == ["0001_base", "0002_faked"]


@SQLITE
def test_everything_is_known_to_be_possible_first(database: Database, project: Project) -> None:
    """A missing file, a missing rollback() and `reversible = False` are all named, and nothing is undone: 8."""
    project.migration("0001_gone")
    project.migration("0002_bare", rollback=None)
    project.migration("0003_oneway", header="reversible = False\n")
    table(project, "0004_fine")
    assert project.run("migrate", env=database.env).code == 0
    (project.migrations / "0001_gone.py").unlink()
    before = database.dump()
    for how in (["--plan"], ["--yes"]):
        result = project.run("rollback", "zero", *how, env=database.env)
        assert result.code == 8
        message = result.named("run.failed")[0]["error"]["message"]
        assert all(name in message for name in ("0001_gone", "0002_bare", "0003_oneway"))
        assert "0004_fine" not in message
        assert database.dump() == before
    assert undone(project.run("rollback", "3", "--yes", env=database.env)) == ["0004_fine"]


@SQLITE
def test_every_file_loads_before_the_first_is_undone(database: Database, project: Project) -> None:
    """A file that no longer loads stops a rollback before its first step: 3."""
    project.migration("0001_first", header="import os; assert 'BREAK' not in os.environ\n")
    table(project, "0002_second")
    assert project.run("migrate", env=database.env).code == 0
    result = project.run("rollback", "zero", "--yes", env={**database.env, "BREAK": "1"})
    assert result.code == 3
    assert applied(database) == ["0001_first", "0002_second"]


@SQLITE
@pytest.mark.parametrize("number", ["abcd", "-1", "0007_x", "3.5", ""])
def test_a_number_that_means_nothing(number: str, database: Database, project: Project) -> None:
    """2, and nothing is undone."""
    table(project, "0001_first")
    assert project.run("migrate", env=database.env).code == 0
    assert project.run("rollback", "--yes", "--", number, env=database.env).code == 2
    assert applied(database) == ["0001_first"]


@SQLITE
def test_rollback_plan_runs_no_code(database: Database, project: Project) -> None:
    """`rollback --plan` loads no file."""
    project.migration("0001_first", header="import os; assert 'BREAK' not in os.environ\n")
    assert project.run("migrate", env=database.env).code == 0
    result = project.run("rollback", "zero", "--plan", env={**database.env, "BREAK": "1"})
    assert planned(result) == ["0001_first"]


@EVERY_FAMILY
def test_forwards_backwards_forwards(database: Database, project: Project) -> None:
    """After an undo the schema is as before the migration, and it can be applied again."""
    table(project, "0001_first")
    assert project.run("migrate", env=database.env).code == 0
    before = database.dump(without=("migration_history", "smalls_journal"))
    project.migration(
        "0002_column",
        'pw_migrate(migrator.add_column("t0001", "word", CharField(null=True)))',
        'pw_migrate(migrator.drop_column("t0001", "word"))',
    )
    assert project.run("migrate", env=database.env).code == 0
    database.query("SELECT word FROM t0001")
    assert project.run("rollback", "1", "--yes", env=database.env).code == 0
    assert database.dump(without=("migration_history", "smalls_journal")) == before
    assert project.run("migrate", env=database.env).code == 0
    database.query("SELECT word FROM t0001")
