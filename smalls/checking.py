"""`check`: what can be known without a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls import current
from smalls.autoerrors import ModelsDifferError
from smalls.errors import ReverseMissingError
from smalls.project import choose_database
from smalls.refusals import listed
from smalls.source import load_all
from smalls.urls import Engine, Location
from smalls.versions import version_key

if TYPE_CHECKING:
    from smalls.migration import Migration
    from smalls.run import Run


def check(run: Run) -> str:
    """Load every file and look for its way back; connects to nothing.

    Raises MigrationLoadError for files that cannot be loaded, ConfigError for a min_version that is no
    version, ReverseMissingError for files without a way back that do not say that they have none, and
    ModelsDifferError where models and migrations differ.
    """
    from smalls.changes import uncollected

    choose_database(run.settings, fallback=Location(Engine.SQLITE, "sqlite", ":memory:"))
    with uncollected():
        load_all(run.files, run.stop.check)
        told = _models_agree(run)
        bare = [m.key for m in run.files if m.traits.reversible and not _has_way_back(m)]
    current.set_database(None)
    for migration in run.files:
        if migration.traits.min_version:
            version_key(migration.traits.min_version, where=f"min_version of {migration.path}")
    numbers = [migration.revision.number for migration in run.files]
    equal = [m.key for m in run.files if numbers.count(m.revision.number) > 1]
    if equal:
        run.log("history.warned", f"Of equal number: {listed(equal)}.", migrations=equal)
    if bare:
        raise ReverseMissingError(f"No rollback() in: {listed(bare)}.", migrations=bare)
    loaded = "1 migration file loads" if len(run.files) == 1 else f"{len(run.files)} migration files load"
    return f"{loaded}, each with a way back or a word that it has none{told}."


def _has_way_back(migration: Migration) -> bool:
    """Tell whether a file has a rollback() or, being declarative, operations that can all be undone."""
    if not migration.traits.derived:
        return migration.traits.has_rollback
    from smalls.promises import manager_of

    manager = manager_of(migration)
    return manager is None or manager.reversible


def _models_agree(run: Run) -> str:
    """Hold models against migrations wherever a state is declared; return what is to be said of it.

    Raises ModelsDifferError with the missing operations.
    """
    declared = bool(run.apps) or any(migration.traits.declarative for migration in run.files)
    if not declared:
        return ""
    from smalls.changes import Comparer

    compared = Comparer(run)
    found = {app: compared.compare(app).operations for app in compared.apps}
    missing = [f"{app}: {item.describe()}" if app else item.describe() for app in found for item in found[app]]
    if missing:
        raise ModelsDifferError(f"Not in the migrations: {'; '.join(missing)}.", operations=missing)
    return "; models and migrations agree" if compared.apps else ""
