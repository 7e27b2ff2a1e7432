"""The schema that migrations promise: the sum of their managers, also as of any one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.autoerrors import StateError
from smalls.schema import Schema
from smalls.schema.state import Draft

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.manager import MigrationManager

STRIDE = 100
"""So many migrations apart, a schema is kept; those between are added up again when they are asked for."""


class SchemaSnapshot:
    """Adds up the managers of migrations, given as (name, manager) in the order in which they run.

    Start from `base` where something is there already. Raises `StateError`, with the migration's name, when
    an operation does not fit what is before it.
    """

    def __init__(self, migrations: Iterable[tuple[str, MigrationManager]], base: Schema | None = None) -> None:
        given = list(migrations)
        self._managers = [manager for _, manager in given]
        self._places = {name: place for place, (name, _) in enumerate(given)}
        self._marks: list[Schema] = []
        self._opened: tuple[int, list[Schema]] = (-1, [])
        draft: Schema = Draft(base.tables.values() if base else ())
        for place, (name, manager) in enumerate(given):
            if place % STRIDE == 0:
                self._marks.append(_settled(draft))
            try:
                draft = manager.apply(draft)
            except StateError as error:
                raise StateError(f"{name}: {error.message}", migration=name) from error
        self.schema = _settled(draft)
        """The schema after all migrations."""

    def after(self, name: str) -> Schema:
        """Return the schema after the migration of that name; raises `StateError` if there is none such."""
        return self._pair(name)[1]

    def before(self, name: str) -> Schema:
        """Return the schema that the migration of that name finds; raises as `after` does."""
        return self._pair(name)[0]

    def _pair(self, name: str) -> tuple[Schema, Schema]:
        if name not in self._places:
            raise StateError(f"there is no migration {name}", migration=name)
        mark, beyond = divmod(self._places[name], STRIDE)
        if self._opened[0] != mark:
            self._opened = mark, self._between(mark)
        return self._opened[1][beyond], self._opened[1][beyond + 1]

    def _between(self, mark: int) -> list[Schema]:
        """Return the schemas from that mark to the next, both included."""
        found = [self._marks[mark]]
        for manager in self._managers[mark * STRIDE : (mark + 1) * STRIDE]:
            found.append(manager.apply(found[-1]))
        return found


def _settled(draft: Schema) -> Schema:
    return Schema(draft.tables.values())
