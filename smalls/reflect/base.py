"""A live database's catalogue as comparable plain data, and the differences of two in sentences.

Deep enough that "equal" means that no query can tell one schema from the other, save for the order of columns:
definitions stand as the server itself prints them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

Query: TypeAlias = Callable[..., Sequence[tuple[Any, ...]]]
"""Runs SQL, with parameters if any are given, and returns all rows."""


@dataclass(frozen=True, slots=True)
class LiveColumn:
    """A column as the server tells it; `extra` is what only some engines have ("auto_increment", …)."""

    type: str
    null: bool
    default: str | None = None
    generated: str = ""
    identity: str = ""
    collation: str = ""
    comment: str = ""
    extra: str = ""


@dataclass(frozen=True, slots=True)
class LiveTable:
    """A table: its columns, indexes, constraints and owned sequences by name, definitions in the server's words."""

    columns: Mapping[str, LiveColumn]
    primary_key: tuple[str, ...] = ()
    indexes: Mapping[str, str] = field(default_factory=dict)
    constraints: Mapping[str, str] = field(default_factory=dict)
    sequences: Mapping[str, str] = field(default_factory=dict)
    triggers: Mapping[str, str] = field(default_factory=dict)
    comment: str = ""
    options: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The tables of a database, by name, or by `schema.name` outside the connection's own schema."""

    tables: Mapping[str, LiveTable]


def differences(expected: Catalogue, found: Catalogue) -> list[str]:
    """Return one sentence for each thing that is missing, extra or different in `found`; none if they are equal."""
    return list(_compare("table", expected.tables, found.tables, _table_differences))


def _compare(
    what: str,
    expected: Mapping[str, Any],
    found: Mapping[str, Any],
    inside: Callable[[str, Any, Any], Iterator[str]],
) -> Iterator[str]:
    for name in sorted({*expected, *found}):
        if name not in found:
            yield f"{what} {name} is missing"
        elif name not in expected:
            yield f"{what} {name} is extra"
        elif expected[name] != found[name]:
            yield from inside(f"{what} {name}", expected[name], found[name])


def _table_differences(where: str, expected: LiveTable, found: LiveTable) -> Iterator[str]:
    for item in fields(LiveTable):
        mine, theirs = getattr(expected, item.name), getattr(found, item.name)
        if item.name == "columns":
            yield from _compare(f"{where}: column", mine, theirs, _column_differences)
        elif isinstance(mine, Mapping):
            yield from _compare(f"{where}: {_one(item.name)}", mine, theirs, _value_difference)
        elif mine != theirs:
            yield from _value_difference(f"{where}: {item.name}", mine, theirs)


def _column_differences(where: str, expected: LiveColumn, found: LiveColumn) -> Iterator[str]:
    for item in fields(LiveColumn):
        mine, theirs = getattr(expected, item.name), getattr(found, item.name)
        if mine != theirs:
            yield from _value_difference(f"{where}: {item.name}", mine, theirs)


def _value_difference(where: str, expected: object, found: object) -> Iterator[str]:
    yield f"{where} is {found!r}, not {expected!r}"


def _one(plural: str) -> str:
    return plural.removesuffix("es") if plural.endswith("xes") else plural.removesuffix("s")
