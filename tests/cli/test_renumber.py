"""`renumber`: equal and late numbers get the next free ones; nothing that is applied is touched."""

import pytest

from tests.databases import Database
from tests.running import Project
from tests.servers import SQLITE

pytestmark = pytest.mark.parametrize("database", [*SQLITE, "postgres15"], indirect=True)
DECLARATIVE = """\
from smalls.manager import MigrationManager
from smalls.operations import AddColumn, AddTable
from smalls.schema import Column, Table, types


def migrate() -> MigrationManager:
    manager = MigrationManager([{}])
    return manager
"""
TABLE = 'AddTable(Table("{0}", [Column("id", types.integer())], primary_key="id"))'
COLUMN = 'AddColumn("{0}", Column("{1}", types.integer(), null=True))'


def files(project: Project) -> list[str]:
    """Name the migrations."""
    return sorted(path.stem for path in project.migrations.glob("*.py"))


def declare(project: Project, name: str, operation: str) -> None:
    """Write a declarative migration of one operation."""
    (project.migrations / f"{name}.py").write_text(DECLARATIVE.format(operation))


def test_of_an_equal_pair_the_one_that_is_not_applied_moves(database: Database, project: Project) -> None:
    """What the database has keeps its name; the file is the same to the byte, and runs."""
    project.migration("0001_one")
    project.migration("0002_mine")
    assert project.run("migrate", env=database.env).code == 0
    project.migration("0002_theirs")
    before = (project.migrations / "0002_theirs.py").read_bytes()
    planned = project.run("renumber", "--plan", env=database.env)
    assert planned.code == 0, planned.stderr
    assert "0002_theirs.py -> migrations/0003_theirs.py" in planned.stdout
    assert files(project) == ["0001_one", "0002_mine", "0002_theirs"]
    done = project.run("renumber", env=database.env)
    assert done.code == 0, done.stderr
    assert done.named("migration.renumbered")[0]["migration"] == "0002_theirs"
    assert files(project) == ["0001_one", "0002_mine", "0003_theirs"]
    assert (project.migrations / "0003_theirs.py").read_bytes() == before
    assert project.run("migrate", env=database.env).code == 0
    assert "Nothing to renumber" in project.run("renumber", env=database.env).named("run.finished")[0]["message"]


def test_late_files_move_behind_and_keep_their_order(database: Database, project: Project) -> None:
    """Two of another branch, numbered below what is applied."""
    project.migration("0005_five")
    assert project.run("migrate", env=database.env).code == 0
    project.migration("0003_b")
    project.migration("0002_a")
    assert project.run("renumber", env=database.env).code == 0
    assert files(project) == ["0005_five", "0006_a", "0007_b"]


def test_without_a_database_one_has_to_say_which(database: Database, project: Project) -> None:
    """Nothing is guessed: of two that nobody applied the command names both; a name decides."""
    env = {"SMALLS_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    project.migration("0001_one")
    project.migration("0001_two")
    unsure = project.run("renumber", env=env)
    assert unsure.code == 2
    assert "0001_one, 0001_two" in unsure.named("run.failed")[0]["message"]
    done = project.run("renumber", "0001_one", env=env)
    assert done.code == 0, done.stderr
    assert files(project) == ["0001_two", "0002_one"]


def test_what_is_applied_keeps_its_name(database: Database, project: Project) -> None:
    """A name in the history without a file would be a missing migration."""
    project.migration("0001_one")
    assert project.run("migrate", env=database.env).code == 0
    refused = project.run("renumber", "0001_one", env=database.env)
    assert refused.code == 8
    assert refused.named("run.failed")[0]["error"]["code"] == "SML-RENUMBER-APPLIED"
    assert files(project) == ["0001_one"]


def test_what_another_file_names_is_not_renamed(database: Database, project: Project) -> None:
    """Which file is meant there, only a person knows."""
    project.migration("0001_one")
    project.migration("0001_two")
    project.migration("0002_three", "pass  # undoes 0001_two")
    refused = project.run("renumber", "0001_two", env=database.env)
    assert refused.code == 2
    assert "0002_three.py names 0001_two" in refused.named("run.failed")[0]["message"]
    assert files(project) == ["0001_one", "0001_two", "0002_three"]


def test_declarative_files_have_to_fit_in_the_new_order(database: Database, project: Project) -> None:
    """What makes a table cannot go behind what adds to it: nothing is renamed. What is independent can."""
    declare(project, "0001_a", TABLE.format("a"))
    declare(project, "0001_b", TABLE.format("b"))
    declare(project, "0002_more", COLUMN.format("a", "n"))
    refused = project.run("renumber", "0001_a", env=database.env)
    assert refused.code == 3, refused.stderr
    assert files(project) == ["0001_a", "0001_b", "0002_more"]
    done = project.run("renumber", "0001_b", env=database.env)
    assert done.code == 0, done.stderr
    assert files(project) == ["0001_a", "0002_more", "0003_b"]
    assert project.run("migrate", env=database.env).code == 0
