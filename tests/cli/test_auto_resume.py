"""A declarative migration that fails part-way, where DDL cannot be rolled back: a rerun goes on."""

import json

import pytest

from tests.databases import Database
from tests.running import Project

THREE = """\
from smalls.manager import MigrationManager


def migrate():
    manager = MigrationManager()
    manager.run_sql("CREATE TABLE a (n INTEGER)", "DROP TABLE a")
    manager.run_sql("CREATE TABLE b (n INTEGER)", "DROP TABLE b")
    manager.run_sql("CREATE TABLE c (n INTEGER)", "DROP TABLE c")
    return manager
"""
ours = ("migration_history", "smalls_journal")


def journal(database: Database) -> list[str]:
    """Name what happened, in order."""
    return [event for (event,) in database.query("SELECT event FROM smalls_journal ORDER BY id")]


@pytest.mark.parametrize("database", ["mariadb10"], indirect=True)
def test_a_rerun_resumes_after_the_last_step_that_was_done(project: Project, database: Database):
    """Forward and back; nothing is done twice."""
    project.write("migrations/0001_three.py", THREE)
    database.execute("CREATE TABLE b (other INTEGER)")
    failed = project.run("migrate", env=database.env)
    assert failed.code == 7
    assert "smalls migrate" in failed.named("run.failed")[0]["error"]["hint"]
    assert [name for name in database.tables() if name not in ours] == ["a", "b"]
    states = json.loads(project.run("status", "--json", env=database.env).stdout)["migrations"]
    assert states[0]["state"] == "failed"

    database.execute("DROP TABLE b")
    assert project.run("migrate", env=database.env).code == 0
    assert [name for name in database.tables() if name not in ours] == ["a", "b", "c"]
    assert journal(database) == ["started", "step", "failed", "started", "step", "step", "applied"]

    database.execute("DROP TABLE b")
    assert project.run("rollback", "zero", "--yes", env=database.env).code == 7
    assert project.run("migrate", env=database.env).code == 7  # half undone: nothing runs on top of it
    database.execute("CREATE TABLE b (n INTEGER)")
    assert project.run("rollback", "zero", "--yes", env=database.env).code == 0
    assert [name for name in database.tables() if name not in ours] == []


@pytest.mark.parametrize("database", ["mariadb10"], indirect=True)
def test_a_step_that_was_done_when_its_run_was_killed_is_not_done_twice(project: Project, database: Database):
    """The server brings a statement to its end, whoever is no longer there to note it."""
    project.write("migrations/0001_three.py", THREE)
    database.execute("CREATE TABLE b (n INTEGER)")
    assert project.run("migrate", env=database.env).code == 7
    database.execute("DELETE FROM smalls_journal WHERE event = 'failed'")  # as a killed run leaves it
    assert project.run("migrate", env=database.env).code == 0
    assert [name for name in database.tables() if name not in ours] == ["a", "b", "c"]


@pytest.mark.parametrize("database", ["mariadb10"], indirect=True)
def test_a_failure_again_does_not_lose_its_place(project: Project, database: Database):
    """However often."""
    project.write("migrations/0001_three.py", THREE)
    database.execute("CREATE TABLE b (other INTEGER)")
    for _ in range(3):
        assert project.run("migrate", env=database.env).code == 7
    database.execute("DROP TABLE b")
    assert project.run("migrate", env=database.env).code == 0


@pytest.mark.parametrize("database", ["mariadb10"], indirect=True)
def test_steps_that_changed_meanwhile_are_not_resumed(project: Project, database: Database):
    """Nobody could tell which of them are done; repair begins anew."""
    project.write("migrations/0001_three.py", THREE)
    database.execute("CREATE TABLE b (other INTEGER)")
    assert project.run("migrate", env=database.env).code == 7
    project.write("migrations/0001_three.py", THREE.replace("c (n", "d (n"))
    done = project.run("migrate", env=database.env)
    assert done.code == 7
    assert "other steps" in done.named("run.failed")[0]["message"]
    database.execute("DROP TABLE a")
    database.execute("DROP TABLE b")
    assert project.run("repair", "--retry", "0001_three", "--yes", env=database.env).code == 0
    assert project.run("migrate", env=database.env).code == 0


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
def test_where_ddl_is_transactional_nothing_of_it_stays(project: Project, database: Database):
    """The database is as before, and there is nothing to resume."""
    project.write("migrations/0001_three.py", THREE)
    database.execute("CREATE TABLE b (other INTEGER)")
    assert project.run("migrate", env=database.env).code == 6
    assert [name for name in database.tables() if name not in ours] == ["b"]
    database.execute("DROP TABLE b")
    assert project.run("migrate", env=database.env).code == 0


