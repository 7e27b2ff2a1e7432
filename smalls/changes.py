"""What `create --auto` and `check` compare: an app's models with what its migrations promise."""

from __future__ import annotations

import contextlib
import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smalls.autoerrors import AppError, UnknownStateError
from smalls.differ import Diff, diff
from smalls.errors import UsageError
from smalls.hints import NO_HINTS, Ask, DiffWarning, Hints
from smalls.operations import AddTable, DropTable, StateOnly
from smalls.promises import Promises
from smalls.refusals import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalls.run import Run
    from smalls.schema import Schema, Table, TableKey


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Do without the garbage collector for a while: with a thousand tables it would take most of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass(frozen=True, slots=True)
class Comparer:
    """Holds a project's models against its migrations; connects to nothing."""

    run: Run

    @property
    def apps(self) -> tuple[str, ...]:
        """The names of the apps that have models; ("",) in a project without apps that has a model module."""
        if self.run.apps:
            return self.run.apps.names
        return ("",) if self.run.settings.model else ()

    def chosen(self, app: str) -> str:
        """Return the app that is meant: the only one where none is said.

        Raises UsageError where there are several, and AppError where there is nothing to compare.
        """
        if app:
            return self.run.apps.get(app).app_name
        if len(self.apps) == 1:
            return self.apps[0]
        if self.apps:
            raise UsageError(f"For which app? There are {listed(self.apps)}.", hint="Say --app NAME.")
        raise AppError(
            "There are no models to compare with: neither apps nor a model module.",
            hint="Make an app (`smalls app new NAME`), or set `model` in config.ini (SMALLS_MODEL).",
        )

    def promises(self, app: str) -> Promises:
        """Return what the app's files promise."""
        return Promises([migration for migration in self.run.files if migration.revision.app == app])

    def models(self, app: str) -> Schema:
        """Return the schema of the app's models."""
        from smalls.autogen.models import schema_of
        from smalls.modelling import project_models

        if app:
            return schema_of(self.run.apps.get(app).table_classes)
        return schema_of(project_models(self.run.settings))

    def compare(self, app: str, *, hints: Hints = NO_HINTS, ask: Ask | None = None, adopt: bool = False) -> Diff:
        """Return what leads from the app's migrations to its models; with `adopt`, in state only.

        A table that moved here from another app, or there, changes its place in the state and nowhere else.
        Raises UnknownStateError where direct files hide what the state is, StateError, HintError, ModelError.
        """
        promises = self.promises(app)
        if promises.unknown and not adopt:
            raise UnknownStateError(
                f"These direct migrations do not say what they did to the schema: {listed(promises.unknown)}.",
                migrations=promises.unknown,
            )
        old, new = promises.schema, self.models(app)
        if adopt:
            operations = diff(old, new, hints=hints, ask=ask, app=app).operations
            return Diff((StateOnly(operations),) if operations or promises.unknown else ())
        arrivals, departures = self._moves(app, promises, new)
        found = diff(old, new, hints=hints, ask=ask, app=app, arrivals=arrivals.values(), departures=departures)
        return Diff(found.operations, (*found.warnings, *self._order_warnings(app, arrivals)))

    # ── tables that change their app ──

    def _moves(self, app: str, own: Promises, new: Schema) -> tuple[dict[str, Table], list[TableKey]]:
        """Return the tables that come from other apps, by app, and the keys of those that go to others."""
        come = [key for key in new.tables if key not in own.schema.tables and not _received(own, key)]
        go = [key for key in own.schema.tables if key not in new.tables]
        arrivals: dict[str, Table] = {}
        departures: list[TableKey] = []
        for other in self.apps if come or go else ():
            if other == app:
                continue
            theirs, promised = self.models(other).tables, self.promises(other)
            departures += [key for key in go if key in theirs]
            arrivals |= {
                f"{other}.{key}": table
                for key in come
                if key not in theirs and (table := _given(promised, key)) is not None
            }
        return arrivals, departures

    def _order_warnings(self, app: str, arrivals: dict[str, Any]) -> list[DiffWarning]:
        """Warn of a table that came from an app whose migrations, which made it, may run later."""
        needed = self.run.apps.needed_by(app) if app else frozenset()
        return [
            DiffWarning(
                "app-order",
                f"{path} was made by another app's migrations; on an empty database these must run first",
                f"add that app to the migration_dependencies of {app}",
            )
            for path in arrivals
            if path.partition(".")[0] not in needed
        ]


def _state_changes(promises: Promises, kind: type[Any]) -> Iterator[Table]:
    for manager in promises.managers.values():
        for operation in manager.operations:
            if isinstance(operation, StateOnly):
                yield from (item.table for item in operation.operations if isinstance(item, kind))


def _given(promises: Promises, key: TableKey) -> Table | None:
    """Return the table as that app's migrations have it, or had it when they gave it away."""
    if key in promises.schema.tables:
        return promises.schema.tables[key]
    gone = [table for table in _state_changes(promises, DropTable) if table.key == key]
    return gone[-1] if gone else None


def _received(promises: Promises, key: TableKey) -> bool:
    """Whether the app took over a table of that key before, and dropped it since."""
    return any(table.key == key for table in _state_changes(promises, AddTable))
