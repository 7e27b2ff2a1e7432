"""Columns added, dropped and renamed on PostgreSQL."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from smalls.compilers.base import Statement
from smalls.compilers.postgres.following import Change, change, follow_rename, put_on
from smalls.compilers.postgres.names import auto_name, is_unique_word, mentioned
from smalls.compilers.postgres.statements import (
    EXCLUSIVE,
    alter,
    comment,
    fill,
    set_not_null,
)
from smalls.compilers.postgres.text import (
    column_definition,
    index_statement,
    literal,
    quote,
    relation,
    string,
)
from smalls.compilers.postgres.types import NUMBERS
from smalls.schema import Check, Sql, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalls.operations import AddColumn, DropColumn, RenameColumn, Value
    from smalls.schema import Column, Index, Schema, Table

_CALL = re.compile(r"(?!now\b|current_|timezone\b)\b[\w.]+\s*\(", re.IGNORECASE)
_STRING = re.compile(r"'(?:[^']|'')*'")
FAST = "a constant default: no row is touched"


def add_column(operation: AddColumn, before: Schema, version: int) -> list[Statement]:
    """Return the statements for a new column; rows get a plain backfill without being touched.

    A constant default is stored once since PostgreSQL 11, so the backfill is the default for as long as the
    column is added: https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
    """
    table, column, key = before.table(operation.table), operation.column, operation.table
    return [
        *create_sequence(column, before),
        *_with_values(replace(operation, column=_without_unique(column)), before, version),
        *change(table, table.swap("columns", None, column)).on,
        *([comment(f"COLUMN {relation(key)}.{quote(column.name)}", column.comment)] if column.comment else []),
    ]


def _with_values(operation: AddColumn, before: Schema, version: int) -> list[Statement]:
    key, column, value = operation.table, operation.column, operation.backfill
    if value is None or value == Sql(column.default or "") or column.generated:
        return [_plain(operation, version)]
    if not isinstance(value, Sql) and not (column.type.automatic or column.identity or column.sequence):
        definition = column_definition(column, default=typed(value, column), version=version)
        rest = f"SET DEFAULT {column.default}" if column.default is not None else "DROP DEFAULT"
        return [
            alter(key, f"ADD COLUMN {definition}", online=FAST),
            alter(key, f"ALTER COLUMN {quote(column.name)} {rest}"),
        ]
    definition = column_definition(column.with_(null=True), version=version)
    filled = [
        alter(key, f"ADD COLUMN {definition}"),
        fill(key, column.name, value, ""),
        *fire_deferred(before, key),
    ]
    return [*filled, *([] if column.null else set_not_null(key, column.name))]


def _plain(operation: AddColumn, version: int) -> Statement:
    column = operation.column
    computed = column.type.automatic or column.identity or column.sequence or column.generated
    volatile = column.default is not None and _CALL.search(_STRING.sub("", column.default)) is not None
    definition = column_definition(column, version=version)
    return alter(operation.table, f"ADD COLUMN {definition}", rewrites=bool(computed) or volatile)


def typed(value: Value, column: Column) -> str:
    """Return a backfill as SQL that PostgreSQL reads as a value of the column's type."""
    number = column.type.kind in NUMBERS
    if isinstance(value, bool):
        return str(int(value)) if number else literal(value)
    if isinstance(value, (int, float)) and not number:
        return literal(bool(value)) if column.type.kind == "boolean" else string(str(value))
    return literal(value)


def fire_deferred(schema: Schema, key: object) -> list[Statement]:
    """Let deferred keys be checked now: a table with checks outstanding cannot be altered.

    https://www.postgresql.org/docs/current/sql-set-constraints.html
    """
    deferred = any(
        getattr(item, "deferrable", "") and (table.key == key or getattr(item, "ref_table", None) == key)
        for table in schema.tables.values()
        for item in table.constraints
    )
    return [Statement("SET CONSTRAINTS ALL IMMEDIATE")] if deferred else []


def _without_unique(column: Column) -> Column:
    """Return the column without the word UNIQUE: the constraint comes after, so that nobody waits for its index."""
    return column.with_(extra=[extra for extra in column.extra if not is_unique_word(extra)])


def create_sequence(column: Column, before: Schema) -> list[Statement]:
    """Create the sequence that a column names, unless another column has it already."""
    if not column.sequence or _uses(before, column.sequence):
        return []
    return [Statement(f"CREATE SEQUENCE IF NOT EXISTS {sequence_name(column)}")]


def drop_sequence(column: Column, after: Schema) -> list[Statement]:
    """Drop the sequence that a column named, unless another column still has it."""
    if not column.sequence or _uses(after, column.sequence):
        return []
    return [Statement(f"DROP SEQUENCE IF EXISTS {sequence_name(column)}", lock=EXCLUSIVE)]


def sequence_name(column: Column) -> str:
    """Return the name of a column's own sequence, which may have a schema before a dot."""
    return ".".join(map(quote, column.sequence.rsplit(".", 1)))


def _uses(schema: Schema, sequence: str) -> bool:
    return any(column.sequence == sequence for table in schema.tables.values() for column in table.columns)


def drop_column(operation: DropColumn, before: Schema) -> list[Statement]:
    """Return the statements that drop a column, and its sequence."""
    table, after = before.table(operation.table), operation.apply(before)
    changed = change(table, after.table(operation.table)) if operation.column.checks else Change([], [])
    gone = alter(operation.table, f"DROP COLUMN {quote(operation.column.name)}")
    return [*changed.off, gone, *changed.on, *drop_sequence(operation.column, after)]


def rename_column(operation: RenameColumn, before: Schema) -> list[Statement]:
    """Return the statements that rename a column, and what PostgreSQL named after it."""
    after = operation.apply(before)
    return [
        alter(operation.table, f"RENAME COLUMN {quote(operation.old)} TO {quote(operation.new)}"),
        *follow_rename(before.table(operation.table), after.table(operation.table)),
    ]


def make_again(table: Table, column: Column, version: int) -> Iterator[Statement]:
    """Add a generated column of `table` that was dropped, with all that stood on it."""
    key, name = table.key, column.name
    yield alter(key, f"ADD COLUMN {column_definition(column, version=version)}", rewrites=True)
    bare = table.swap("columns", column, column.with_(checks=()))
    yield from change(bare, table).on
    if column.comment:
        yield comment(f"COLUMN {relation(key)}.{quote(name)}", column.comment)
    for index in table.indexes:
        if _index_uses(table, index, name):
            yield Statement(index_statement(key, index), lock="SHARE")
    for item in table.constraints:
        if name in (mentioned(item.sql, table) if isinstance(item, Check) else columns_of(item)):
            yield from put_on(key, item.name or auto_name(table, item), item)


def _index_uses(table: Table, index: Index, name: str) -> bool:
    texts = [index.where, index.sql, *(part.text for part in index.parts if isinstance(part, Sql))]
    return name in index.columns or any(name in mentioned(text, table) for text in texts)
