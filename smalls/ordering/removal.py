"""What has to come off before anything is renamed or altered, in the names of the old schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.operations import DropConstraint, DropIndex, Operation
from smalls.ordering.frame import ColumnKey, Frame, IndexKey
from smalls.schema import Check, ForeignKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalls.schema import Constraint, Table, TableKey


def removals(frame: Frame) -> list[Operation]:
    """Return the drops that come first: foreign keys, then other constraints, then indexes.

    It is what the new schema has not, or has otherwise; what stands on columns or keys that change under it
    (it comes back at the end); and what dropped tables hold under names that are wanted elsewhere.
    """
    constraints, indexes = _of_dropped_tables(frame)
    lost: dict[TableKey, list[tuple[str, ...]]] = {}
    for was, key in frame.tables.items():
        for index, later in zip(frame.old.tables[was].indexes, frame.middle.tables[key].indexes, strict=True):
            if _index_goes(frame, key, later.name):
                indexes.append(DropIndex(was, index))
                lost.setdefault(key, []).append(later.columns)
        for constraint, after in _constraints(frame, was, key):
            if not isinstance(after, ForeignKey) and _goes(frame, key, after):
                constraints.append(DropConstraint(was, constraint))
                lost.setdefault(key, []).append(getattr(after, "columns", ()))
    keys = [
        DropConstraint(was, constraint)
        for was, key in frame.tables.items()
        for constraint, after in _constraints(frame, was, key)
        if isinstance(after, ForeignKey) and _key_goes(frame, key, after, lost)
    ]
    keys += [drop for drop in constraints if isinstance(drop.constraint, ForeignKey)]
    return [*keys, *(drop for drop in constraints if drop not in keys), *indexes]


def _constraints(frame: Frame, was: TableKey, key: TableKey) -> Iterator[tuple[Constraint, Constraint]]:
    """Pair each constraint with what the renames make of it: they keep the order."""
    return zip(frame.old.tables[was].constraints, frame.middle.tables[key].constraints, strict=True)


def _index_goes(frame: Frame, key: TableKey, name: str) -> bool:
    index = frame.middle.tables[key].index(name)
    if IndexKey(key, name) in frame.index_renames:
        return False
    return index not in frame.new.tables[key].indexes or frame.upset(key, index)


def _goes(frame: Frame, key: TableKey, constraint: Constraint) -> bool:
    if constraint not in frame.new.tables[key].constraints:
        return True
    changed = [name for table, name in frame.recast if table == key]
    return isinstance(constraint, Check) and any(name in constraint.sql for name in changed)


def _key_goes(frame: Frame, key: TableKey, fk: ForeignKey, lost: dict[TableKey, list[tuple[str, ...]]]) -> bool:
    ends = [*(ColumnKey(key, n) for n in fk.columns), *(ColumnKey(fk.ref_table, n) for n in fk.ref_columns)]
    return (
        fk not in frame.new.tables[key].constraints
        or fk.ref_table not in frame.new.tables
        or not frame.retyped.isdisjoint(ends)
        or fk.ref_table in frame.rekeyed
        # an engine may lean on the index of either end
        or (key in frame.rekeyed and not set(fk.columns).isdisjoint(frame.middle.tables[key].primary_key))
        or any(columns[: len(fk.columns)] == fk.columns for columns in lost.get(key, ()))
        or any(columns[: len(fk.ref_columns)] == fk.ref_columns for columns in lost.get(fk.ref_table, ()))
    )


def _of_dropped_tables(frame: Frame) -> tuple[list[DropConstraint], list[DropIndex]]:
    wanted = {(table.schema, name) for table in frame.new.tables.values() for name in _object_names(table)}
    dropped = [frame.old.tables[key] for key in sorted(frame.old.tables) if key not in frame.tables]

    def blocks(table: Table, name: str) -> bool:
        return bool(name) and (table.schema, name.casefold()) in wanted

    constraints = [DropConstraint(t.key, c) for t in dropped for c in t.constraints if blocks(t, c.name)]
    return constraints, [DropIndex(t.key, i) for t in dropped for i in t.indexes if blocks(t, i.name)]


def _object_names(table: Table) -> Iterator[str]:
    for item in (*table.indexes, *table.constraints):
        if item.name:
            yield item.name.casefold()


def still_supports(frame: Frame, fk: ForeignKey) -> bool:
    """Whether `fk` of a new table may be made before anything is altered: its target is there, as it will be."""
    target = frame.middle.tables.get(fk.ref_table)
    later = frame.new.tables.get(fk.ref_table)
    if target is None or later is None:
        return fk.ref_table not in frame.new.tables  # another app's table: it is there, or will never be
    if target == later:
        return True
    steady = frame.retyped.isdisjoint(ColumnKey(fk.ref_table, name) for name in fk.ref_columns)
    return steady and target.primary_key == later.primary_key == fk.ref_columns