ONLINE = """\
from smalls.manager import MigrationManager
from smalls.schema import Check, Column, Index, types

{transaction}


def migrate():
    manager = MigrationManager()
    manager.add_column("thing", Column("label", types.integer(), null=True))
    manager.add_constraint("thing", Check("n > 0", "positive"))
    return manager
"""
TABLE = """\
from smalls.manager import MigrationManager
from smalls.schema import Column, types


def migrate():
    manager = MigrationManager()
    manager.add_table("thing", [Column("n", types.integer())])
    return manager
"""


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_rows_are_checked_while_others_write(project: Project, database: Database):
    """On PostgreSQL each step of such a migration commits, so a failure is part-way, and a rerun goes on."""
    project.write("migrations/0001_table.py", TABLE)
    assert project.run("migrate", env=database.env).code == 0
    database.execute("INSERT INTO thing VALUES (-1)")
    project.write("migrations/0002_check.py", ONLINE.format(transaction=""))
    plan = json.loads(project.run("migrate", "--plan", env=database.env).stdout)["plan"]
    assert plan[0]["transaction"] is False
    assert project.run("migrate", env=database.env).code == 7
    database.execute("UPDATE thing SET n = 1")
    assert project.run("migrate", env=database.env).code == 0
    assert database.query("SELECT convalidated FROM pg_constraint WHERE conname = 'positive'") == [(True,)]


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_a_file_may_ask_for_all_or_nothing(project: Project, database: Database):
    """`transaction = True` in so many words holds the locks and leaves nothing behind."""
    project.write("migrations/0001_table.py", TABLE)
    assert project.run("migrate", env=database.env).code == 0
    database.execute("INSERT INTO thing VALUES (-1)")
    text = ONLINE.format(transaction="transaction = True")
    project.write("migrations/0002_check.py", text)
    before = database.dump()
    assert project.run("migrate", env=database.env).code == 6
    assert database.dump() == before


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_a_locked_table_is_not_waited_for_long(project: Project, database: Database):
    """A step that stands alone is under SMALLS_DDL_LOCK_TIMEOUT too: 14, and a rerun goes on."""
    project.write("migrations/0001_table.py", TABLE)
    assert project.run("migrate", env=database.env).code == 0
    project.write("migrations/0002_check.py", ONLINE.format(transaction=""))
    other = database.connect()
    other.cursor().execute("BEGIN; LOCK TABLE thing IN ACCESS SHARE MODE")
    env = {**database.env, "SMALLS_DDL_LOCK_TIMEOUT": "0.3"}
    assert project.run("migrate", env=env).code == 14
    other.rollback()
    other.close()
    assert project.run("migrate", env=env).code == 0


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_an_index_for_a_table_in_use_is_written_to_block_nobody(project: Project, database: Database):
    """`create --auto` asks for it concurrently, except where the same migration makes the table."""
    project.write("config.ini", "[smalls]\nmodel = models\n")
    models = "from peewee import *\ndb = DatabaseProxy()\nclass Thing(Model):\n    n = IntegerField({0})\n"
    models += "    class Meta:\n        database = db\n        indexes = ((('n', 'id'), False),)\n"
    project.write("models.py", models.format(""))
    assert project.run("create", "one", "--auto", env=database.env).code == 0
    project.write("models.py", models.format("index=True"))
    assert project.run("create", "two", "--auto", env=database.env).code == 0
    texts = [path.read_text() for path in sorted(project.migrations.glob("*.py"))]
    assert ["concurrently=True" in text for text in texts] == [False, True]
    assert project.run("migrate", env=database.env).code == 0
    assert project.run("check", env=database.env).code == 0
