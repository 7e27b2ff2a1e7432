"""The difference between two schemas, as operations: pure and deterministic, the same for the same input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smalls.autoerrors import HintError
from smalls.backfills import Backfills
from smalls.hints import NO_HINTS, Ask, DiffWarning, Hints
from smalls.operations import AddColumn, AddTable, AlterColumn, DropTable, RenameColumn, StateOnly, apply_all
from smalls.ordering import arrange
from smalls.renames import match
from smalls.schema import Schema, Sql
from smalls.sqltokens import names_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smalls.operations import Operation
    from smalls.schema import Table, TableKey


@dataclass(frozen=True, slots=True)
class Diff:
    """What leads from one schema to another, in an order that works, and what was taken for granted."""

    operations: tuple[Operation, ...]
    warnings: tuple[DiffWarning, ...] = ()


def diff(
    old: Schema,
    new: Schema,
    *,
    hints: Hints = NO_HINTS,
    ask: Ask | None = None,
    app: str = "",
    arrivals: Iterable[Table] = (),
    departures: Iterable[TableKey] = (),
) -> Diff:
    """Return the operations that lead from `old` to `new`; none when they are equal.

    Renames and backfills are taken from `hints`, else from `ask`, which is called in a fixed order; with
    neither, a likely rename becomes drop + add and a missing backfill stays missing, each with a warning.
    `app` is the prefix that hints may have. Raises `HintError` for a rename hint that fits nothing, and for SQL of
    a backfill that names a column as it was called before it was renamed.

    `arrivals` are tables that another app gives to this one, as its migrations have left them; `departures`
    are those that another app takes. Their coming and going changes the state alone: the rows stay.
    """
    moves = _moves(old, arrivals, departures)
    start = apply_all(moves, old)
    if start == new and not hints.renames:  # as it is nearly always; a rename that fits nothing is to be told
        return Diff(tuple(moves))
    backfills = Backfills(hints, ask, app)
    found = match(start, new, hints=hints, ask=ask, app=app)
    operations = arrange(start, new, found, backfills)
    _expect_names_of_then(operations, start)
    return Diff((*moves, *operations), (*found.warnings, *backfills.warnings))


def _expect_names_of_then(operations: Sequence[Operation], schema: Schema) -> None:
    """Raise HintError where the SQL of a backfill has the old name of a column: renames come before it."""
    renamed: dict[tuple[TableKey, str], str] = {}
    if not any(isinstance(operation, RenameColumn) for operation in operations):
        return
    for operation in operations:
        if isinstance(operation, RenameColumn):
            renamed[operation.table, operation.old] = operation.new
        sql = getattr(operation, "backfill", None)
        if isinstance(sql, Sql) and isinstance(operation, (AddColumn, AlterColumn)):
            names = names_in(sql.text).difference(schema.table(operation.table).column_names)
            for old in sorted(name for name in names if (operation.table, name) in renamed):
                raise HintError(
                    f"The backfill sql:{sql.text} names {operation.table}.{old}, which has another name by then.",
                    hint=f"Renames come before backfills: write {renamed[operation.table, old]} for {old}.",
                )
        schema = operation.apply(schema)


def adopt(schema: Schema) -> Diff:
    """Return what makes `schema` the declared state of a database that has it already: no SQL at all."""
    return Diff((StateOnly(diff(Schema(), schema).operations),))


def _moves(old: Schema, arrivals: Iterable[Table], departures: Iterable[TableKey]) -> list[Operation]:
    come = [AddTable(table) for table in sorted(arrivals, key=lambda table: table.key)]
    go = [DropTable(old.table(key)) for key in sorted(departures)]
    return [StateOnly(operations) for operations in (come, go) if operations]
