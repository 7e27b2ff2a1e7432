"""Operations on indexes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from smalls.autoerrors import StateError
from smalls.codec import plain
from smalls.operations.base import Operation
from smalls.schema import Index, Schema, TableKey, table_key

if TYPE_CHECKING:
    from smalls.schema import Table, TableRef


def _expect_free(table: Table, name: str) -> None:
    if any(index.name == name for index in table.indexes):
        raise StateError(f"table {table.key} has an index {name!r} already")


@plain("add_index")
@dataclass(frozen=True, slots=True)
class AddIndex(Operation):
    """Create `index`; `concurrently` asks an engine that can to do it without blocking writers."""

    name: ClassVar[str] = "add_index"
    table: TableKey
    index: Index
    concurrently: bool = False

    def __init__(self, table: TableRef, index: Index, *, concurrently: bool = False) -> None:
        object.__setattr__(self, "table", table_key(table))
        object.__setattr__(self, "index", index)
        object.__setattr__(self, "concurrently", concurrently)

    def apply(self, schema: Schema) -> Schema:
        table = schema.table(self.table)
        _expect_free(table, self.index.name)
        for name in self.index.columns:
            table.column(name)
        return schema.put(table.swap("indexes", None, self.index))

    def inverse(self) -> Operation:
        return DropIndex(self.table, self.index, concurrently=self.concurrently)

    def describe(self) -> str:
        return f"add index {self.index.name} on {self.table}"

    @property
    def non_transactional(self) -> bool:
        return self.concurrently


@plain("drop_index")
@dataclass(frozen=True, slots=True)
class DropIndex(Operation):
    """Drop `index`, given whole so that it can be made again; `concurrently` as in `AddIndex`."""

    name: ClassVar[str] = "drop_index"
    table: TableKey
    index: Index
    concurrently: bool = False

    def __init__(self, table: TableRef, index: Index, *, concurrently: bool = False) -> None:
        object.__setattr__(self, "table", table_key(table))
        object.__setattr__(self, "index", index)
        object.__setattr__(self, "concurrently", concurrently)

    def apply(self, schema: Schema) -> Schema:
        return schema.put(schema.table(self.table).swap("indexes", self.index, None))

    def inverse(self) -> Operation:
        return AddIndex(self.table, self.index, concurrently=self.concurrently)

    def describe(self) -> str:
        return f"drop index {self.index.name} on {self.table}"

    @property
    def non_transactional(self) -> bool:
        return self.concurrently


@plain("rename_index")
@dataclass(frozen=True, slots=True)
class RenameIndex(Operation):
    """Rename the index `old` of `table` to `new`."""

    name: ClassVar[str] = "rename_index"
    table: TableKey
    old: str
    new: str

    def __init__(self, table: TableRef, old: str, new: str) -> None:
        object.__setattr__(self, "table", table_key(table))
        object.__setattr__(self, "old", old)
        object.__setattr__(self, "new", new)

    def apply(self, schema: Schema) -> Schema:
        table = schema.table(self.table)
        index = table.index(self.old)
        _expect_free(table, self.new)
        return schema.put(table.swap("indexes", index, replace(index, name=self.new)))

    def inverse(self) -> Operation:
        return RenameIndex(self.table, self.new, self.old)

    def describe(self) -> str:
        return f"rename index {self.old} on {self.table} to {self.new}"
