"""Operations on keys and constraints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from smalls.autoerrors import StateError
from smalls.codec import plain
from smalls.operations.base import Operation
from smalls.schema import Constraint, ForeignKey, Schema, TableKey, Unique, columns_of, table_key
from smalls.schema.names import names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.schema import TableRef


def _describe(constraint: Constraint) -> str:
    if isinstance(constraint, ForeignKey):
        return f"foreign key ({', '.join(constraint.columns)}) to {constraint.ref_table}"
    if isinstance(constraint, Unique):
        return f"unique ({', '.join(constraint.columns)})"
    return f"check {constraint.name}" if constraint.name else f"check ({constraint.sql})"


@plain("add_constraint")
@dataclass(frozen=True, slots=True)
class AddConstraint(Operation):
    """Add a `Check`, a `Unique` or a `ForeignKey` to `table`."""

    name: ClassVar[str] = "add_constraint"
    table: TableKey
    constraint: Constraint

    def __init__(self, table: TableRef, constraint: Constraint) -> None:
        object.__setattr__(self, "table", table_key(table))
        object.__setattr__(self, "constraint", constraint)

    def apply(self, schema: Schema) -> Schema:
        table = schema.table(self.table)
        named = {item.name for item in table.constraints if item.name}
        if self.constraint in table.constraints or self.constraint.name in named:
            raise StateError(f"table {self.table} has the {_describe(self.constraint)} already")
        for name in columns_of(self.constraint):
            table.column(name)
        return schema.put(table.swap("constraints", None, self.constraint))

    def inverse(self) -> Operation:
        return DropConstraint(self.table, self.constraint)

    def describe(self) -> str:
        return f"add {_describe(self.constraint)} on {self.table}"


@plain("drop_constraint")
@dataclass(frozen=True, slots=True)
class DropConstraint(Operation):
    """Drop a constraint of `table`, given whole so that it can be made again."""

    name: ClassVar[str] = "drop_constraint"
    table: TableKey
    constraint: Constraint

    def __init__(self, table: TableRef, constraint: Constraint) -> None:
        object.__setattr__(self, "table", table_key(table))
        object.__setattr__(self, "constraint", constraint)

    def apply(self, schema: Schema) -> Schema:
        return schema.put(schema.table(self.table).swap("constraints", self.constraint, None))

    def inverse(self) -> Operation:
        return AddConstraint(self.table, self.constraint)

    def describe(self) -> str:
        return f"drop {_describe(self.constraint)} on {self.table}"


@plain("change_primary_key")
@dataclass(frozen=True, slots=True)
class ChangePrimaryKey(Operation):
    """Change the columns of the primary key of `table` from `old` to `new`; () is no key."""

    name: ClassVar[str] = "change_primary_key"
    table: TableKey
    old: tuple[str, ...]
    new: tuple[str, ...]

    def __init__(self, table: TableRef, old: str | Iterable[str], new: str | Iterable[str]) -> None:
        object.__setattr__(self, "table", table_key(table))
        object.__setattr__(self, "old", names(old))
        object.__setattr__(self, "new", names(new))

    def apply(self, schema: Schema) -> Schema:
        table = schema.table(self.table)
        if table.primary_key != self.old:
            raise StateError(f"the primary key of {self.table} is {table.primary_key}, not {self.old}")
        for name in self.new:
            table.column(name)
        return schema.put(table.with_(primary_key=self.new))

    def inverse(self) -> Operation:
        return ChangePrimaryKey(self.table, self.new, self.old)

    def describe(self) -> str:
        return f"change primary key of {self.table} to ({', '.join(self.new)})"
