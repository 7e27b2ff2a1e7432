"""The schema as a whole: every table that the migrations, or the models, promise."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from smalls.autoerrors import StateError
from smalls.codec import sealed, unsealed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from smalls.schema.names import TableKey
    from smalls.schema.tables import Table


class Schema:
    """An immutable set of tables by key. Equal when the tables are, in whatever order; see `Table`.

    It comes from models or from summing migrations, never from a database.
    """

    __slots__ = ("tables",)
    tables: Mapping[TableKey, Table]

    def __init__(self, tables: Iterable[Table] = ()) -> None:
        held: dict[TableKey, Table] = {}
        for table in tables:
            if table.key in held:
                raise StateError(f"there are two tables {table.key}")
            held[table.key] = table
        object.__setattr__(self, "tables", MappingProxyType(held))

    @classmethod
    def _of(cls, tables: dict[TableKey, Table]) -> Schema:
        schema = cls()
        object.__setattr__(schema, "tables", MappingProxyType(tables))
        return schema

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Schema is immutable: {name}")

    def __eq__(self, other: object) -> bool:
        return self.tables == other.tables if isinstance(other, Schema) else NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self.tables.values()))

    def __repr__(self) -> str:
        return f"Schema({list(self.tables.values())!r})"

    def table(self, key: TableKey) -> Table:
        """Return the table of that key; raises `StateError` when there is none."""
        try:
            return self.tables[key]
        except KeyError:
            raise StateError(f"there is no table {key}") from None

    def add(self, table: Table) -> Schema:
        """Return the schema with one table more; raises `StateError` when its key is taken."""
        if table.key in self.tables:
            raise StateError(f"there is a table {table.key} already")
        return self._with(table)

    def remove(self, key: TableKey) -> Schema:
        """Return the schema without the table of that key."""
        self.table(key)
        return self._of({held: table for held, table in self.tables.items() if held != key})

    def put(self, table: Table) -> Schema:
        """Return the schema with the table of that key replaced, in its place."""
        self.table(table.key)
        return self._with(table)

    def _with(self, table: Table) -> Schema:
        return self._of({**self.tables, table.key: table})

    def move(self, old: TableKey, new: TableKey) -> Schema:
        """Return the schema with a table under another key, and the foreign keys to it following.

        Raises `StateError` when `old` is not there or `new` is taken.
        """
        moved = self.table(old).with_(schema=new.schema, name=new.name)
        if new in self.tables:
            raise StateError(f"there is a table {new} already")
        tables = [moved if key == old else table for key, table in self.tables.items()]
        followed = [t.map_foreign_keys(lambda fk: fk.rename_target(old, new, {})) for t in tables]
        return self._of({table.key: table for table in followed})

    def rename_columns(self, key: TableKey, mapping: Mapping[str, str]) -> Schema:
        """Return the schema with columns of one table renamed, and the foreign keys to them following."""
        schema = self.put(self.table(key).rename_columns(mapping))
        followed = [
            table.map_foreign_keys(lambda fk: fk.rename_target(key, key, mapping))
            for table in schema.tables.values()
        ]
        return self._of({table.key: table for table in followed})

    def to_dict(self) -> dict[str, Any]:
        """Return the schema as plain, versioned, JSON-able data, sorted by key; nothing is lost."""
        return sealed("tables", [self.tables[key] for key in sorted(self.tables)])

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Schema:
        """Return the schema that `to_dict` wrote; raises `FormatError` for anything else."""
        return cls(unsealed("tables", data))


class Draft(Schema):
    """A schema that tables are put into in place: for adding up thousands of operations, which would copy it each.

    An operation gives back the very draft that it was applied to, so only who began it may hold it.
    """

    __slots__ = ()
    tables: dict[TableKey, Table]

    def __init__(self, tables: Iterable[Table] = ()) -> None:
        super().__init__(tables)
        object.__setattr__(self, "tables", dict(self.tables))

    @classmethod
    def _of(cls, tables: dict[TableKey, Table]) -> Schema:
        return cls(tables.values())

    def _with(self, table: Table) -> Schema:
        self.tables[table.key] = table
        return self
