"""Two images of one app as project folders: the first has ten migrations, the second fifteen."""

import re
from pathlib import Path

from tests.databases import Database
from tests.running import Project

KEY = "a-key-of-the-tests"
OWN = ("migration_history", "smalls_journal", "smalls_lease")

FILE = """\
from smalls.manager import MigrationManager
from smalls.operations import *
from smalls.schema import *


def migrate():
    manager = MigrationManager()
    {body}
    return manager
"""
SUMMARY = 'Column("summary", types.varchar(200){null})'
FIRST = {
    "0001_author": 'manager.add_table("author", [Column("id", types.auto()), '
    'Column("name", types.varchar(50))], primary_key="id")',
    "0002_post": 'manager.add_table("post", [Column("id", types.auto()), Column("author_id", types.integer()), '
    'Column("title", types.varchar(100))], primary_key="id", '
    'constraints=[ForeignKey("author_id", "author", "id")], indexes=[Index("post_author_id", "author_id")])',
    "0003_summary": f'manager.add_column("post", {SUMMARY.format(null=", null=True")})',
    **{
        f"{number:04d}_n{number}": f'manager.add_column("post", Column("n{number}", types.integer(), null=True))'
        for number in range(4, 11)
    },
}
SECOND = {
    "0011_tag": 'manager.add_table("tag", [Column("id", types.auto()), Column("post_id", types.integer()), '
    'Column("word", types.varchar(20))], primary_key="id", constraints=[ForeignKey("post_id", "post", "id")])\n'
    '    manager.add_column("post", Column("score", types.integer(), default="0"))',
    "0012_heading": 'manager.rename_column("post", "title", "heading")',
    "0013_summary_is_said": f'manager.alter_column("post", {SUMMARY.format(null=", null=True")}, '
    f'{SUMMARY.format(null="")}, backfill="-")',
    "0014_shout": 'manager.run_sql("UPDATE author SET name = UPPER(name)", "UPDATE author SET name = LOWER(name)")',
    "0015_by_heading": 'manager.add_index("post", Index("post_heading", "heading"))',
}


def image(folder: Path, files: dict[str, str], *, version: str = "") -> Project:
    """Make a project of these migrations, given as the lines of their managers."""
    project = Project(folder)
    for name, body in files.items():
        head = f'min_version = "{version}"\n\n' if version else ""
        project.write(f"migrations/{name}.py", head + FILE.format(body=body))
    return project


def images(folder: Path) -> tuple[Project, Project]:
    """Make both images."""
    return image(folder / "v1", FIRST), image(folder / "v2", FIRST | SECOND)


def env(database: Database, version: str, **more: str) -> dict[str, str]:
    """Give what a container of that version runs with."""
    return database.env | {"SMALLS_ENV": "PROD", "SMALLS_VERSION": version, "SMALLS_HISTORY_KEY": KEY, **more}


def fill(database: Database) -> None:
    """Write rows as the first image does; one summary is NULL, which the second replaces for good."""
    for number, name in enumerate(["ada", "bob", "cleo"], start=1):
        database.execute(f"INSERT INTO author (id, name) VALUES ({number}, '{name}')")
        summary = "NULL" if number == 1 else f"'about {name}'"
        database.execute(
            f"INSERT INTO post (id, author_id, title, summary, n4) VALUES ({number}, {number}, 'it''s {name}', "
            f"{summary}, {number})"
        )


def forget_what_is_lost(database: Database) -> None:
    """Take back what the undo cannot: NULLs that became values."""
    database.execute("UPDATE post SET summary = NULL WHERE summary = '-'")


def look(database: Database) -> str:
    """Write schema and rows as text; PostgreSQL goes on counting places of columns where one was dropped."""
    return re.sub(r"\d+, 'score'", "'score'", database.dump(without=OWN))


def digest_of(done_stdout: str) -> str:
    """Read the digest off a printed plan."""
    (line,) = [line for line in done_stdout.splitlines() if line.startswith("Digest: ")]
    return line.removeprefix("Digest: ")


def take_back(image: Project, settings: dict[str, str]) -> None:
    """Undo to an image as a person does: ask for the plan, and have just that executed."""
    asked = image.run("undo", "--to-image", env=settings)
    assert asked.code == 13, asked.stderr
    done = image.run("undo", "--to-image", "--plan-digest", digest_of(asked.stdout), env=settings)
    assert done.code == 0, done.stderr
