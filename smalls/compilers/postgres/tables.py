"""Tables made, renamed, moved and kept otherwise on PostgreSQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smalls.compilers.base import Statement
from smalls.compilers.postgres.columns import create_sequence
from smalls.compilers.postgres.following import follow_rename
from smalls.compilers.postgres.names import auto_name, owned
from smalls.compilers.postgres.statements import EXCLUSIVE, SHARE_ROW, alter, comment, drop_constraint
from smalls.compilers.postgres.text import (
    column_definition,
    constraint_definition,
    index_statement,
    listed,
    quote,
    relation,
    string,
)
from smalls.compilers.refusals import POSTGRES, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalls.compilers.postgres.names import Owned
    from smalls.operations import ChangeOptions, ChangePrimaryKey, MoveTable, RenameTable
    from smalls.schema import Options, Schema, Table, TableKey

_STORAGE = re.compile(r"WITH\s*\((.*)\)\s*\Z", re.IGNORECASE | re.DOTALL)


def create(table: Table, before: Schema, version: int) -> Iterator[Statement]:
    """Yield the statements that make a table as Peewee's create_tables does, constraints named."""
    _expect_storable(table.key, table.options)
    yield from need_schema(table.schema, before)
    for column in table.columns:
        yield from create_sequence(column, before)
    words = "CREATE TEMPORARY TABLE" if table.options.temporary else "CREATE TABLE"
    settings = "".join(f" {text}" for text in table.options.settings)
    constraints, later, last = _told_apart(table)
    members = ", ".join([*_members(table, version), *constraints])
    # a key locks the table that it refers to
    lock = SHARE_ROW if any(fk.ref_table != table.key for fk in table.foreign_keys) else ""
    yield Statement(f"{words} {relation(table.key)} ({members}){settings}", lock=lock)
    yield from (_added(table, *item) for item in later)
    for index in table.indexes:
        yield Statement(index_statement(table.key, index))
    yield from (_added(table, *item) for item in last)
    yield from _comments(table)


def _added(table: Table, name: str, definition: str) -> Statement:
    return alter(table.key, f"ADD CONSTRAINT {quote(name)} {definition}")


def _members(table: Table, version: int) -> Iterator[str]:
    for column in table.columns:
        yield column_definition(column, version=version)
    if table.primary_key:
        yield f"PRIMARY KEY ({listed(table.primary_key)})"


