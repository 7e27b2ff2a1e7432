"""MySQL and MariaDB: the promised tables as temporary ones, which hide the live tables from this session only.

Temporary tables stand in no information_schema, so both are read by SHOW. They take neither foreign keys nor
full-text indexes; what those would be shown as is known without the server:
https://dev.mysql.com/doc/refman/9.1/en/create-temporary-table.html
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import peewee

from smalls.compilers.base import Statement
from smalls.reflect import Catalogue, LiveColumn, LiveTable
from smalls.schema import ForeignKey, Schema
from smalls.scratch.building import program_for, query_of
from smalls.sending import run_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from smalls.reflect.base import Query
    from smalls.schema import Index, Table

_NO_TABLE = 1146
_HIDDEN = "!hidden!"  # MySQL's own columns behind indexes over expressions, which it shows of temporary tables
_NOT_OF_BOTH = {"NULL", "DEFAULT_GENERATED"}  # what MySQL says of temporary tables only, or of others only
_COLUMN = re.compile(r"  `(?P<name>(?:[^`]|``)+)` (?P<rest>.*?),?$")
_GENERATED = re.compile(r"GENERATED ALWAYS AS \((?P<sql>.*)\) (?P<kind>VIRTUAL|STORED|PERSISTENT)")
_INLINE_CHECK = re.compile(r" CHECK \(.*\)$")
_CONSTRAINT = re.compile(r"  (?:CONSTRAINT `(?:[^`]|``)+` )?(?P<text>(?:CHECK|FOREIGN KEY) .*?),?$")
_FOR_GRANTED = re.compile(r" ON (?:DELETE|UPDATE) (?:NO ACTION|RESTRICT)")


def catalogues(database: Any, schema: Schema, begin: Callable[[], None]) -> tuple[Catalogue, Catalogue]:  # noqa: ARG001 -- as the others that are called alike take it
    """Return both catalogues, and drop the temporary tables; they go with the session anyway."""
    query = query_of(database)
    here = str(query("SELECT DATABASE()")[0][0])
    names = [key.name for key in schema.tables]
    live = _read(query, names, schema)
    extra = {name: LiveTable({}) for (name, kind) in _listed(query) if kind == "BASE TABLE" and name not in names}
    try:
        _make(database, Schema(map(_plain, schema.tables.values())))
        promised = _read(query, names, schema)
    finally:
        for name in names:
            query(f"DROP TEMPORARY TABLE IF EXISTS {_quoted(name)}")
    added = {
        table.name: _with_refused(promised[table.name], table, here)
        for table in schema.tables.values()
        if table.name in promised
    }
    return Catalogue(added), Catalogue(live | extra)


def _make(database: Any, schema: Schema) -> None:
    for step in program_for(database, schema).steps:
        if isinstance(step, Statement):  # there is no other kind where tables are made from nothing
            run_sql(database, replace(step, sql=re.sub(r"^CREATE TABLE", "CREATE TEMPORARY TABLE", step.sql)))


def _listed(query: Query) -> Sequence[tuple[Any, ...]]:
    return query("SHOW FULL TABLES")


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


# ── what temporary tables refuse ──


def _is_fulltext(index: Index) -> bool:
    return index.method.upper() == "FULLTEXT"


def _plain(table: Table) -> Table:
    return table.with_(
        schema="",
        constraints=tuple(item for item in table.constraints if not isinstance(item, ForeignKey)),
        indexes=tuple(index for index in table.indexes if not _is_fulltext(index)),
    )


def _with_refused(found: LiveTable, table: Table, here: str) -> LiveTable:
    keys = (_key(item, here) for item in table.constraints if isinstance(item, ForeignKey))
    fulltext = {
        index.name: ", ".join(f"FULLTEXT {part}" for part in index.columns)
        for index in table.indexes
        if _is_fulltext(index)
    }
    return replace(
        found,
        constraints={**found.constraints, **{f"key {at}": text for at, text in enumerate(keys)}},
        indexes={**found.indexes, **fulltext},
    )


def _key(key: ForeignKey, here: str) -> str:
    place = f"{_quoted(key.ref_table.schema)}." if key.ref_table.schema not in ("", here) else ""
    own, other = (", ".join(map(_quoted, columns)) for columns in (key.columns, key.ref_columns))
    rules = "".join(f" ON {word} {rule.upper()}" for word, rule in _rules(key) if rule)
    return _FOR_GRANTED.sub(
        "", f"FOREIGN KEY ({own}) REFERENCES {place}{_quoted(key.ref_table.name)} ({other}){rules}"
    )


def _rules(key: ForeignKey) -> tuple[tuple[str, str], ...]:
    return (("DELETE", key.on_delete), ("UPDATE", key.on_update))


# ── by SHOW ──


def _read(query: Query, names: Iterable[str], schema: Schema) -> dict[str, LiveTable]:
    collated = {
        (key.name, column.name)
        for key, table in schema.tables.items()
        for column in table.columns
        if column.collation
    }
    return {name: table for name in names if (table := _table(query, name, collated)) is not None}


def _table(query: Query, name: str, collated: set[tuple[str, str]]) -> LiveTable | None:
    try:
        text = str(query(f"SHOW CREATE TABLE {_quoted(name)}")[0][1])
    except Exception as error:
        if _is_missing(error):
            return None
        raise
    lines = text.splitlines()
    written = {found["name"].replace("``", "`"): found["rest"] for line in lines if (found := _COLUMN.match(line))}
    rows = query(f"SHOW FULL COLUMNS FROM {_quoted(name)}")
    indexes = dict(_indexes(query(f"SHOW INDEX FROM {_quoted(name)}")))
    return LiveTable(
        columns={
            str(row[0]): _column(row, written.get(str(row[0]), ""), shows=(name, row[0]) in collated)
            for row in rows
            if not str(row[0]).startswith(_HIDDEN)
        },
        primary_key=tuple(part for part, _ in indexes.pop("PRIMARY", ())),
        indexes={index: ", ".join(words for _, words in parts) for index, parts in indexes.items()},
        constraints={str(at): text for at, text in enumerate(_constraints(lines))},
    )


def _is_missing(error: Exception) -> bool:
    code = getattr(error, "args", (None,))[0]
    return code == _NO_TABLE or (isinstance(error, peewee.DatabaseError) and str(_NO_TABLE) in str(error))


def _column(row: Sequence[Any], written: str, *, shows: bool) -> LiveColumn:
    _, type_, collation, null, _, default, extra, _, comment = row[:9]
    generated = _GENERATED.search(written)
    check = _INLINE_CHECK.search(written)
    extra = " ".join(word for word in str(extra).split() if word not in _NOT_OF_BOTH)
    return LiveColumn(
        str(type_),
        str(null) == "YES",
        None if default is None or generated else str(default),
        generated=f"{generated['sql']} {generated['kind']}" if generated else "",
        collation=str(collation or "") if shows else "",
        comment=str(comment or ""),
        extra=f"{extra}{check[0] if check and not generated else ''}",
    )


def _indexes(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for _, non_unique, name, _, column, order, _, length, _, _, kind, _, _, *rest in rows:
        # MySQL tells whether it is visible, and its expression: with quotes escaped unless the table is temporary
        part = column if column is not None else rest[1].replace("\\'", "'")
        size = f"({length})" if length else ""
        words = f"{'' if int(non_unique) else 'UNIQUE '}{kind} {part}{size}{' DESC' if order == 'D' else ''}"
        found.setdefault(str(name), []).append((str(part), words))
    yield from found.items()


def _constraints(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if found := _CONSTRAINT.match(line):
            yield _FOR_GRANTED.sub("", found["text"])
