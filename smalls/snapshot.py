"""The schema that migrations promise: the sum of their managers, also as of any one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.autoerrors import StateError
from smalls.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.manager import MigrationManager


class SchemaSnapshot:
    """Adds up the managers of migrations, given as (name, manager) in the order in which they run.

    Start from `base` where something is there already. Raises `StateError`, with the migration's name, when
    an operation does not fit what is before it.
    """

    def __init__(self, migrations: Iterable[tuple[str, MigrationManager]], base: Schema | None = None) -> None:
        self._base = base or Schema()
        self._after: dict[str, Schema] = {}
        schema = self._base
        for name, manager in migrations:
            try:
                schema = manager.apply(schema)
            except StateError as error:
                raise StateError(f"{name}: {error.message}", migration=name) from error
            self._after[name] = schema
        self.schema = schema
        """The schema after all migrations."""

    def after(self, name: str) -> Schema:
        """Return the schema after the migration of that name; raises `StateError` if there is none such."""
        if name not in self._after:
            raise StateError(f"there is no migration {name}", migration=name)
        return self._after[name]

    def before(self, name: str) -> Schema:
        """Return the schema that the migration of that name finds."""
        self.after(name)
        names = list(self._after)
        at = names.index(name)
        return self._after[names[at - 1]] if at else self._base
