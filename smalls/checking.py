"""`check`: what can be known without a database."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from smalls import current
from smalls.autoerrors import ModelsDifferError
from smalls.errors import ReverseMissingError
from smalls.project import choose_database
from smalls.refusals import listed
from smalls.source import load_all
from smalls.urls import Engine, Location

if TYPE_CHECKING:
    from smalls.manager import MigrationManager
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
        bare = _bare_managers(run)
        others = [migration for migration in run.files if migration.key not in bare]
        load_all(others, run.stop.check)
        declared = bool(bare) or any(migration.traits.declarative for migration in others)
        told = _models_agree(run) if run.apps or declared else ""
        stuck = [m.key for m in run.files if not (bare[m.key].reversible if m.key in bare else _has_way_back(m))]
    current.set_database(None)
    numbers = Counter(migration.revision.number for migration in run.files)
    equal = [m.key for m in run.files if numbers[m.revision.number] > 1]
    if equal:
        run.log("history.warned", f"Of equal number: {listed(equal)}.", migrations=equal)
    if stuck:
        raise ReverseMissingError(f"No rollback() in: {listed(stuck)}.", migrations=stuck)
    loaded = "1 migration file loads" if len(run.files) == 1 else f"{len(run.files)} migration files load"
    return f"{loaded}, each with a way back or a word that it has none{told}."


def _bare_managers(run: Run) -> dict[str, MigrationManager]:
    """Return the managers of the files that are nothing but a plain migrate(), by key: to read them tells all."""
    from smalls.promises import plain_of

    found = {}
    for migration in run.files:
        run.stop.check()
        plain = plain_of(migration)
        if plain and plain.bare:
            found[migration.key] = plain.manager
    return found


def _has_way_back(migration: Migration) -> bool:
    """Tell whether a file has a rollback() or, being declarative, operations that can all be undone.

    One that says that it has none needs none.
    """
    if not (migration.traits.reversible and migration.traits.derived):
        return migration.traits.has_rollback or not migration.traits.reversible
    from smalls.promises import manager_of

    manager = manager_of(migration)
    return manager is None or manager.reversible


def _models_agree(run: Run) -> str:
    """Hold models against migrations; return what is to be said of it.

    Raises ModelsDifferError with the missing operations.
    """
    from smalls.changes import Comparer

    compared = Comparer(run)
    found = {app: compared.compare(app).operations for app in compared.apps}
    missing = [f"{app}: {item.describe()}" if app else item.describe() for app in found for item in found[app]]
    if missing:
        raise ModelsDifferError(f"Not in the migrations: {'; '.join(missing)}.", operations=missing)
    return "; models and migrations agree" if compared.apps else ""
