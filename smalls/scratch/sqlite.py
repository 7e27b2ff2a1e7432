"""SQLite: the promised schema in a database in memory."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from smalls.database import spare
from smalls.reflect import Catalogue, LiveColumn, LiveTable
from smalls.reflect.sqlite import read
from smalls.scratch.building import build, query_of
from smalls.urls import MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smalls.reflect.base import Query
    from smalls.schema import Schema

_BETWEEN_TRAITS = re.compile(r"(?<! ), ")
_REFERENCES = re.compile(r"(?:constraint \S+ )?references ")


def catalogues(database: Any, schema: Schema, begin: Callable[[], None]) -> tuple[Catalogue, Catalogue]:  # noqa: ARG001 -- as the others that are called alike take it
    """Return both catalogues; nothing is done to the live database."""
    memory = spare(database)
    memory.database = MEMORY
    memory.connect()
    try:
        with memory.atomic():
            build(memory, schema)
        promised = _read(query_of(memory))
    finally:
        memory.close()
    return promised, _read(query_of(database))


def _read(query: Query) -> Catalogue:
    found = read(query)
    return Catalogue({name: _with_keys(query, name, table) for name, table in found.tables.items()})


def _with_keys(query: Query, name: str, table: LiveTable) -> LiveTable:
    """Return the table with its foreign keys as the pragma tells them: SQL can say one in two places."""
    kept = {key: text for key, text in table.constraints.items() if not text.startswith("foreign key")}
    return replace(
        table,
        columns={key: _without_keys(column) for key, column in table.columns.items()},
        constraints=kept | {text: text for text in _keys(query, name)},
    )


def _without_keys(column: LiveColumn) -> LiveColumn:
    traits = [text for text in _BETWEEN_TRAITS.split(column.extra) if not _REFERENCES.match(text)]
    return replace(column, extra=", ".join(traits))


def _keys(query: Query, name: str) -> Iterator[str]:
    """Yield each key: https://www.sqlite.org/pragma.html#pragma_foreign_key_list."""
    rows: dict[int, list[Any]] = {}
    sql = 'SELECT id, "table", "from", "to", on_delete, on_update FROM pragma_foreign_key_list(?) ORDER BY id, seq'
    for number, *rest in query(sql, (name,)):
        rows.setdefault(number, []).append(rest)
    for parts in rows.values():
        own, other = (", ".join(str(part[at] or "") for part in parts) for at in (1, 2))
        table, _, _, on_delete, on_update = parts[0]
        text = f"FOREIGN KEY ({own}) REFERENCES {table} ({other}) ON DELETE {on_delete} ON UPDATE {on_update}"
        yield text.lower()
