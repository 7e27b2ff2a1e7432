"""What the migration files of one app promise of the schema, file by file: their managers, added up."""

from __future__ import annotations

from copy import copy
from itertools import takewhile
from typing import TYPE_CHECKING

from smalls.declarative import NotPlainError, Plain, as_operations, read_manager, read_plain, read_state
from smalls.errors import MigrationLoadError
from smalls.manager import MigrationManager
from smalls.migration import is_declarative, parse
from smalls.operations import StateOnly
from smalls.snapshot import SchemaSnapshot
from smalls.source import load, user_call

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from smalls.migration import Migration
    from smalls.operations import Operation
    from smalls.schema import Schema

_DECLARES = (b"MigrationManager", b"state")
"""A file without one of these words in it says nothing about the schema."""


def manager_of(migration: Migration, *, may_run: bool = True) -> MigrationManager | None:
    """Return the manager of a declarative file, None for a direct one.

    Read without running any of it where it is plain; else its migrate() is called, if it may be. Raises
    NotPlainError where it may not, and MigrationLoadError for a migrate() that fails or returns no manager.
    """
    if _DECLARES[0] not in migration.source:
        return None
    plain = plain_of(migration)
    if plain:
        return plain.manager
    tree = parse(migration.source, migration.path)
    if not is_declarative(tree):
        return None
    try:
        return read_manager(tree, migration.path)
    except NotPlainError:
        if not may_run:
            raise
        return called(migration, "migrate", load(migration))


def plain_of(migration: Migration) -> Plain | None:
    """Return what a declarative file says where that takes little time to tell; None says nothing of it."""
    return read_plain(migration.source, migration.path) if _DECLARES[0] in migration.source else None


def can_be_undone(migration: Migration, manager: MigrationManager) -> bool:
    """Tell whether a declarative file has a way back: its own, or one that its operations have."""
    return migration.traits.can_be_undone and (manager.reversible or not migration.traits.derived)


def called(migration: Migration, function: str, module: ModuleType) -> MigrationManager:
    """Return the manager that a declarative file's function returns.

    Raises MigrationLoadError where it fails, with its own file and line, or returns anything else.
    """
    made = user_call(migration, getattr(module, function))
    if not isinstance(made, MigrationManager):
        raise MigrationLoadError(
            f"{migration.path}: {function}() must return its MigrationManager, not {type(made).__name__}.",
            hint="End it with `return manager`.",
            migration=migration.key,
            file=migration.path,
        )
    return made


class Promises:
    """What the files of one app promise.

    `managers` has one for each file, in order; a direct file's holds its `state`. `unknown` are the direct files
    that say nothing of what they did, since the last file that declared the state as a whole. Where no code may be
    run, it ends before the first file that only running could tell, and `stopped` says why.
    Raises MigrationLoadError, and StateError where a file does not fit those before it.
    """

    def __init__(self, migrations: Iterable[Migration], *, may_run: bool = True) -> None:
        self.managers: dict[str, MigrationManager] = {}
        self.declarative: list[str] = []
        self.unknown: list[str] = []
        self.stopped = ""
        self._may_run = may_run
        for migration in migrations:
            try:
                self._add(migration)
            except NotPlainError as error:
                self.stopped = f"{migration.key} has to be run to be known: {error}"
                break
        self.snapshot = SchemaSnapshot(self.managers.items())

    @property
    def schema(self) -> Schema:
        """The schema after all of the files."""
        return self.snapshot.schema

    def along(self, migrations: Iterable[Migration]) -> Promises:
        """Return what these of the files promise, in this order. Raises StateError where one does not fit."""
        found = copy(self)
        keys = takewhile(self.managers.__contains__, (migration.key for migration in migrations))
        found.managers = {key: self.managers[key] for key in keys}
        found.snapshot = SchemaSnapshot(found.managers.items())
        return found

    def _add(self, migration: Migration) -> None:
        manager = manager_of(migration, may_run=self._may_run)
        if manager is not None:
            self.declarative.append(migration.key)
            if _adopts(manager):
                self.unknown.clear()
        else:
            state = _state_of(migration, may_run=self._may_run)
            if state is None:
                self.unknown.append(migration.key)
            manager = MigrationManager([StateOnly(state)] if state else ())
        self.managers[migration.key] = manager


def _adopts(manager: MigrationManager) -> bool:
    return bool(manager.operations) and all(isinstance(item, StateOnly) for item in manager.operations)


def _state_of(migration: Migration, *, may_run: bool) -> tuple[Operation, ...] | None:
    """Return what a direct file says that it does to the schema; None where it says nothing."""
    if _DECLARES[1] not in migration.source:
        return None
    try:
        return read_state(parse(migration.source, migration.path), migration.path)
    except NotPlainError:
        if not may_run:
            raise
        return as_operations(getattr(load(migration), "state", None), migration.path)
