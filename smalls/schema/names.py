"""How tables are named, SQL text as a value, and the cutting of names that are too long for an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from smalls.codec import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class TableKey(NamedTuple):
    """What tells a table from every other: its schema ("" = the connection's own) and its name."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


TableRef: TypeAlias = TableKey | tuple[str, str] | str
"""A table as callers may write it: `"post"`, or `("blog", "post")` with its schema."""


def table_key(ref: TableRef) -> TableKey:
    """Return the key that `ref` means; a plain string is a name in the connection's own schema."""
    return TableKey("", ref) if isinstance(ref, str) else TableKey(*ref)


@plain("sql")
@dataclass(frozen=True, slots=True)
class Sql:
    """SQL text where a name or a plain value could stand: `Sql("lower(title)")`, `Sql("now()")`."""

    text: str


def names(given: str | Iterable[str]) -> tuple[str, ...]:
    """Return `given` as a tuple, taking a single string for one name."""
    return (given,) if isinstance(given, str) else tuple(given)


def renamed(name: str, mapping: Mapping[str, str]) -> str:
    """Return the new name of `name`, or itself."""
    return mapping.get(name, name)


def fit(name: str, limit: int) -> str:
    """Return `name`, cut to at most `limit` bytes of UTF-8 at a character's border, as PostgreSQL itself cuts.

    A state keeps names whole; a compiler fits them to its engine's limit (PostgreSQL 63 bytes). Cutting
    as the server would keeps the objects findable that Peewee's own `create_tables` made.
    """
    encoded = name.encode()
    return name if len(encoded) <= limit else encoded[:limit].decode(errors="ignore")