def _told_apart(table: Table) -> tuple[list[str], list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the constraints for CREATE TABLE, those over columns that another has made unique, and the last.

    These are keys to the table itself that need one of its indexes first.

    CREATE TABLE would leave these out without a word; see transformIndexConstraints() in the server's
    src/backend/parser/parse_utilcmd.c.
    """
    known = {f"UNIQUE ({listed(table.primary_key)})"}
    leaning = {constraint_definition(fk) for fk in table.keys_on_indexes}
    first: list[str] = []
    again: list[tuple[str, str]] = []
    last: list[tuple[str, str]] = []
    for name, definition in _constraints(table):
        if definition in leaning:
            last.append((name, definition))
        elif definition in known:
            again.append((name, definition))
        else:
            first.append(f"CONSTRAINT {quote(name)} {definition}")
            known |= {definition} if definition.startswith("UNIQUE") else set()
    return first, again, last


def _constraints(table: Table) -> list[tuple[str, str]]:
    """Return names and definitions, but for what is a word in a column's definition."""
    unnamed = [(held.name, held.item) for held in owned(table) if held.item and not _is_written(held)]
    named = [(item.name, item) for item in table.constraints if item.name]
    return [(name, constraint_definition(item)) for name, item in (*unnamed, *named)]


def _is_written(item: Owned) -> bool:
    """Tell whether it is a word in the column's own definition."""
    return isinstance(item.tag, tuple) and item.tag[0] == "unique"


def _comments(table: Table) -> Iterator[Statement]:
    if table.comment:
        yield comment(f"TABLE {relation(table.key)}", table.comment)
    for column in table.columns:
        if column.comment:
            yield comment(f"COLUMN {relation(table.key)}.{quote(column.name)}", column.comment)


def _expect_storable(table: TableKey, options: Options) -> None:
    if options.strict or options.without_rowid or options.module:
        raise refusal("options", POSTGRES, table)
    if options.extra:
        raise refusal("inner-options", POSTGRES, table)


def need_schema(name: str, before: Schema) -> Iterator[Statement]:
    """Yield the statement that makes the schema `name` when it is first used, if it is not there.

    CREATE SCHEMA IF NOT EXISTS would ask for the right to create schemas even where it is there.
    """
    if name and not any(key.schema == name for key in before.tables):
        yield Statement(
            f"DO $smalls$ BEGIN IF to_regnamespace({string(quote(name))}) IS NULL THEN "
            f"CREATE SCHEMA {quote(name)}; END IF; END $smalls$"
        )


def rename(operation: RenameTable, before: Schema) -> Iterator[Statement]:
    """Yield the rename of a table and of all that PostgreSQL named after it."""
    yield alter(operation.table, f"RENAME TO {quote(operation.new)}")
    yield from follow_rename(before.table(operation.table), operation.apply(before).table(operation.new_key))


def move(operation: MoveTable, before: Schema) -> Iterator[Statement]:
    """Yield the move of a table to another schema; indexes, constraints and owned sequences go with it."""
    yield from need_schema(operation.new, before)
    if operation.new:
        yield alter(operation.table, f"SET SCHEMA {quote(operation.new)}")
        return
    words = string(f"ALTER TABLE {relation(operation.table)} SET SCHEMA ")
    sql = f"DO $smalls$ BEGIN EXECUTE {words} || quote_ident(current_schema()); END $smalls$"
    yield Statement(sql, lock=EXCLUSIVE)


def change_primary_key(operation: ChangePrimaryKey, before: Schema) -> Iterator[Statement]:
    """Yield the statements for another primary key; a column that it leaves may be null again."""
    table, key = before.table(operation.table), operation.table
    after = operation.apply(before).table(key)
    if operation.old:
        yield drop_constraint(key, auto_name(table, "primary key"))
    for column in table.columns:
        left = column.name in operation.old and column.name not in operation.new
        if left and column.null and not (column.type.automatic or column.identity):
            yield alter(key, f"ALTER COLUMN {quote(column.name)} DROP NOT NULL")
    if operation.new:
        name = quote(auto_name(after, "primary key"))
        yield alter(key, f"ADD CONSTRAINT {name} PRIMARY KEY ({listed(operation.new)})")


def change_options(operation: ChangeOptions) -> Iterator[Statement]:
    """Yield the change of storage parameters; raises UnsupportedError for any other change of options.

    https://www.postgresql.org/docs/current/sql-createtable.html#SQL-CREATETABLE-STORAGE-PARAMETERS
    """
    _expect_storable(operation.table, operation.new)
    old, new = _storage(operation.old), _storage(operation.new)
    if old is None or new is None or operation.old.temporary != operation.new.temporary:
        raise refusal("table-settings", POSTGRES, operation.table)
    gone = [name for name in old if name not in new]
    if gone:
        yield alter(operation.table, f"RESET ({', '.join(gone)})")
    changed = [f"{name} = {value}" for name, value in new.items() if old.get(name) != value]
    if changed:
        yield alter(operation.table, f"SET ({', '.join(changed)})", lock="SHARE UPDATE EXCLUSIVE")


def _storage(options: Options) -> dict[str, str] | None:
    """Return the storage parameters, None where there are settings of another kind."""
    found: dict[str, str] = {}
    for setting in options.settings:
        match = _STORAGE.match(setting.strip())
        if match is None:
            return None
        pairs = (part.partition("=") for part in match[1].split(","))
        found |= {name.strip().lower(): value.strip() for name, _, value in pairs}
    return found
