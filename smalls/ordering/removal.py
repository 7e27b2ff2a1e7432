"""What has to come off before anything is renamed or altered, in the names of the old schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from smalls.operations import DropColumn, DropConstraint, DropIndex, Operation
from smalls.ordering.frame import ColumnKey, Frame, IndexKey
from smalls.schema import Check, ForeignKey, Unique, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from smalls.schema import Constraint, Index, Table, TableKey

Lost: TypeAlias = "Mapping[TableKey, list[tuple[str, ...]]]"
"""Columns of the indexes and unique constraints that come off, by their table's new key."""


def removals(frame: Frame) -> list[Operation]:
    """Return the drops that come first: foreign keys, then other constraints, then indexes, then generated columns.

    It is what the new schema has not, or has otherwise; what stands on columns or keys that change under it
    (it comes back at the end); and what dropped tables hold in the way of others.
    """
    names = {(table.schema, name) for table in frame.new.tables.values() for name in _object_names(table)}
    indexes: list[Operation] = []
    others: list[Operation] = []
    keys: list[Operation] = []
    lost: dict[TableKey, list[tuple[str, ...]]] = {}
    for before, middle in _tables(frame):
        for index, later in zip(before.indexes, middle.indexes, strict=True):
            if _blocks(frame, middle, index.name, names) or _index_goes(frame, middle, later):
                indexes.append(DropIndex(before.key, index))
                lost.setdefault(middle.key, []).append(later.columns)
        for item, after in _constraints(before, middle, Check, Unique):
            if _blocks(frame, middle, item.name, names) or _constraint_goes(frame, middle, after):
                others.append(DropConstraint(before.key, item))
                lost.setdefault(middle.key, []).append(columns_of(after))
    for before, middle in _tables(frame):
        for item, after in _constraints(before, middle, ForeignKey):
            if _blocks(frame, middle, item.name, names) or _key_goes(frame, middle, after, lost):
                keys.append(DropConstraint(before.key, item))
    return [*keys, *others, *indexes, *_generated(frame)]


def _generated(frame: Frame) -> list[Operation]:
    was = {key: was for was, key in frame.tables.items()}
    return [DropColumn(was[key], frame.old.tables[was[key]].column(name)) for key, name in sorted(frame.recomputed)]


def _constraints(before: Table, middle: Table, *kinds: type[Any]) -> list[tuple[Any, Any]]:
    pairs = zip(before.constraints, middle.constraints, strict=True)
    return [(item, after) for item, after in pairs if isinstance(after, kinds)]


def _tables(frame: Frame) -> list[tuple[Table, Table]]:
    """Pair each old table with what the renames make of it: they keep every order."""
    pairs = zip(frame.old.tables.values(), frame.middle.tables.values(), strict=True)
    return sorted(pairs, key=lambda pair: pair[0].key)


def _object_names(table: Table) -> Iterator[str]:
    return (item.name.casefold() for item in (*table.indexes, *table.constraints))


def _stays(frame: Frame, middle: Table) -> Table | None:
    """Return what becomes of the table, None if it is dropped."""
    return frame.new.tables.get(middle.key)


def _blocks(frame: Frame, middle: Table, name: str, wanted: set[tuple[str, str]]) -> bool:
    """Whether something of a dropped table has a name that is wanted elsewhere in the schema."""
    return bool(name) and _stays(frame, middle) is None and (middle.schema, name.casefold()) in wanted


def _index_goes(frame: Frame, middle: Table, index: Index) -> bool:
    after = _stays(frame, middle)
    if after is None or IndexKey(middle.key, index.name) in frame.index_renames:
        return False
    return index not in after.indexes or frame.upset(middle.key, index)


def _constraint_goes(frame: Frame, middle: Table, constraint: Constraint) -> bool:
    after = _stays(frame, middle)
    if after is None or constraint not in after.constraints:
        return after is not None
    changed = [name for table, name in frame.recast | frame.recomputed if table == middle.key]
    if isinstance(constraint, Check):
        return any(name in constraint.sql for name in changed)
    return any(ColumnKey(middle.key, name) in frame.recomputed for name in columns_of(constraint))


def _key_goes(frame: Frame, middle: Table, fk: ForeignKey, lost: Lost) -> bool:
    after = _stays(frame, middle)
    if fk.ref_table in frame.new.tables and _target_changes(frame, fk, lost):
        return True
    if after is None:
        return False
    return (
        fk not in after.constraints
        or (fk.ref_table in frame.middle.tables and fk.ref_table not in frame.new.tables)
        or not (frame.retyped | frame.recomputed).isdisjoint(ColumnKey(middle.key, name) for name in fk.columns)
        # an engine may lean on the index of the referring columns
        or (middle.key in frame.rekeyed and not set(fk.columns).isdisjoint(middle.primary_key))
        or _leads(lost.get(middle.key, []), fk.columns)
    )


def _target_changes(frame: Frame, fk: ForeignKey, lost: Lost) -> bool:
    """Whether what the key refers to changes too much to be referred to meanwhile."""
    target = frame.new.tables[fk.ref_table]
    return (
        fk.ref_table in frame.rekeyed
        or any(target.find(name) is None for name in fk.ref_columns)
        or not frame.retyped.isdisjoint(ColumnKey(fk.ref_table, name) for name in fk.ref_columns)
        or _leads(lost.get(fk.ref_table, []), fk.ref_columns)
    )


def _leads(indexes: list[tuple[str, ...]], columns: tuple[str, ...]) -> bool:
    return any(held[: len(columns)] == columns for held in indexes)


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
