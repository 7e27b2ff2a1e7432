"""Operations on columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from smalls.autoerrors import StateError
from smalls.codec import plain
from smalls.operations.base import Operation, Value
from smalls.operations.loss import type_loss
from smalls.schema import Column, Schema, TableKey, table_key

if TYPE_CHECKING:
    from smalls.schema import TableRef


@plain("add_column")
@dataclass(frozen=True, slots=True)
class AddColumn(Operation):
    """Add `column` to `table`, giving the rows that are there `backfill`.

    The backfill is not a default: rows that are written later do not get it. Without one, existing rows get
    the column's database default, or NULL.
    """

    name: ClassVar[str] = "add_column"
    table: TableKey
    column: Column
    backfill: Value = None

    def __init__(self, table: TableRef, column: Column, *, backfill: Value = None) -> None:
        object.__setattr__(self, "table", table_key(table))
        object.__setattr__(self, "column", column)
        object.__setattr__(self, "backfill", backfill)

    @property
    def risky(self) -> bool:
        """Whether it must fail on a table that has rows: not null, and nothing to put there."""
        return not (self.column.null or self.column.filled or self.backfill is not None)

    def apply(self, schema: Schema) -> Schema:
        table = schema.table(self.table)
        if table.find(self.column.name):
            raise StateError(f"table {self.table} has a column {self.column.name!r} already")
        return schema.put(table.swap("columns", None, self.column))

    def inverse(self) -> Operation:
        return DropColumn(self.table, self.column, reverse_backfill=self.backfill)

    def describe(self) -> str:
        return f"add column {self.table}.{self.column.name}"


@plain("drop_column")
@dataclass(frozen=True, slots=True)
class DropColumn(Operation):
    """Drop `column`, given whole so that it can be made again; rows then get `reverse_backfill`.

    Keys, indexes and constraints that name the column have to be dropped before.
    """

    name: ClassVar[str] = "drop_column"
    table: TableKey
    column: Column
    reverse_backfill: Value = None

    def __init__(self, table: TableRef, column: Column, *, reverse_backfill: Value = None) -> None:
        object.__setattr__(self, "table", table_key(table))
        object.__setattr__(self, "column", column)
        object.__setattr__(self, "reverse_backfill", reverse_backfill)

    @property
    def one_way(self) -> bool:
        """Whether its reverse must fail on a table that has rows: not null, and nothing to put there."""
        return not (self.column.null or self.column.filled or self.reverse_backfill is not None)

    def apply(self, schema: Schema) -> Schema:
        table = schema.table(self.table)
        users = [*table.users_of(self.column.name), *self._referrers(schema)]
        if users:
            raise StateError(f"column {self.table}.{self.column.name} cannot go: {', '.join(users)} needs it")
        return schema.put(table.swap("columns", self.column, None))

    def _referrers(self, schema: Schema) -> list[str]:
        return [
            f"a foreign key of {other.key}"
            for other in schema.tables.values()
            for fk in other.foreign_keys
            if fk.ref_table == self.table and self.column.name in fk.ref_columns
        ]

    def inverse(self) -> Operation:
        return AddColumn(self.table, self.column, backfill=self.reverse_backfill)

    def describe(self) -> str:
        return f"drop column {self.table}.{self.column.name}"

    @property
    def destructive(self) -> bool:
        return self.column.generated is None

    @property
    def loss(self) -> str:
        return f"what {self.table}.{self.column.name} holds" if self.destructive else ""


@plain("rename_column")
@dataclass(frozen=True, slots=True)
class RenameColumn(Operation):
    """Rename the column `old` to `new`; keys, indexes and constraints that name it follow."""

    name: ClassVar[str] = "rename_column"
    table: TableKey
    old: str
    new: str

    def __init__(self, table: TableRef, old: str, new: str) -> None:
        object.__setattr__(self, "table", table_key(table))
        object.__setattr__(self, "old", old)
        object.__setattr__(self, "new", new)

    def apply(self, schema: Schema) -> Schema:
        table = schema.table(self.table)
        table.column(self.old)
        if table.find(self.new):
            raise StateError(f"table {self.table} has a column {self.new!r} already")
        return schema.rename_columns(self.table, {self.old: self.new})

    def inverse(self) -> Operation:
        return RenameColumn(self.table, self.new, self.old)

    def describe(self) -> str:
        return f"rename column {self.table}.{self.old} to {self.new}"


@plain("alter_column")
@dataclass(frozen=True, slots=True)
class AlterColumn(Operation):
    """Change the column from `old` to `new`, which has the same name; anything about it may change at once.

    `using` is the SQL that makes a new value of an old one, where the engine's own cast does not do; `backfill`
    replaces NULLs before the column becomes not null. `reverse_using` and `reverse_backfill` are the same for
    the way back.
    """

    name: ClassVar[str] = "alter_column"
    table: TableKey
    old: Column
    new: Column
    using: str = ""
    backfill: Value = None
    reverse_using: str = ""
    reverse_backfill: Value = None

    def __init__(
        self,
        table: TableRef,
        old: Column,
        new: Column,
        *,
        using: str = "",
        backfill: Value = None,
        reverse_using: str = "",
        reverse_backfill: Value = None,
    ) -> None:
        if old.name != new.name:
            raise StateError(f"to alter {old.name!r} and to rename it to {new.name!r} are two operations")
        put = object.__setattr__
        put(self, "table", table_key(table))
        put(self, "old", old)
        put(self, "new", new)
        put(self, "using", using)
        put(self, "backfill", backfill)
        put(self, "reverse_using", reverse_using)
        put(self, "reverse_backfill", reverse_backfill)

    @property
    def risky(self) -> bool:
        """Whether it must fail on a table whose rows hold NULL there."""
        return self.old.null and not self.new.null and self.backfill is None

    def apply(self, schema: Schema) -> Schema:
        return schema.put(schema.table(self.table).swap("columns", self.old, self.new))

    def inverse(self) -> Operation:
        return AlterColumn(
            self.table,
            self.new,
            self.old,
            using=self.reverse_using,
            backfill=self.reverse_backfill,
            reverse_using=self.using,
            reverse_backfill=self.backfill,
        )

    def describe(self) -> str:
        return f"alter column {self.table}.{self.old.name}"

    @property
    def loss(self) -> str:
        if self.new.generated is not None and self.old.generated is None:
            return f"what {self.table}.{self.old.name} holds"
        return type_loss(self.old.type, self.new.type)
