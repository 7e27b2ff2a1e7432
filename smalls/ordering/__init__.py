"""An order of operations that always works, from one schema to another, forward and back.

Foreign keys, constraints and indexes that are in the way come off first; then renames, additions and
alterations; then what goes; last, indexes, constraints and foreign keys come on. Each phase is found by
comparing the state reached so far with the state that is wanted, so nothing is forgotten, and the end is
checked. Run backwards, the inverses work in the opposite order for the same reasons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.errors import DefectError
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
    DropTable,
    Operation,
)
from smalls.ordering.frame import Frame, index_renames, lay
from smalls.ordering.graph import by_need
from smalls.ordering.removal import removals, still_supports
from smalls.schema import Check, ForeignKey, Unique

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.backfills import Backfills
    from smalls.renames import Match
    from smalls.schema import Column, Schema, Table, TableKey

__all__ = ["arrange"]


def arrange(old: Schema, new: Schema, match: Match, backfills: Backfills) -> tuple[Operation, ...]:
    """Return the operations that lead from `old` to `new`, given what stays under which name.

    Deterministic: the order of tables in either schema does not matter. No recursion, however deep the chain
    of foreign keys.
    """
    arrangement = _Arrangement(lay(old, new, match), backfills)
    arrangement.run()
    return tuple(arrangement.operations)


class _Arrangement:
    def __init__(self, frame: Frame, backfills: Backfills) -> None:
        self.frame, self.backfills = frame, backfills
        self.state = frame.old
        self.operations: list[Operation] = []

    def run(self) -> None:
        self._do(removals(self.frame))
        self._do(self.frame.renames)
        self._do(index_renames(self.frame))
        self._add_tables()
        for phase in (self._add_columns, self._alter, self._add_generated, self._drop_columns):
            for before, after in self.frame.pairs():
                phase(before, after)
        self._drop_tables()
        self._put_on()
        if self.state != self.frame.new:
            raise DefectError("the operations that were found do not lead to the schema that is wanted")

    def _do(self, operations: Iterable[Operation]) -> None:
        for operation in operations:
            self.state = operation.apply(self.state)
            self.operations.append(operation)

    # additions

    def _add_tables(self) -> None:
        stay = set(self.frame.tables.values())
        come = {key: table for key, table in self.frame.new.tables.items() if key not in stay}
        for key in by_need({key: {fk.ref_table for fk in table.foreign_keys} for key, table in come.items()}):
            later = {fk for fk in come[key].foreign_keys if not self._can_refer(come[key], fk)}
            kept = [item for item in come[key].constraints if item not in later]
            self._do([AddTable(come[key].with_(constraints=kept))])

    def _can_refer(self, table: Table, fk: ForeignKey) -> bool:
        if fk.ref_table == table.key:
            return True
        made = fk.ref_table not in self.frame.middle.tables and fk.ref_table in self.state.tables
        return made or still_supports(self.frame, fk)

    def _add_columns(self, before: Table, after: Table) -> None:
        for column in after.columns:
            if before.find(column.name) is None and column.generated is None:
                value = None if column.null else self.backfills.forward(after, column)
                self._do([AddColumn(after.key, column, backfill=value)])

    def _add_generated(self, before: Table, after: Table) -> None:
        del before
        there = self.state.tables[after.key]
        self._do([AddColumn(after.key, column) for column in after.columns if there.find(column.name) is None])

    # alterations

    def _alter(self, before: Table, after: Table) -> None:
        late: list[Column] = []
        there = self.state.tables[after.key]
        for column in (column for column in after.columns if there.find(column.name)):
            first = self._early(before, after, column)
            self._alter_column(before, after, first)
            late += [column] if first != column else []
        if before.primary_key != after.primary_key:
            self._do([ChangePrimaryKey(after.key, before.primary_key, after.primary_key)])
        for column in late:
            self._alter_column(before, after, column)
        if before.options != after.options:
            self._do([ChangeOptions(after.key, before.options, after.options)])
        if before.comment != after.comment:
            self._do([ChangeComment(after.key, before.comment, after.comment)])

    @staticmethod
    def _early(before: Table, after: Table, column: Column) -> Column:
        """Return as much of `column` as can be had before the primary key changes.

        What the key covers may not be null before it is uncovered; what the database numbers has to be
        covered first.
        """
        old = before.find(column.name)
        if old is None or before.primary_key == after.primary_key:
            return column
        if column.name in before.primary_key:
            return column.with_(null=old.null and column.null)
        numbered = column.type.automatic or column.identity
        return old if numbered and column.name in after.primary_key else column

    def _alter_column(self, before: Table, after: Table, column: Column) -> None:
        old = self.state.tables[after.key].column(column.name)
        if old == column:
            return
        needs, needed = old.null and not column.null, column.null and not old.null
        self._do(
            [
                AlterColumn(
                    after.key,
                    old,
                    column,
                    backfill=self.backfills.forward(after, column) if needs else None,
                    reverse_backfill=self.backfills.back(before, old) if needed else None,
                )
            ]
        )

    # what goes

    def _drop_columns(self, before: Table, after: Table) -> None:
        gone = [column for column in self.state.tables[after.key].columns if after.find(column.name) is None]
        for column in sorted(gone, key=lambda column: column.generated is None):
            self._do([DropColumn(after.key, column, reverse_backfill=self.backfills.returning(before, column))])

    def _drop_tables(self) -> None:
        gone = {key: table for key, table in self.state.tables.items() if key not in self.frame.new.tables}
        referrers: dict[TableKey, set[TableKey]] = {key: set() for key in gone}
        for key, table in gone.items():
            for fk in table.foreign_keys:
                referrers.get(fk.ref_table, set()).add(key)
        for key in by_need(referrers):
            for other in sorted(referrers[key] - {key}):
                self._unlink(other, key)
            self._do([DropTable(self.state.tables[key])])

    def _unlink(self, key: TableKey, target: TableKey) -> None:
        """Drop the foreign keys from one table to another, if the table is still there: they form a ring."""
        if key in self.state.tables:
            keys = [fk for fk in self.state.tables[key].foreign_keys if fk.ref_table == target]
            self._do([DropConstraint(key, fk) for fk in keys])

    # on

    def _put_on(self) -> None:
        stay = sorted(self.frame.new.tables.items())
        for key, table in stay:
            there = self.state.tables[key].indexes
            self._do([AddIndex(key, index) for index in table.indexes if index not in there])
        for kind in (Unique, Check, ForeignKey):
            for key, table in stay:
                held = set(self.state.tables[key].constraints)
                come = [item for item in table.constraints if isinstance(item, kind) and item not in held]
                self._do([AddConstraint(key, item) for item in come])
