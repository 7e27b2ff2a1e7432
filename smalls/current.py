"""The run's own database, for migration files that say `from smalls import db, migrator`."""

from __future__ import annotations

from typing import Any

from smalls.errors import ConfigError

_database: Any = None


def set_database(database: Any) -> None:
    """Make `database` what `smalls.db` means from here on."""
    global _database  # noqa: PLW0603 -- a process runs one command on one database
    _database = database


def db() -> Any:
    """Return the run's database. Raises ConfigError outside a run."""
    if _database is None:
        raise ConfigError(
            "`from smalls import db, migrator` works only in files that smalls itself runs.",
            hint="Run it as a migration, or make a Peewee database of your own.",
        )
    return _database


def migrator() -> Any:
    """Return Peewee's migrator for the run's database. Raises ConfigError outside a run."""
    from playhouse.migrate import SchemaMigrator

    return SchemaMigrator.from_database(db())
