"""`history`: the whole story, also of what is no longer in the history table."""

import json
from pathlib import Path

import pytest

from tests.databases import Database
from tests.running import Project
from tests.undo.images import SECOND, digest_of, env, images


def told(project: Project, settings: dict[str, str], *arguments: str) -> list[dict]:
    """Read the story."""
    done = project.run("history", "--json", *arguments, env=settings)
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)["history"]


@pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
def test_the_whole_story(tmp_path: Path, database: Database) -> None:
    """Applied, undone, faked, skipped and repaired: who, when, by which image, and what can be undone."""
    v1, v2 = images(tmp_path)
    one, two = env(database, "1.0"), env(database, "2.0")
    assert v1.run("migrate", "9", env=one).code == 0
    database.execute("ALTER TABLE post ADD COLUMN n10 INTEGER")
    assert v1.run("migrate", "--fake", env=one).code == 0
    assert v2.run("migrate", env=two).code == 0
    digest = digest_of(v1.run("undo", "--to-image", env=one).stdout)
    assert v1.run("undo", "--to-image", "--plan-digest", digest, env=one).code == 0
    assert v1.run("migrate", env=one | {"SMALLS_SKIP": "the night shift"}).code == 0
    assert v2.run("migrate", "11", env=two).code == 0
    path = v1.migrations / "0001_author.py"
    path.write_text(path.read_text() + "\nEDITED = 1\n")
    assert v1.run("repair", "--accept", "0001_author", "--yes", env=one).code == 0

    story = told(v1, one)
    events = [(each["event"], each["migration"]) for each in story]
    assert events[9] == ("faked", "0010_n10")
    assert events[10:15] == [("applied", name) for name in SECOND]
    assert events[15] == ("undo approved", None)
    assert events[16:21] == [("undone", name) for name in reversed(SECOND)]
    assert events[21:] == [("skipped", None), ("applied", "0011_tag"), ("repaired", "0001_author")]
    assert [each["at"] for each in story] == sorted(each["at"] for each in story)
    assert story[15]["note"] == digest
    assert {each["image_version"] for each in story[10:15]} == {"2.0"}
    assert {each["image_version"] for each in story[16:21]} == {"1.0"}
    assert story[21]["note"] == "migrate: the night shift"
    assert [story[place]["undo"] for place in (0, 9, 22)] == [
        "by its file",
        "no, it was faked, not run by smalls",
        "by what is kept of it (signed)",
    ]
    assert "no key that is set here" not in v1.run("history", env=one).stdout
    assert all(each["by"] for each in story)


@pytest.mark.parametrize("database", ["sqlite", "mysql9"], indirect=True)
def test_a_table_of_upstream_is_read_and_nothing_is_made(project: Project, database: Database) -> None:
    """Who and how long is not known there."""
    project.migration("0001_a")
    project.migration("0003_c", rollback=None)
    assert project.run("history", env=database.env).stdout == "Nothing has happened here.\n"
    database.execute(
        "CREATE TABLE migration_history (id INTEGER PRIMARY KEY, name VARCHAR(255) NOT NULL, "
        "migrated_at TIMESTAMP NOT NULL)"
    )
    for number, name in enumerate(("0001_a", "0002_b", "0003_c"), start=1):
        database.execute(f"INSERT INTO migration_history VALUES ({number}, '{name}', '2024-01-0{number} 10:00:00')")
    before = database.dump()
    story = told(project, database.env)
    assert [each["undo"] for each in story] == [
        "by its file",
        "no, its operations are not kept: it is direct code, or an earlier smalls applied it",
        "no, its file has no way back",
    ]
    assert story[0]["at"] == "2024-01-01 10:00:00"
    assert database.dump() == before
