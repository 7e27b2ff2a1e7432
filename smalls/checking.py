"""`check`: what can be known without a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls import current
from smalls.errors import ReverseMissingError
from smalls.planner import listed
from smalls.project import choose_database
from smalls.source import load_all
from smalls.urls import Engine, Location
from smalls.versions import version_key

if TYPE_CHECKING:
    from smalls.run import Run


def check(run: Run) -> str:
    """Load every file and look for its way back; connects to nothing.

    Raises MigrationLoadError for files that cannot be loaded, ConfigError for a min_version that is no
    version, ReverseMissingError for files without a rollback() that do not say that they have none.
    """
    choose_database(run.settings, fallback=Location(Engine.SQLITE, "sqlite", ":memory:"))
    load_all(run.files, run.stop.check)
    current.set_database(None)
    for migration in run.files:
        if migration.traits.min_version:
            version_key(migration.traits.min_version, where=f"min_version of {migration.path}")
    numbers = [migration.revision.number for migration in run.files]
    equal = [m.key for m in run.files if numbers.count(m.revision.number) > 1]
    if equal:
        run.log("history.warned", f"Of equal number: {listed(equal)}.", migrations=equal)
    bare = [m.key for m in run.files if m.traits.reversible and not m.traits.has_rollback]
    if bare:
        raise ReverseMissingError(f"No rollback() in: {listed(bare)}.", migrations=bare)
    return f"{len(run.files)} migration files load, each with a way back or a word that it has none."
