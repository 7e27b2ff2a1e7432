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


UNIQUE = {
    "named": 'manager.add_constraint("thing", Unique("n", name="once"))',
    "unnamed": 'manager.add_constraint("thing", Unique("n"))',
    "column": (
        'manager.alter_column("thing", Column("n", types.integer()),'
        ' Column("n", types.integer(), extra=["UNIQUE"]))'
    ),
    "index": 'manager.add_index("thing", Index("once", "n", unique=True), concurrently=True)',
}
ON_THING = "FROM pg_index WHERE indrelid = 'thing'::regclass"


def unique(form: str, transaction: str = "") -> str:
    """Give the text of a migration that makes the column unique."""
    text = ONLINE.format(transaction=transaction).replace("import Check,", "import Check, Unique,")
    return text.replace('manager.add_constraint("thing", Check("n > 0", "positive"))', UNIQUE[form])


@pytest.mark.parametrize("database", ["postgres15", "postgres17"], indirect=True)
@pytest.mark.parametrize("form", UNIQUE)
def test_what_is_to_be_unique_is_built_while_others_write(form: str, project: Project, database: Database):
    """Rows that stand against it are told, a rerun builds it over what the failed build left, and it goes again."""
    project.write("migrations/0001_table.py", TABLE)
    assert project.run("migrate", env=database.env).code == 0
    database.execute("INSERT INTO thing VALUES (1), (1)")
    project.write("migrations/0002_unique.py", unique(form))
    plan = json.loads(project.run("migrate", "--plan", env=database.env).stdout)["plan"][0]
    assert plan["transaction"] is False
    steps = [step for operation in plan["operations"] for step in operation["steps"]]
    assert [step["lock"] for step in steps if "CREATE UNIQUE INDEX" in step["sql"]] == ["SHARE UPDATE EXCLUSIVE"]

    for _ in range(2):
        failed = project.run("migrate", env=database.env)
        assert failed.code == 7
        assert "could not create unique index" in failed.stderr
        assert database.query(f"SELECT indisvalid {ON_THING}") == [(False,)]
    database.execute("UPDATE thing SET n = 2 WHERE ctid = (SELECT min(ctid) FROM thing)")
    assert project.run("migrate", env=database.env).code == 0
    name = "once" if form in ("named", "index") else "thing_n_key"
    assert database.query(f"SELECT indexrelid::regclass::text, indisvalid {ON_THING}") == [(name, True)]
    constraints = database.query("SELECT count(*) FROM pg_constraint WHERE conrelid = 'thing'::regclass")
    assert constraints == [(0 if form == "index" else 1,)]
    assert project.run("rollback", "1", "--yes", env=database.env).code == 0
    assert database.query(f"SELECT 1 {ON_THING}") == []


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_an_index_that_was_built_when_its_run_was_killed_is_not_built_twice(project: Project, database: Database):
    """Nor is one in the way dropped, if it is valid: it is somebody's."""
    project.write("migrations/0001_table.py", TABLE)
    assert project.run("migrate", env=database.env).code == 0
    database.execute("CREATE UNIQUE INDEX once ON thing (n)")
    project.write("migrations/0002_unique.py", unique("named"))
    failed = project.run("migrate", env=database.env)
    assert failed.code == 7
    assert 'relation \\"once\\" already exists' in failed.stderr
    database.execute("DELETE FROM smalls_journal WHERE event = 'failed'")  # as a killed run leaves it
    assert project.run("migrate", env=database.env).code == 0
    assert database.query("SELECT conname FROM pg_constraint WHERE contype = 'u' AND conname = 'once'")


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_all_or_nothing_holds_indexes_too(project: Project, database: Database):
    """`transaction = True` leaves no index behind, and builds over one that was left before it said so."""
    project.write("migrations/0001_table.py", TABLE)
    assert project.run("migrate", env=database.env).code == 0
    database.execute("INSERT INTO thing VALUES (1), (1)")
    project.write("migrations/0002_unique.py", unique("named"))
    assert project.run("migrate", env=database.env).code == 7
    assert project.run("repair", "--retry", "0002_unique", "--yes", env=database.env).code == 0
    database.execute("ALTER TABLE thing DROP COLUMN label")
    project.write("migrations/0002_unique.py", unique("named", "transaction = True"))
    before = database.dump()
    assert project.run("migrate", env=database.env).code == 6
    assert database.dump() == before
    database.execute("DELETE FROM thing")
    assert project.run("migrate", env=database.env).code == 0
    assert database.query(f"SELECT indisvalid {ON_THING}") == [(True,)]


@pytest.mark.parametrize("database", ["mariadb10"], indirect=True)
def test_a_step_that_was_done_when_the_connection_broke_is_not_done_twice(project: Project, database: Database):
    """The server may bring a statement to its end that nobody hears of."""
    project.write("migrations/0001_three.py", THREE)
    database.execute("CREATE TABLE b (n INTEGER)")
    assert project.run("migrate", env=database.env).code == 7
    database.execute("""UPDATE smalls_journal SET detail = '{"doubt": true}' WHERE event = 'failed'""")
    assert project.run("migrate", env=database.env).code == 0
    assert [name for name in database.tables() if name not in ours] == ["a", "b", "c"]


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_a_locked_table_is_not_waited_for_long(project: Project, database: Database):
    """A step that stands alone is under SMALLS_DDL_LOCK_TIMEOUT too: 14, and a rerun goes on."""
    project.write("migrations/0001_table.py", TABLE)
    assert project.run("migrate", env=database.env).code == 0
    project.write("migrations/0002_check.py", ONLINE.format(transaction=""))
    other = database.connect()
    other.cursor().execute("BEGIN; LOCK TABLE thing IN ACCESS SHARE MODE")
    env = {**database.env, "SMALLS_DDL_LOCK_TIMEOUT": "0.3", "SMALLS_DDL_RETRIES": "1"}
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
