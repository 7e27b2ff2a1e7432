"""Tables of MySQL and MariaDB that cannot be changed the cheap way: they are changed, and it is told."""

import contextlib
import json

import pytest

from tests.databases import Database
from tests.running import Project
from tests.servers import MYSQL

FILE = """\
from smalls.manager import MigrationManager
from smalls.schema import Column, Index, types


def migrate():
    manager = MigrationManager()
    {operation}
    return manager
"""
COLUMNS = '[Column("id", types.integer()), Column("n", types.varchar(50))]'
MAKE = f'manager.add_table("thing", {COLUMNS}, primary_key="id")'
ADD = 'manager.add_column("thing", Column("m", types.integer(), null=True))'
WIDEN = 'manager.alter_column("thing", Column("n", types.varchar(50)), Column("n", types.varchar(100)))'
INDEX = 'manager.add_index("thing", Index("thing_n", "n"))'
IN_PLACE = ", ALGORITHM=INPLACE, LOCK=NONE"
# what is done to the table by hand, what the migration does, how it is done in the end
KINDS = {
    "full text": ("ALTER TABLE thing ADD FULLTEXT INDEX words (n)", ADD, ""),
    "compressed": ("ALTER TABLE thing ROW_FORMAT=COMPRESSED", ADD, IN_PLACE),
    "another engine": ("ALTER TABLE thing ENGINE=MyISAM", INDEX, ""),
    "one byte more": ("ALTER TABLE thing CONVERT TO CHARACTER SET utf8mb4", WIDEN, ""),
}


OURS = ("migration_history", "smalls_journal")


def shown(database: Database) -> str:
    """Give the table as the server shows it."""
    return str(database.query("SHOW CREATE TABLE thing")[0][1])


def prepared(project: Project, database: Database, kind: str) -> None:
    """Make the table, do by hand what the kind says, and write the migration."""
    project.write("migrations/0001_table.py", FILE.format(operation=MAKE))
    assert project.run("migrate", env=database.env).code == 0
    by_hand, operation, _ = KINDS[kind]
    database.execute(by_hand)
    project.write("migrations/0002_change.py", FILE.format(operation=operation))


@pytest.mark.parametrize("database", MYSQL, indirect=True)
@pytest.mark.parametrize("kind", KINDS)
def test_the_next_best_way_is_taken_and_told(kind: str, project: Project, database: Database):
    """It is no dead end; the plan has the statements, the warning the server's reason; back and forward again."""
    prepared(project, database, kind)
    plan = json.loads(project.run("migrate", "--plan", env=database.env).stdout)["plan"][0]
    (step,) = plan["operations"][0]["steps"]
    done = project.run("migrate", env=database.env)
    assert done.code == 0, done.stderr
    told = done.named("migration.downgraded")
    assert told[-1]["statement"].endswith(f"{KINDS[kind][2]}")
    assert [event["statement"] for event in told] == step["otherwise"][: len(told)]
    assert "not supported" in told[0]["reason"]
    assert (told[-1]["statement"] == step["otherwise"][-1]) == (KINDS[kind][2] == "")
    back = project.run("rollback", "1", "--yes", env=database.env)
    assert back.code == 0, back.stderr
    assert project.run("migrate", env=database.env).code == 0


@pytest.mark.parametrize("database", ["mysql9"], indirect=True)
def test_a_table_that_was_changed_instantly_as_often_as_it_can_be(project: Project, database: Database):
    """MySQL keeps a bounded number of versions of a row; after that the table is written anew."""
    project.write("migrations/0001_table.py", FILE.format(operation=MAKE))
    assert project.run("migrate", env=database.env).code == 0
    with contextlib.closing(database.connect()) as connection:
        for number in range(255):
            connection.cursor().execute(f"ALTER TABLE thing ADD COLUMN c{number} INT, ALGORITHM=INSTANT")
    project.write("migrations/0002_change.py", FILE.format(operation=ADD))
    done = project.run("migrate", env=database.env)
    assert done.code == 0, done.stderr
    (told,) = done.named("migration.downgraded")
    assert "Maximum row versions" in told["reason"]


@pytest.mark.parametrize("database", MYSQL, indirect=True)
def test_looking_for_a_check_leaves_nothing(project: Project, database: Database):
    """It is looked for by a temporary table; where it is not there any more nothing took effect, which is 6."""
    checks = "constraints=[Check(\"n <> 'a'\"), Check(\"n <> 'b'\"), Check(\"n <> 'c'\")]"
    made = FILE.replace("Column,", "Check, Column,").format(operation=f"{MAKE[:-1]}, {checks})")
    project.write("migrations/0001_table.py", made)
    assert project.run("migrate", env=database.env).code == 0
    (name,) = (name for name in ("thing_chk_2", "CONSTRAINT_2") if f"`{name}`" in shown(database))
    database.execute(f"ALTER TABLE thing DROP CONSTRAINT {name}")
    drop = 'manager.drop_constraint("thing", Check("n <> \'b\'"))'
    project.write("migrations/0002_change.py", FILE.replace("Column,", "Check, Column,").format(operation=drop))
    before = database.dump(without=OURS)
    done = project.run("migrate", env=database.env)
    assert done.code == 6, done.stderr
    assert "nothing of that kind" in done.named("migration.failed")[0]["message"]
    assert database.dump(without=OURS) == before


@pytest.mark.parametrize("database", MYSQL, indirect=True)
def test_no_other_error_is_met_by_another_form(project: Project, database: Database):
    """A statement that fails for what it says is not sent again."""
    prepared(project, database, "compressed")
    database.execute("ALTER TABLE thing ADD COLUMN m INT")
    done = project.run("migrate", env=database.env)
    assert done.code == 6
    assert done.named("migration.downgraded") == []
