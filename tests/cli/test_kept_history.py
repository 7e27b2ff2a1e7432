"""What is recorded of an applied migration, so that an image without its file can judge and undo it."""

import pytest

from smalls.kept import restore
from tests.databases import Database
from tests.running import Project

ADDS = """\
from smalls.manager import MigrationManager
from smalls.schema import Column, Table, types

min_version = "1.0"


def migrate():
    manager = MigrationManager()
    manager.add_table("thing", [Column("id", types.auto()), Column("note", types.text())], primary_key="id")
    return manager
"""
MORE = """\
from smalls.manager import MigrationManager


def migrate():
    manager = MigrationManager()
    manager.run_sql("UPDATE thing SET note = 'é'", "UPDATE thing SET note = ''")
    return manager
"""
KEY = "0123456789abcdef"


def test_operations_are_kept_with_the_row(project: Project, database: Database):
    """Of declarative migrations that ran: signed where there is a key, with what their files say of them."""
    project.write("migrations/0001_adds.py", ADDS)
    project.write("migrations/0002_more.py", MORE)
    project.migration("0003_direct")
    assert project.run("migrate", "1", env=database.env).code == 0
    assert project.run("migrate", env=database.env | {"SMALLS_HISTORY_KEY": KEY}).code == 0
    rows = database.query("SELECT name, additive, operations, checksum FROM migration_history ORDER BY id")
    assert [(name, additive) for name, additive, *_ in rows] == [
        ("0001_adds", 1),
        ("0002_more", 0),
        ("0003_direct", None),
    ]
    kept = [restore(text, name, [KEY.encode()]) for name, _, text, _ in rows[:2]]
    assert [each.signed for each in kept] == [False, True]
    assert (kept[0].checksum, kept[0].min_version, kept[0].back) == (rows[0][3], "1.0", "derived")
    assert "é" in kept[1].operations[0].forward[0]
    assert rows[2][2] is None


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_was_not_run_keeps_nothing(project: Project, database: Database):
    """Nobody knows what the database had."""
    project.write("migrations/0001_adds.py", ADDS)
    project.write("migrations/0002_more.py", MORE)
    assert project.run("baseline", "1", env=database.env).code == 0
    assert project.run("migrate", "--fake", env=database.env).code == 0
    assert database.query("SELECT additive, operations FROM migration_history") == [(None, None)] * 2


def test_a_history_of_an_earlier_smalls_gets_the_columns(project: Project, database: Database):
    """At the next write; until then reading does without them."""
    project.write("migrations/0001_adds.py", ADDS)
    assert project.run("migrate", env=database.env).code == 0
    for column in ("operations", "additive"):
        database.execute(f"ALTER TABLE migration_history DROP COLUMN {column}")
    done = project.run("migrate", env=database.env)
    assert (done.code, done.named("history.adopted")) == (0, [])
    project.write("migrations/0002_more.py", MORE)
    done = project.run("migrate", env=database.env)
    assert (done.code, done.named("history.adopted")[0]["columns"]) == (0, ["additive", "operations"])
    assert [bool(kept) for (kept,) in database.query("SELECT operations FROM migration_history ORDER BY id")] == [
        False,
        True,
    ]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_key_that_is_too_short_is_refused(project: Project, database: Database):
    """And never shown."""
    done = project.run("migrate", env=database.env | {"SMALLS_HISTORY_KEY": "shortkey"})
    assert done.code == 3
    assert "16 characters" in done.stderr
    assert "shortkey" not in done.stderr
