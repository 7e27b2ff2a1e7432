"""Operations on whole tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from smalls.autoerrors import StateError
from smalls.codec import plain
from smalls.operations.base import Operation
from smalls.schema import Options, Schema, Table, TableKey, table_key

if TYPE_CHECKING:
    from smalls.schema import TableRef


@plain("add_table")
@dataclass(frozen=True, slots=True)
class AddTable(Operation):
    """Create `table` with its indexes and constraints."""

    name: ClassVar[str] = "add_table"
    table: Table

    def apply(self, schema: Schema) -> Schema:
        unknown = self.table.unknown_columns()
        if unknown:
            raise StateError(f"table {self.table.key} uses columns that it does not have: {', '.join(unknown)}")
        return schema.add(self.table)

    def inverse(self) -> Operation:
        return DropTable(self.table)

    def describe(self) -> str:
        return f"add table {self.table.key}"


@plain("drop_table")
@dataclass(frozen=True, slots=True)
class DropTable(Operation):
    """Drop `table`, given whole so that it can be made again."""

    name: ClassVar[str] = "drop_table"
    table: Table

    def apply(self, schema: Schema) -> Schema:
        key = self.table.key
        for other in schema.tables.values():
            if other.key != key and any(fk.ref_table == key for fk in other.foreign_keys):
                raise StateError(f"table {key} cannot go: a foreign key of {other.key} refers to it")
        return self.forget(schema)

    def forget(self, schema: Schema) -> Schema:
        """Return `schema` without the table, whoever refers to it: what `StateOnly` does, as it stays."""
        there = schema.table(self.table.key)
        if there != self.table:
            raise StateError(f"table {self.table.key}: expected {self.table!r}; there is {there!r}")
        return schema.remove(self.table.key)

    def inverse(self) -> Operation:
        return AddTable(self.table)

    def describe(self) -> str:
        return f"drop table {self.table.key}"

    @property
    def destructive(self) -> bool:
        return True

    @property
    def loss(self) -> str:
        return f"every row of {self.table.key}"


@plain("rename_table")
@dataclass(frozen=True, slots=True)
class RenameTable(Operation):
    """Rename `table` to `new`, within its schema; foreign keys to it follow."""

    name: ClassVar[str] = "rename_table"
    table: TableKey
    new: str

    def __init__(self, table: TableRef, new: str) -> None:
        object.__setattr__(self, "table", table_key(table))
        object.__setattr__(self, "new", new)

    @property
    def new_key(self) -> TableKey:
        """The table's key afterwards."""
        return TableKey(self.table.schema, self.new)

    def apply(self, schema: Schema) -> Schema:
        return schema.move(self.table, self.new_key)

    def inverse(self) -> Operation:
        return RenameTable(self.new_key, self.table.name)

    def describe(self) -> str:
        return f"rename table {self.table} to {self.new}"


@plain("move_table")
@dataclass(frozen=True, slots=True)
class MoveTable(Operation):
    """Move `table` to the schema `new`, "" for the connection's own; foreign keys to it follow."""

    name: ClassVar[str] = "move_table"
    table: TableKey
    new: str

    def __init__(self, table: TableRef, new: str) -> None:
        object.__setattr__(self, "table", table_key(table))
        object.__setattr__(self, "new", new)

    @property
    def new_key(self) -> TableKey:
        """The table's key afterwards."""
        return TableKey(self.new, self.table.name)

    def apply(self, schema: Schema) -> Schema:
        return schema.move(self.table, self.new_key)

    def inverse(self) -> Operation:
        return MoveTable(self.new_key, self.table.schema)

    def describe(self) -> str:
        return f"move table {self.table} to {self.new or 'the default schema'}"


@plain("change_comment")
@dataclass(frozen=True, slots=True)
class ChangeComment(Operation):
    """Change the comment on `table`; the comment on a column belongs to the column, see `AlterColumn`."""

    name: ClassVar[str] = "change_comment"
    table: TableKey
    old: str
    new: str

    def __init__(self, table: TableRef, old: str, new: str) -> None:
        object.__setattr__(self, "table", table_key(table))
        object.__setattr__(self, "old", old)
        object.__setattr__(self, "new", new)

    def apply(self, schema: Schema) -> Schema:
        table = schema.table(self.table)
        if table.comment != self.old:
            raise StateError(f"the comment on table {self.table} is {table.comment!r}, not {self.old!r}")
        return schema.put(table.with_(comment=self.new))

    def inverse(self) -> Operation:
        return ChangeComment(self.table, self.new, self.old)

    def describe(self) -> str:
        return f"change comment on table {self.table}"


@plain("change_options")
@dataclass(frozen=True, slots=True)
class ChangeOptions(Operation):
    """Change how `table` is kept; see `Options`."""

    name: ClassVar[str] = "change_options"
    table: TableKey
    old: Options
    new: Options

    def __init__(self, table: TableRef, old: Options, new: Options) -> None:
        object.__setattr__(self, "table", table_key(table))
        object.__setattr__(self, "old", old)
        object.__setattr__(self, "new", new)

    def apply(self, schema: Schema) -> Schema:
        table = schema.table(self.table)
        if table.options != self.old:
            raise StateError(f"the options of table {self.table} are {table.options!r}, not {self.old!r}")
        return schema.put(table.with_(options=self.new))

    def inverse(self) -> Operation:
        return ChangeOptions(self.table, self.new, self.old)

    def describe(self) -> str:
        return f"change options of table {self.table}"
