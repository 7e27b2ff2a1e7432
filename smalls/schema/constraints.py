"""Table constraints: foreign keys, checks and unique constraints. A name of "" lets the database name it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from smalls.codec import plain
from smalls.schema.names import TableKey, TableRef, names, renamed, table_key
from smalls.sqltokens import rename_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@plain("foreign_key")
@dataclass(frozen=True, slots=True)
class ForeignKey:
    """`columns` refer to `ref_columns` of `ref_table`.

    `on_delete`, `on_update` and `deferrable` are SQL words ("CASCADE", "SET NULL", "INITIALLY DEFERRED"),
    "" for the engine's default.
    """

    columns: tuple[str, ...]
    ref_table: TableKey
    ref_columns: tuple[str, ...]
    on_delete: str = ""
    on_update: str = ""
    deferrable: str = ""
    name: str = ""

    def __init__(
        self,
        columns: str | Iterable[str],
        ref_table: TableRef,
        ref_columns: str | Iterable[str],
        *,
        on_delete: str = "",
        on_update: str = "",
        deferrable: str = "",
        name: str = "",
    ) -> None:
        put = object.__setattr__
        put(self, "columns", names(columns))
        put(self, "ref_table", table_key(ref_table))
        put(self, "ref_columns", names(ref_columns))
        put(self, "on_delete", on_delete)
        put(self, "on_update", on_update)
        put(self, "deferrable", deferrable)
        put(self, "name", name)

    def rename_columns(self, mapping: Mapping[str, str]) -> ForeignKey:
        """Return the key after columns of its own table were renamed."""
        return replace(self, columns=tuple(renamed(name, mapping) for name in self.columns))

    def rename_target(self, old: TableKey, new: TableKey, mapping: Mapping[str, str]) -> ForeignKey:
        """Return the key after its target was renamed from `old` to `new`, and columns in it by `mapping`."""
        if self.ref_table != old:
            return self
        return replace(self, ref_table=new, ref_columns=tuple(renamed(name, mapping) for name in self.ref_columns))


@plain("check")
@dataclass(frozen=True, slots=True)
class Check:
    """Rows must satisfy `sql`, an expression without the word CHECK and its outer parentheses."""

    sql: str
    name: str = ""

    def rename_columns(self, mapping: Mapping[str, str]) -> Check:
        """Return the check after columns of its table were renamed: every engine renames them in it, too."""
        return replace(self, sql=rename_in(self.sql, mapping))


@plain("unique")
@dataclass(frozen=True, slots=True)
class Unique:
    """No two rows have the same `columns`; a constraint, where `Index(unique=True)` is an index."""

    columns: tuple[str, ...]
    deferrable: str = ""
    name: str = ""

    def __init__(self, columns: str | Iterable[str], *, deferrable: str = "", name: str = "") -> None:
        put = object.__setattr__
        put(self, "columns", names(columns))
        put(self, "deferrable", deferrable)
        put(self, "name", name)

    def rename_columns(self, mapping: Mapping[str, str]) -> Unique:
        """Return the constraint after columns of its table were renamed."""
        return replace(self, columns=tuple(renamed(name, mapping) for name in self.columns))


Constraint: TypeAlias = ForeignKey | Check | Unique


def columns_of(constraint: Constraint) -> tuple[str, ...]:
    """Return the columns of its own table that `constraint` names; none for a check, which names them in SQL."""
    return () if isinstance(constraint, Check) else constraint.columns
