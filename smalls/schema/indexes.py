"""Indexes: plain, unique, partial, over expressions, or in an engine's own words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from smalls.codec import plain
from smalls.schema.names import Sql, renamed
from smalls.sqltokens import rename_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Part: TypeAlias = str | Sql
"""What an index is over: a column's name, or SQL such as `Sql("lower(title)")` or `Sql('"id" DESC')`."""


@plain("index")
@dataclass(frozen=True, slots=True)
class Index:
    """An index named `name` over `parts`, in order.

    `method` is the engine's word ("GIN", "HASH"), "" for its default; `where` makes it partial;
    `nulls_distinct` is PostgreSQL's NULLS [NOT] DISTINCT, None when unsaid. An index that was given as a
    whole statement has that text in `sql`, and no parts.
    """

    name: str
    parts: tuple[Part, ...] = ()
    unique: bool = False
    method: str = ""
    where: str = ""
    nulls_distinct: bool | None = None
    sql: str = ""

    def __init__(
        self,
        name: str,
        parts: Part | Iterable[Part] = (),
        *,
        unique: bool = False,
        method: str = "",
        where: str = "",
        nulls_distinct: bool | None = None,
        sql: str = "",
    ) -> None:
        put = object.__setattr__
        put(self, "name", name)
        put(self, "parts", (parts,) if isinstance(parts, (str, Sql)) else tuple(parts))
        put(self, "unique", unique)
        put(self, "method", method)
        put(self, "where", where)
        put(self, "nulls_distinct", nulls_distinct)
        put(self, "sql", sql)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are parts by name; those inside SQL text are not read."""
        return tuple(part for part in self.parts if isinstance(part, str))

    @property
    def textual(self) -> bool:
        """Whether any of it is SQL text, so that a change of names or types may break it."""
        return bool(self.sql or self.where) or len(self.columns) != len(self.parts)

    def rename_columns(self, mapping: Mapping[str, str]) -> Index:
        """Return the index after columns of its table were renamed."""
        parts = tuple(
            renamed(part, mapping) if isinstance(part, str) else Sql(rename_in(part.text, mapping))
            for part in self.parts
        )
        return replace(self, parts=parts, where=rename_in(self.where, mapping))
