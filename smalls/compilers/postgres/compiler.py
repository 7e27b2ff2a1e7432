"""Every operation as PostgreSQL's statements."""

from __future__ import annotations

from functools import singledispatchmethod

from smalls import operations as ops
from smalls.compilers.base import Statement, Step
from smalls.compilers.free import free_steps
from smalls.compilers.postgres import columns, tables
from smalls.compilers.postgres.alteration import alter_column
from smalls.compilers.postgres.following import change, put_on
from smalls.compilers.postgres.statements import (
    EXCLUSIVE,
    SHARE,
    SHARE_UPDATE,
    build_index,
    comment,
    drop_constraint,
    drop_index,
)
from smalls.compilers.postgres.text import beside, index_statement, quote, relation
from smalls.schema import Schema


class PostgresCompiler:
    """Compiles for PostgreSQL of the major `version`, 15 or later."""

    def __init__(self, version: int = 15) -> None:
        self.version = version

    def compile(self, operation: ops.Operation, before: Schema) -> list[Step]:
        """Return the steps for `operation` on the schema `before` it.

        Raises UnsupportedError, with the reason, for what PostgreSQL cannot do.
        """
        return list(self._steps(operation, before))

    @singledispatchmethod
    def _steps(self, operation: ops.Operation, before: Schema) -> list[Step]:
        return free_steps(operation, before)

    # tables

    @_steps.register
    def _(self, operation: ops.AddTable, before: Schema) -> list[Step]:
        return [*tables.create(operation.table, before, self.version)]

    @_steps.register
    def _(self, operation: ops.DropTable, before: Schema) -> list[Step]:
        after = operation.apply(before)
        sequences = [s for column in operation.table.columns for s in columns.drop_sequence(column, after)]
        return [Statement(f"DROP TABLE {relation(operation.table.key)}", lock=EXCLUSIVE), *sequences]

    @_steps.register
    def _(self, operation: ops.RenameTable, before: Schema) -> list[Step]:
        return [*tables.rename(operation, before)]

    @_steps.register
    def _(self, operation: ops.MoveTable, before: Schema) -> list[Step]:
        return [*tables.move(operation, before)]

    @_steps.register
    def _(self, operation: ops.ChangeComment, before: Schema) -> list[Step]:
        del before
        return [comment(f"TABLE {relation(operation.table)}", operation.new)]

    @_steps.register
    def _(self, operation: ops.ChangeOptions, before: Schema) -> list[Step]:
        del before
        return [*tables.change_options(operation)]

    @_steps.register
    def _(self, operation: ops.ChangePrimaryKey, before: Schema) -> list[Step]:
        return [*tables.change_primary_key(operation, before)]

    # columns

    @_steps.register
    def _(self, operation: ops.AddColumn, before: Schema) -> list[Step]:
        return [*columns.add_column(operation, before, self.version)]

    @_steps.register
    def _(self, operation: ops.DropColumn, before: Schema) -> list[Step]:
        return [*columns.drop_column(operation, before)]

    @_steps.register
    def _(self, operation: ops.RenameColumn, before: Schema) -> list[Step]:
        return [*columns.rename_column(operation, before)]

    @_steps.register
    def _(self, operation: ops.AlterColumn, before: Schema) -> list[Step]:
        return [*alter_column(operation, before, self.version)]

    # indexes

    @_steps.register
    def _(self, operation: ops.AddIndex, before: Schema) -> list[Step]:
        del before
        key, index = operation.table, operation.index
        if not operation.concurrently:
            return [Statement(index_statement(key, index), lock=SHARE)]
        return [*build_index(key, index)]

    @_steps.register
    def _(self, operation: ops.DropIndex, before: Schema) -> list[Step]:
        del before
        key, name = operation.table, operation.index.name
        if operation.concurrently:
            return [drop_index(key, name)]
        return [Statement(f"DROP INDEX {beside(key, name)}", lock=EXCLUSIVE)]

    @_steps.register
    def _(self, operation: ops.RenameIndex, before: Schema) -> list[Step]:
        del before
        if quote(operation.old) == quote(operation.new):
            return []  # they differ beyond the limit, where the server has cut them
        sql = f"ALTER INDEX {beside(operation.table, operation.old)} RENAME TO {quote(operation.new)}"
        return [Statement(sql, lock=SHARE_UPDATE)]

    # constraints

    @_steps.register
    def _(self, operation: ops.AddConstraint, before: Schema) -> list[Step]:
        table, item = before.table(operation.table), operation.constraint
        if item.name:
            return [*put_on(table.key, item.name, item)]
        return [*change(table, operation.apply(before).table(table.key)).on]

    @_steps.register
    def _(self, operation: ops.DropConstraint, before: Schema) -> list[Step]:
        table, item = before.table(operation.table), operation.constraint
        if item.name:
            return [drop_constraint(table.key, item.name)]
        changed = change(table, operation.apply(before).table(table.key))
        return [*changed.off, *changed.on]
