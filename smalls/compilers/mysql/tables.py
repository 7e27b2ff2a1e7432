"""Whole tables in MySQL and MariaDB, and renames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.compilers.base import Statement
from smalls.compilers.mysql.ddl import Ddl, dotted, quote, text
from smalls.compilers.mysql.keys import add_constraint, add_index
from smalls.compilers.mysql.online import COPY, IN_PLACE, INSTANT, alter, metadata
from smalls.compilers.refusals import refusal
from smalls.operations import (
    AddColumn,
    AddConstraint,
    AddIndex,
    AlterColumn,
    DropColumn,
    DropConstraint,
    DropIndex,
    Operation,
    RenameColumn,
)
from smalls.schema import Check, Index
from smalls.sqltokens import names_in

if TYPE_CHECKING:
    from smalls.operations import ChangeComment, ChangeOptions
    from smalls.schema import Column, Schema, Table, TableKey

_CHARSETS = ("CHARSET", "CHARACTER SET")


def add_table(ddl: Ddl, table: Table) -> list[Statement]:
    """Return what creates a table with its indexes, as Peewee does: an index replaces one that a key brought."""
    bare = table.with_(constraints=[item for item in table.constraints if item not in table.keys_on_indexes])
    steps = [Statement(ddl.create_table(bare), transactional=False)]
    for index in table.indexes:
        steps += [_plain(step) for step in add_index(ddl, index, bare)]
    for key in table.keys_on_indexes:
        steps += [_plain(step) for step in add_constraint(ddl, key, table)]
    return steps


def _plain(step: Statement) -> Statement:
    """Leave out what is asserted: the table is empty."""
    return Statement(step.sql.partition(", ALGORITHM=")[0], transactional=False, found_by=step.found_by)


def drop_table(key: TableKey) -> list[Statement]:
    """Return DROP TABLE."""
    return [Statement(f"DROP TABLE {dotted(key)}", transactional=False, lock="EXCLUSIVE")]


def move_table(old: TableKey, new: TableKey) -> list[Statement]:
    """Return what renames a table, to another database perhaps."""
    return [alter(old, f"RENAME TO {dotted(new)}", INSTANT)]


def change_comment(ddl: Ddl, operation: ChangeComment) -> list[Statement]:
    """Return what changes the table's comment."""
    return [alter(operation.table, f"COMMENT={text(operation.new)}", metadata(ddl))]


def change_options(ddl: Ddl, operation: ChangeOptions) -> list[Statement]:
    """Return what changes the table's settings; columns take a new character set on, too."""
    old, new = operation.old, operation.new
    if old.temporary != new.temporary:
        raise refusal("temporary", ddl.engine, operation.table)
    others = [(o.without_rowid, o.strict, o.module, o.extra) for o in (old, new)]
    if others[0] != others[1]:
        raise refusal("options", ddl.engine, operation.table)
    kept = {_key(setting) for setting in new.settings}
    if any(_key(setting) not in kept for setting in old.settings):
        raise refusal("unset-option", ddl.engine, operation.table)
    fresh = [setting for setting in new.settings if setting not in old.settings]
    return [alter(operation.table, _setting(setting), COPY) for setting in fresh]


def _key(setting: str) -> str:
    return setting.partition("=")[0].strip().upper().removeprefix("DEFAULT ")


def _setting(setting: str) -> str:
    value = setting.partition("=")[2].strip()
    return f"CONVERT TO CHARACTER SET {value}" if _key(setting) in _CHARSETS and value else setting


# ── columns renamed ──


def rename_column(ddl: Ddl, operation: RenameColumn, before: Schema) -> list[Statement]:
    """Return RENAME COLUMN, which keeps the whole definition; the index that a key brought follows."""
    table = before.table(operation.table)
    old, new = quote(operation.old), quote(operation.new)
    referred = any(
        key.ref_table == table.key and operation.old in key.ref_columns
        for other in before.tables.values()
        for key in other.foreign_keys
    )
    way = IN_PLACE if ddl.is_mysql and referred else INSTANT
    return [alter(table.key, f"RENAME COLUMN {old} TO {new}", way)]


def leaning(ddl: Ddl, operation: RenameColumn, before: Schema) -> list[Operation]:
    """Return operations that take off what keeps MySQL from renaming a column, the last first to come back.

    It refuses while a check, a generated column or an index over an expression names the column:
    https://dev.mysql.com/doc/refman/9.1/en/alter-table.html#alter-table-redefine-column
    """
    if not ddl.is_mysql:
        return []
    table, name = before.table(operation.table), operation.old
    made = [column for column in table.columns if column.generated and _names(column.generated.sql, name)]
    gone = {column.name for column in made}
    indexes = [index for index in table.indexes if _stands_on(index, name, gone)]
    checks = [item for item in table.constraints if isinstance(item, Check) and _names(item.sql, name)]
    checked = [c for c in table.columns if c.name not in gone and any(_names(sql, name) for sql in c.checks)]
    return [
        *(DropIndex(table.key, index) for index in indexes),
        *(DropConstraint(table.key, item) for item in checks),
        *(AlterColumn(table.key, column, _unchecked(column, name)) for column in checked),
        *(DropColumn(table.key, column) for column in made),
    ]


def coming_back(off: list[Operation], after: Schema, rename: RenameColumn) -> list[Operation]:
    """Return operations that put on again, in the names of `after`, what `leaning` took off."""
    mapping = {rename.old: rename.new}
    table = after.table(rename.table)
    back: list[Operation] = []
    for item in reversed(off):
        if isinstance(item, DropColumn):
            back.append(AddColumn(table.key, item.column.rename(mapping)))
        elif isinstance(item, AlterColumn):
            back.append(AlterColumn(table.key, item.new.rename(mapping), item.old.rename(mapping)))
        elif isinstance(item, DropConstraint):
            back.append(AddConstraint(table.key, item.constraint.rename_columns(mapping)))
        elif isinstance(item, DropIndex):
            back.append(AddIndex(table.key, item.index.rename_columns(mapping)))
    return back


def _unchecked(column: Column, name: str) -> Column:
    return column.with_(checks=[sql for sql in column.checks if not _names(sql, name)])


def _names(sql: str, column: str) -> bool:
    return column in names_in(sql) or column.lower() in names_in(sql)


def _stands_on(index: Index, name: str, made: set[str]) -> bool:
    over = " ".join(part.text for part in index.parts if not isinstance(part, str))
    return bool(made.intersection(index.columns)) or ("(" in over and _names(over, name))
