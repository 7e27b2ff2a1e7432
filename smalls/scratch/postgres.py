"""PostgreSQL: the promised schema in schemas of its own, in a transaction that is rolled back."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from smalls.reflect import Catalogue, LiveColumn, LiveTable
from smalls.reflect.postgres import read
from smalls.schema import Schema, TableKey
from smalls.scratch.building import build, query_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from smalls.reflect.base import Query

_SEQUENCE = re.compile(r"nextval\('.*'::regclass\)")
_BEHIND = "SELECT conindid::regclass::text FROM pg_constraint WHERE contype IN ('p', 'u', 'x')"


def catalogues(database: Any, schema: Schema, begin: Callable[[], None]) -> tuple[Catalogue, Catalogue]:
    """Return both catalogues, and leave nothing behind: the transaction is rolled back."""
    with database.atomic() as transaction:
        try:
            begin()
            return _both(database, schema)
        finally:
            transaction.rollback(begin=False)


def _both(database: Any, schema: Schema) -> tuple[Catalogue, Catalogue]:
    query = query_of(database)
    own = str(query("SELECT current_schema()")[0][0])
    stem = f"smalls_verify_{secrets.token_hex(6)}"
    named = sorted({key.schema or own for key in schema.tables} | {own})
    scratch = {name: f"{stem}_{number}" for number, name in enumerate(named)}
    live = _told(query, own, {})
    for name in scratch.values():
        query(f'CREATE SCHEMA "{name}"')
    path = query("SHOW search_path")[0][0]
    query(f'SET LOCAL search_path = "{scratch[own]}", {path}')
    build(database, _moved(schema, own, scratch))
    promised = _told(query, own, scratch)
    return promised, live


def _moved(schema: Schema, own: str, scratch: Mapping[str, str]) -> Schema:
    """Return the schema with every table in its scratch schema."""
    for key in list(schema.tables):
        place = key.schema or own
        moved = TableKey("" if place == own else scratch[place], key.name)
        schema = schema.move(key, moved) if moved != key else schema
    return schema


def _told(query: Query, own: str, scratch: Mapping[str, str]) -> Catalogue:
    """Read the catalogue of the scratch schemas, or of the live ones where none are given, under the live names."""
    found = read(query)
    behind = {row[0] for row in query(_BEHIND)}
    back = {scratched: name for name, scratched in scratch.items()}
    names = re.compile("|".join(re.escape(name) for name in back)) if back else None

    def live(text: str) -> str:
        return names.sub(lambda match: back[match[0]], text) if names else text

    tables: dict[str, LiveTable] = {}
    for name, table in found.tables.items():
        place, _, _ = name.rpartition(".")
        if not scratch or not place or place in back:
            shown = live(name)
            tables[shown.removeprefix(f"{own}.")] = _table(table, behind, live)
    return Catalogue(tables)


def _table(table: LiveTable, behind: set[str], live: Callable[[str], str]) -> LiveTable:
    """Return the table without what depends on how it came to be."""
    return replace(
        table,
        columns={name: _column(column, live) for name, column in table.columns.items()},
        indexes={live(name): live(text) for name, text in table.indexes.items() if name not in behind},
        constraints={live(name): live(text) for name, text in table.constraints.items()},
        sequences={},
        triggers={},
        options="",
    )


def _column(column: LiveColumn, live: Callable[[str], str]) -> LiveColumn:
    default = column.default and _SEQUENCE.sub("nextval(…)", live(column.default))
    return replace(column, type=live(column.type), default=default, generated=live(column.generated))
