"""Whether a migration only adds things, so that a program that does not know them goes on as before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.operations import AddColumn, AddConstraint, AddIndex, AddTable, AlterColumn, ChangeComment, StateOnly

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.operations import Operation
    from smalls.schema import Column, TableKey


def only_adds(operations: Iterable[Operation]) -> bool:
    """Tell whether nothing that was there before is changed for whoever reads and writes it.

    Added may be tables, columns that a row can do without, indexes that are not unique, comments; on a table that
    the same migration makes, anything. SQL and code of the project's own count as more.
    """
    made: set[TableKey] = set()
    for operation in operations:
        if isinstance(operation, AddTable):
            made.add(operation.table.key)
        elif not _adds(operation, made):
            return False
    return True


def _adds(operation: Operation, made: set[TableKey]) -> bool:
    match operation:
        case StateOnly() | ChangeComment():
            return True
        case AddColumn(table=table, column=column):
            return table in made or _can_be_left_out(column)
        case AddIndex(table=table, index=index):
            return table in made or not (index.unique or index.sql)
        case AddConstraint(table=table):
            return table in made
        case AlterColumn(old=old, new=new):
            return old.with_(comment=new.comment) == new
    return False


def _can_be_left_out(column: Column) -> bool:
    if column.default is not None and column.default.strip().upper() == "NULL":
        return column.null
    return column.null or column.filled
