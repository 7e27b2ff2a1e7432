"""SMALLS_TRANSACTION=run: all that a run does in one transaction, all or nothing."""

import pytest

from tests.databases import Database
from tests.faults.scenes import applied, code_of
from tests.running import Project
from tests.servers import MYSQL, POSTGRES, SQLITE

held = pytest.mark.parametrize("database", [*SQLITE, *POSTGRES], indirect=True)
RUN = {"SMALLS_TRANSACTION": "run"}
DECLARED = """\
from smalls.manager import MigrationManager
from smalls.schema import Column, Index, types

{header}


def migrate():
    manager = MigrationManager()
    manager.{operation}
    return manager
"""
TABLE = 'add_table("made", [Column("id", types.integer()), Column("n", types.integer())], primary_key="id")'


def makes(name: str) -> str:
    """Write a body that makes a table."""
    return f"db.execute_sql('CREATE TABLE {name} (n INTEGER)')"


def three(project: Project, third: str) -> None:
    """Write two migrations, of each style one, and a third."""
    project.migration("0001_one", makes("one"), "db.execute_sql('DROP TABLE one')")
    project.write("migrations/0002_two.py", DECLARED.format(operation=TABLE, header=""))
    project.migration("0003_three", third)


def empty(database: Database) -> bool:
    """Tell whether no migration left anything."""
    return not applied(database) and set(database.tables()) <= {"migration_history", "smalls_journal"}


@held
def test_all_of_them(database: Database, project: Project) -> None:
    """Each is recorded and told, forward and back."""
    three(project, makes("three"))
    env = {**database.env, **RUN}
    result = project.run("migrate", env=env)
    assert result.code == 0, result.stderr
    assert [each["migration"] for each in result.named("migration.applied")] == applied(database)
    assert len(applied(database)) == result.events[-1]["applied"] == 3
    assert result.events[-1]["pending"] == 0
    project.migration("0003_three", makes("three"), "db.execute_sql('DROP TABLE three')")
    result = project.run("rollback", "zero", "--yes", env={**env, "SMALLS_EDITED": "warn"})
    assert result.code == 0, result.stderr
    assert result.events[-1]["undone"] == 3
    assert empty(database)


@held
def test_or_none(database: Database, project: Project) -> None:
    """A failure in the last takes the others with it, and says so."""
    three(project, "db.execute_sql('CREATE TABLE one (n INTEGER)')")
    result = project.run("migrate", env={**database.env, **RUN})
    assert result.code == 6, result.stderr
    assert empty(database)
    assert result.named("migration.applied") == []
    assert result.events[-1]["applied"] == 0
    error = result.named("run.failed")[0]
    assert "0003_three failed" in error["message"]
    assert "Those before it in the run's transaction (2) were rolled back with it." in error["message"]


@held
def test_a_rollback_that_fails_undoes_nothing(database: Database, project: Project) -> None:
    """What was undone before it is as it was."""
    three(project, makes("three"))
    assert project.run("migrate", env=database.env).code == 0
    project.migration("0001_one", makes("one"), "db.execute_sql('DROP TABLE not_there')")
    before = database.dump()
    env = {**database.env, **RUN, "SMALLS_EDITED": "warn"}
    result = project.run("rollback", "zero", "--yes", env=env)
    assert result.code == 6, result.stderr
    assert result.events[-1]["undone"] == 0
    assert database.dump() == before


@held
@pytest.mark.parametrize("ends", ["db.commit()", "db.execute_sql('COMMIT')", "db.close()", "db.rollback()"])
def test_code_that_ends_the_transaction(database: Database, project: Project, ends: str) -> None:
    """Through Peewee it is seen before it is done: 6, and nothing took effect."""
    three(project, f"{makes('three')}\n{ends}")
    result = project.run("migrate", env={**database.env, **RUN})
    assert result.code == 6, result.stderr
    assert "SMALLS_TRANSACTION=run" in result.named("run.failed")[0]["message"]
    assert empty(database)


@held
def test_a_commit_past_peewee(database: Database, project: Project) -> None:
    """It is found out: 7, and those before it, which it committed with their rows, are told as applied."""
    three(project, f"{makes('three')}\ndb.connection().cursor().execute('COMMIT')")
    result = project.run("migrate", env={**database.env, **RUN})
    assert result.code == 7, result.stderr
    assert code_of(result) == "SML-MIGRATION-TRANSACTION"
    assert [each["migration"] for each in result.named("migration.applied")] == applied(database)
    assert applied(database) == ["0001_one", "0002_two"]
    assert result.events[-1]["applied"] == 2
    assert project.run("migrate", env={**database.env, **RUN}).code == 7


@held
def test_what_cannot_be_held_is_refused(database: Database, project: Project) -> None:
    """Before anything runs: 3, with the names."""
    three(project, makes("three"))
    project.migration("0004_four", header="transaction = False\n")
    result = project.run("migrate", env={**database.env, **RUN})
    assert result.code == 3
    assert "0004_four" in result.named("run.failed")[0]["message"]
    assert empty(database)
    operation = 'run_sql("VACUUM", reverse=[], transactional=False)'
    project.write("migrations/0004_four.py", DECLARED.format(operation=operation, header=""))
    result = project.run("migrate", env={**database.env, **RUN})
    assert result.code == 3
    assert "0004_four" in result.named("run.failed")[0]["message"]
    assert empty(database)


@pytest.mark.parametrize("database", MYSQL, indirect=True)
def test_where_ddl_commits_it_is_refused(database: Database, project: Project) -> None:
    """MySQL and MariaDB cannot: 3."""
    three(project, makes("three"))
    result = project.run("migrate", env={**database.env, **RUN})
    assert result.code == 3
    assert "SMALLS_TRANSACTION" in result.named("run.failed")[0]["message"]
    assert database.tables() == []


@pytest.mark.parametrize("database", POSTGRES, indirect=True)
def test_what_stands_apart_is_held_together(database: Database, project: Project) -> None:
    """Indexes and backfills that have steps or batches of their own are put into the one transaction."""
    three(project, "db.execute_sql('INSERT INTO made VALUES (1, 1), (2, 2)')")
    index = 'add_index("made", Index("made_n", "n"), concurrently=True)\n    manager.backfill("made", "n", 7)'
    project.write("migrations/0004_four.py", DECLARED.format(operation=index, header=""))
    project.migration("0005_five", "db.execute_sql('SELECT 1 / 0')")
    result = project.run("migrate", env={**database.env, **RUN})
    assert result.code == 6, result.stderr
    assert empty(database)
    project.migration("0005_five")
    result = project.run("migrate", env={**database.env, **RUN})
    assert result.code == 0, result.stderr
    assert database.query("SELECT n FROM made") == [(7,), (7,)]
