"""`create`: a new, numbered migration file, with Peewee's operations as examples in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from smalls.errors import MigrationsFolderError
from smalls.naming import next_number, revision_of_stem, stem_for

if TYPE_CHECKING:
    from smalls.settings import Settings

_TEMPLATE = '''"""{description}

Some examples:

# Tables ----------------------------------------------------------------------
# Create tables from their models, or drop them
from {model} import SomeTable
db.create_tables([SomeTable])
db.drop_tables([SomeTable])

# Operations of playhouse.migrate ---------------------------------------------
from peewee import CharField, Check, IntegerField, TextField

pw_migrate(
    # Columns
    migrator.add_column("some_table", "title", CharField(default="")),
    migrator.rename_column("some_table", "title", "headline"),
    migrator.alter_column_type("some_table", "headline", TextField()),
    migrator.add_not_null("some_table", "headline"),
    migrator.drop_column("some_table", "headline"),

    # Tables
    migrator.rename_table("some_table", "other_table"),

    # Indexes: table, columns, unique
    migrator.add_index("some_table", ("pub_date", "status"), False),
    migrator.drop_index("some_table", "some_table_pub_date_status"),

    # Constraints (SQLite has them from 3.53)
    migrator.add_unique("some_table", "slug"),
    migrator.add_constraint("some_table", "price_check", Check("price >= 0")),
    migrator.drop_constraint("some_table", "price_check"),
)

# Plain SQL, and data ---------------------------------------------------------
db.execute_sql("UPDATE some_table SET status = 'new' WHERE status IS NULL")

Attributes, all optional:
transaction = False     # for statements that cannot run in one (CREATE INDEX CONCURRENTLY)
reversible = False      # there is no way back
min_version = "1.4.0"   # the oldest image that can live with the result
phase = "contract"      # older code cannot live with it: run it after the rollout
"""

{imports}

{migrator}{attributes}
def migrate():
    """Migration code goes here"""


def rollback():
    """Rollback code goes here"""
'''


def create(settings: Settings, description: str, folder: str | None = None, attributes: str = "") -> str:
    """Write a new migration file, with `attributes` above its functions, and return its path; see `write_new`."""
    return write_new(Path(folder or settings.migrations), description, _text(settings, description, attributes))


def write_new(folder: Path, description: str, text: str) -> str:
    """Write `text` as the folder's next migration file, named by its description, and return its path.

    Raises UsageError for a description with nothing to make a name of, and MigrationsFolderError where the
    folder cannot be written. Never overwrites a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = [revision_of_stem(path.stem) for path in folder.iterdir() if path.suffix == ".py"]
        path = folder / f"{stem_for(next_number(r for r in found if r), description)}.py"
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise MigrationsFolderError(
            f"The folder {folder} cannot be written: {error.strerror}.",
            hint='Run `create` as the owner of that folder; in a container, with --user "$(id -u):0". '
            "A folder that Docker made for a mount belongs to root: make it yourself before the first run.",
        ) from None
    return str(path)


def _text(settings: Settings, description: str, attributes: str) -> str:
    """Return the file's text; the migrator is chosen by the database when the file runs."""
    attributes = f"{attributes}\n\n" if attributes else ""
    readable = description.encode(errors="replace").decode()  # bytes of the command line that are no text
    safe = " ".join(readable.split()).replace("\\", "\\\\").replace('"', "'")
    peewee = "from playhouse.migrate import migrate as pw_migrate\n"
    if not settings.model:
        imports = f"{peewee}\nfrom smalls import db, migrator  # the run's database"
        return _TEMPLATE.format(
            description=safe, model="model", imports=imports, migrator="", attributes=attributes
        )
    model, name = _import_of(settings)
    imports = f"from playhouse.migrate import SchemaMigrator\n{peewee}\nfrom {model} import {name}"
    migrator = f"migrator = SchemaMigrator.from_database({name})\n\n"
    return _TEMPLATE.format(
        description=safe, model=model, imports=imports, migrator=migrator, attributes=attributes
    )


def _import_of(settings: Settings) -> tuple[str, str]:
    """Return module and object: `model=model.db` names both, as the first smalls' page has it."""
    model = settings.model or ""
    if model.endswith(f".{settings.object}"):
        return model.removesuffix(f".{settings.object}"), settings.object
    return model, settings.object
