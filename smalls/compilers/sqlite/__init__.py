"""Operations to SQLite's SQL: its own ALTER TABLE where that is safe, else the table made anew from state.

Changes of one table are folded into one rebuild, as far as nothing between them needs the table as it is:
a plan shows fewer steps, and SQL texts in a state (checks, generated columns) only count once the columns that
they name have their last names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.compilers.base import Compiled, Statement, Step
from smalls.compilers.free import free_steps
from smalls.compilers.refusals import SQLITE, refusal
from smalls.compilers.sqlite.copying import converted
from smalls.compilers.sqlite.ddl import column_sql, create_index, create_table, dotted, quote
from smalls.compilers.sqlite.native import drop_index, native, rename_table
from smalls.compilers.sqlite.pending import Pending
from smalls.operations import (
    AddColumn,
    AddConstraint,
    AddIndex,
    AddTable,
    AlterColumn,
    ChangeComment,
    ChangeOptions,
    ChangePrimaryKey,
    DropColumn,
    DropConstraint,
    DropIndex,
    DropTable,
    MoveTable,
    Operation,
    RenameColumn,
    RenameIndex,
    RenameTable,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.schema import Schema, Table, TableKey

_INDEXES = (AddIndex, DropIndex, RenameIndex)
_CHANGES = (AddColumn, DropColumn, AlterColumn, AddConstraint, DropConstraint, ChangePrimaryKey, ChangeOptions)


class SqliteCompiler:
    """The compiler for SQLite from 3.35."""

    def compile(self, operation: Operation, before: Schema) -> list[Step]:
        """Return the steps for one operation; see `Compiler`."""
        return [step for compiled in self.compile_all([operation], before) for step in compiled.steps]

    def compile_all(self, operations: Iterable[Operation], before: Schema) -> list[Compiled]:
        """Return the steps for operations that follow one another, those on one table folded; see `Folding`."""
        folder = _Folder(before)
        for operation in operations:
            folder.take(operation)
        folder.flush()
        return folder.done


class _Folder:
    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.pending: dict[TableKey, Pending] = {}
        self.done: list[Compiled] = []

    def take(self, operation: Operation) -> None:
        if isinstance(operation, _CHANGES):
            self._change(operation, operation.table)
        elif isinstance(operation, _INDEXES):
            self._index(operation)
        else:
            self._settle(operation)
            self._emit([operation], _whole(operation, self.schema))
        self.schema = operation.apply(self.schema)

    def flush(self, *keys: TableKey) -> None:
        """Make pending rebuilds, of all tables if none is named."""
        for key in keys or list(self.pending):
            pending = self.pending.pop(key, None)
            if pending is not None:
                self._emit(pending.operations, [pending.rebuild(self.schema)])

    def _emit(self, operations: list[Operation], steps: list[Step]) -> None:
        self.done.append(Compiled(tuple(operations), tuple(steps)))

    def _change(self, operation: Operation, key: TableKey) -> None:
        pending = self.pending.get(key)
        if pending is not None and not pending.takes(operation):
            self.flush(key)
            pending = None
        if pending is None:
            sql = [] if _unseen(operation, self.schema) else native(operation, self.schema)
            if sql is not None:
                self._emit([operation], _statements(sql))
                return
            pending = self.pending[key] = Pending(self.schema.table(key))
        pending.add(operation)

    def _index(self, operation: AddIndex | DropIndex | RenameIndex) -> None:
        pending = self.pending.get(operation.table)
        if pending is None:
            self._emit([operation], _statements(native(operation, self.schema) or []))
            return
        pending.add(operation)
        # its name may be wanted by another table's index before this table is made anew
        name = operation.index.name if isinstance(operation, DropIndex) else getattr(operation, "old", "")
        there = [index for index in pending.before.indexes if index.name == name]
        if there:
            pending.before = pending.before.swap("indexes", there[0], None)
            self._emit([], _statements([drop_index(name, pending.before)]))

    def _settle(self, operation: Operation) -> None:
        """Make the rebuilds that must come before an operation that is no change within one table."""
        if isinstance(operation, DropTable):
            # nothing of it will be left
            pending = self.pending.pop(operation.table.key, None)
            if pending is not None:
                self._emit(pending.operations, [])
        elif isinstance(operation, (RenameTable, MoveTable, RenameColumn)):
            self.flush(operation.table)
        elif not isinstance(operation, (AddTable, ChangeComment)):
            self.flush(*self.pending)


def _unseen(operation: Operation, before: Schema) -> bool:
    """Whether SQLite sees nothing of it: a comment, or a type that it keeps as it kept the old one."""
    if not isinstance(operation, AlterColumn) or operation.using or operation.backfill is not None:
        return False
    table = before.table(operation.table)
    words = {column_sql(column, table) for column in (operation.old, operation.new)}
    return len(words) == 1 and converted("", operation.old.type, operation.new.type) == ""


def _whole(operation: Operation, before: Schema) -> list[Step]:
    if isinstance(operation, AddTable):
        return _statements([create_table(operation.table), *_indexes(operation.table)])
    if isinstance(operation, DropTable):
        return _statements([f"DROP TABLE {dotted(operation.table.key)}"])
    if isinstance(operation, RenameTable):
        return _statements(rename_table(operation, before))
    if isinstance(operation, RenameColumn):
        old, new = quote(operation.old), quote(operation.new)
        return _statements([f"ALTER TABLE {dotted(operation.table)} RENAME COLUMN {old} TO {new}"])
    if isinstance(operation, MoveTable):
        raise refusal("move-table", SQLITE, operation.table)
    # nothing for ChangeComment: SQLite keeps no comments
    return free_steps(operation, before)


def _indexes(table: Table) -> list[str]:
    return [create_index(index, table) for index in table.indexes]


def _statements(sql: Iterable[str]) -> list[Step]:
    return [Statement(text) for text in sql]
