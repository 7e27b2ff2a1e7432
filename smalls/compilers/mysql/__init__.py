"""Operations to the SQL of MySQL 8.4 to 9 and of MariaDB 10.11 to 11, which differ in small things everywhere.

Their DDL commits as it goes, so a migration is many statements of which each stands alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.compilers.free import free_steps
from smalls.compilers.mysql import columns, keys, tables
from smalls.compilers.mysql.ddl import Ddl
from smalls.compilers.refusals import MARIADB, MYSQL
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
    apply_all,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalls.compilers.base import Step
    from smalls.schema import Schema, Table

_ENGINES = {"mysql": MYSQL, "mariadb": MARIADB}


_PARTS = (
    AddColumn,
    DropColumn,
    AlterColumn,
    AddIndex,
    DropIndex,
    RenameIndex,
    AddConstraint,
    DropConstraint,
    ChangePrimaryKey,
)


class MysqlCompiler:
    """The compiler for one of the two: `flavour` is "mysql" or "mariadb"."""

    def __init__(self, flavour: str) -> None:
        self.ddl = Ddl(_ENGINES[flavour])

    def compile(self, operation: Operation, before: Schema) -> list[Step]:
        """Return the steps for one operation; see `Compiler`."""
        if isinstance(operation, RenameColumn):
            return self._rename_column(operation, before)
        if isinstance(operation, _PARTS):
            return list(self._part(operation, before.table(operation.table)))
        if isinstance(operation, (RenameTable, MoveTable)):
            self.ddl.check_generated_names(operation.apply(before).table(operation.new_key))
        return [*self._table(operation), *free_steps(operation, before)]

    def _table(self, operation: Operation) -> Iterator[Step]:
        match operation:
            case AddTable():
                yield from tables.add_table(self.ddl, operation.table)
            case DropTable():
                yield from tables.drop_table(operation.table.key)
            case RenameTable() | MoveTable():
                yield from tables.move_table(operation.table, operation.new_key)
            case ChangeComment():
                yield from tables.change_comment(self.ddl, operation)
            case ChangeOptions():
                yield from tables.change_options(self.ddl, operation)

    def _part(self, operation: Operation, table: Table) -> Iterator[Step]:
        match operation:
            case AddColumn():
                yield from columns.add_column(self.ddl, operation, table)
            case DropColumn():
                yield from columns.drop_column(operation, table)
            case AlterColumn():
                yield from columns.alter_column(self.ddl, operation, table)
            case AddIndex():
                yield from keys.add_index(self.ddl, operation.index, table)
            case DropIndex():
                yield from keys.drop_index(self.ddl, operation.index, table)
            case RenameIndex():
                yield from keys.rename_index(self.ddl, operation.old, operation.new, table)
            case AddConstraint():
                yield from keys.add_constraint(self.ddl, operation.constraint, table)
            case DropConstraint():
                yield from keys.drop_constraint(self.ddl, operation.constraint, table)
            case ChangePrimaryKey():
                yield from keys.change_primary_key(operation, table)

    def _rename_column(self, operation: RenameColumn, before: Schema) -> list[Step]:
        off = tables.leaning(self.ddl, operation, before)
        bare = apply_all(off, before)
        renamed = operation.apply(bare)
        back = tables.coming_back(off, renamed, operation)
        return [
            *self._each(off, before),
            *tables.rename_column(self.ddl, operation, bare),
            *keys.follow_column(self.ddl, operation.old, operation.new, renamed.table(operation.table)),
            *self._each(back, renamed),
        ]

    def _each(self, operations: list[Operation], schema: Schema) -> list[Step]:
        steps: list[Step] = []
        for operation in operations:
            steps += self.compile(operation, schema)
            schema = operation.apply(schema)
        return steps
