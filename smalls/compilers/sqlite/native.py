"""What SQLite's own ALTER TABLE does safely: https://www.sqlite.org/lang_altertable.html."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.compilers.refusals import SQLITE, refusal
from smalls.compilers.sqlite.ddl import column_sql, dotted, index_name, literal, quote
from smalls.compilers.sqlite.ddl import create_index as index_sql
from smalls.operations import AddColumn, AddIndex, DropColumn, DropIndex, Operation, RenameIndex, RenameTable
from smalls.schema import Check, Sql, TableKey

if TYPE_CHECKING:
    from smalls.schema import Column, Schema, Table


def native(operation: Operation, before: Schema) -> list[str] | None:
    """Return the statements for an operation on one table, None where only a rebuild will do."""
    if isinstance(operation, AddColumn):
        return _add_column(operation, before.table(operation.table))
    if isinstance(operation, DropColumn):
        return _drop_column(operation, before.table(operation.table))
    if isinstance(operation, AddIndex):
        return [index_sql(operation.index, before.table(operation.table))]
    if isinstance(operation, DropIndex):
        return [drop_index(operation.index.name, before.table(operation.table))]
    return _rename_index(operation, before) if isinstance(operation, RenameIndex) else None


def drop_index(name: str, table: Table) -> str:
    """Return DROP INDEX."""
    return f"DROP INDEX {index_name(name, table)}"


def rename_table(operation: RenameTable, before: Schema) -> list[str]:
    """Return the statements that rename a table; keys, indexes, triggers and views follow.

    A name that differs in case alone is the same name to SQLite, so that change goes by another.
    """
    old, new = operation.table, operation.new_key
    if old.name.casefold() != new.name.casefold():
        return [_rename(old, new.name)]
    taken = {key.name.casefold() for key in before.tables}
    aside = f"{old.name}_aside"
    while aside.casefold() in taken:
        aside += "_"
    return [_rename(old, aside), _rename(old._replace(name=aside), new.name)]


def _rename(old: TableKey, new: str) -> str:
    return f"ALTER TABLE {dotted(old)} RENAME TO {quote(new)}"


def _add_column(operation: AddColumn, table: Table) -> list[str] | None:
    column, backfill = operation.column, operation.backfill
    if not _may_be_added(column) or table.options.module:
        return None
    add = f"ALTER TABLE {dotted(table.key)} ADD COLUMN {column_sql(column, table)}"
    if backfill is None or backfill == Sql(column.default or ""):
        return [add]
    return [add, f"UPDATE {dotted(table.key)} SET {quote(column.name)} = {literal(backfill)}"]


def _may_be_added(column: Column) -> bool:
    if column.extra or column.type.automatic or (column.generated and column.generated.stored):
        return False
    if column.default is None:
        return column.null or column.generated is not None
    # neither an expression nor CURRENT_TIMESTAMP and its like
    constant = not column.default.startswith("(") and not column.default.upper().startswith("CURRENT_")
    return constant and (column.null or column.default.upper() != "NULL")


def _drop_column(operation: DropColumn, table: Table) -> list[str] | None:
    if table.options.module or operation.column.extra or _has_texts(table):
        return None
    return [f"ALTER TABLE {dotted(table.key)} DROP COLUMN {quote(operation.column.name)}"]


def _has_texts(table: Table) -> bool:
    """Whether SQL of the table may name a column, which then can't simply be dropped."""
    return (
        any(column.checks or column.generated or column.extra for column in table.columns)
        or any(isinstance(item, Check) for item in table.constraints)
        or any(index.textual for index in table.indexes)
    )


def _rename_index(operation: RenameIndex, before: Schema) -> list[str]:
    table = before.table(operation.table)
    index = table.index(operation.old)
    if index.sql:
        raise refusal("rename-raw-index", SQLITE, f"index {index.name}")
    renamed = operation.apply(before).table(operation.table).index(operation.new)
    return [drop_index(index.name, table), index_sql(renamed, table)]
