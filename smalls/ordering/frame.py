"""Old and new schema laid side by side: what stays, under which name, and what about it changes most deeply."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from smalls.operations import MoveTable, Operation, RenameColumn, RenameIndex, RenameTable, apply_all
from smalls.ordering.untangle import Spares, untangle
from smalls.schema import Schema, TableKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from smalls.renames import Match
    from smalls.schema import Column, Generated, Index, Table


class ColumnKey(NamedTuple):
    """A column of a table that stays, under its new name."""

    table: TableKey
    name: str


class IndexKey(NamedTuple):
    """An index by its table's new key."""

    table: TableKey
    name: str


@dataclass(frozen=True, slots=True)
class Frame:
    """What an arrangement looks at.

    `middle` is `old` after `renames` of tables and columns. `tables` maps old keys to new ones, sorted, for
    tables that stay. Of their columns, `retyped` change in type or collation, `recast` in the kind of type;
    `recomputed` are generated and have to be dropped and made again; `rekeyed` tables get another primary
    key. `index_renames` are by new keys.
    """

    old: Schema
    middle: Schema
    new: Schema
    tables: Mapping[TableKey, TableKey]
    renames: tuple[Operation, ...]
    retyped: frozenset[ColumnKey]
    recast: frozenset[ColumnKey]
    recomputed: frozenset[ColumnKey]
    rekeyed: frozenset[TableKey]
    index_renames: Mapping[IndexKey, IndexKey]

    def pairs(self) -> Iterator[tuple[Table, Table]]:
        """Yield each table that stays and is to change, as it is in `middle` and in `new`."""
        for key in self.tables.values():
            if self.middle.tables[key] != self.new.tables[key]:
                yield self.middle.tables[key], self.new.tables[key]

    def upset(self, key: TableKey, index: Index) -> bool:
        """Whether a change of type may break `index`, which leans on more than its columns' order."""
        changed = [name for table, name in self.recast | self.recomputed if table == key]
        if any(ColumnKey(key, name) in self.recomputed for name in index.columns):
            return True
        if index.method and any(name in index.columns for name in changed):
            return True
        text = " ".join((index.sql, index.where, *(p.text for p in index.parts if not isinstance(p, str))))
        return index.textual and any(name in text for name in changed)


def lay(old: Schema, new: Schema, match: Match) -> Frame:
    """Return the frame for two schemas, given what stays under which name."""
    renames = _table_renames(old, new, match)
    state = apply_all(renames, old)
    for key in match.columns:
        renames += _column_renames(state.tables[key], new.tables[key], match.columns[key])
    middle = apply_all(renames, old)
    stay = [(middle.tables[key], new.tables[key]) for key in match.tables.values()]
    stay = [(before, after) for before, after in stay if before != after]
    columns = [(before.key, *pair) for before, after in stay for pair in _shared_columns(before, after)]
    frame = Frame(
        old,
        middle,
        new,
        match.tables,
        tuple(renames),
        retyped=frozenset(ColumnKey(key, b.name) for key, b, a in columns if _medium(b) != _medium(a)),
        recast=frozenset(ColumnKey(key, b.name) for key, b, a in columns if b.type.kind != a.type.kind),
        recomputed=frozenset(),
        rekeyed=frozenset(before.key for before, after in stay if before.primary_key != after.primary_key),
        index_renames={},
    )
    frame = replace(frame, recomputed=frozenset(_recomputed(frame)))
    return replace(frame, index_renames=_index_pairs(frame))


def _medium(column: Column) -> tuple[object, ...]:
    return column.type, column.collation


def _shared_columns(before: Table, after: Table) -> Iterator[tuple[Column, Column]]:
    later = {column.name: column for column in after.columns}
    for column in before.columns:
        if column.name in later:
            yield column, later[column.name]


def _recomputed(frame: Frame) -> Iterator[ColumnKey]:
    """Yield generated columns that change what they compute, or compute from what is retyped.

    Their values can always be had again, and few engines alter them, or what they are made of, in place. Names
    in them follow a rename; those that go anyhow go before it.
    """
    for was, key in frame.tables.items():
        before, after = frame.old.tables[was].columns, frame.new.tables[key]
        pairs = list(zip(before, frame.middle.tables[key].columns, strict=True))
        retyped = [old.name for old, middle in pairs if ColumnKey(key, middle.name) in frame.retyped]
        renamed = [old.name for old, middle in pairs if old.name != middle.name]
        for old, middle in pairs:
            if old.generated is None or middle.generated is None or old.name != middle.name:
                continue
            later = after.find(old.name)
            leans = _leans(old.generated, retyped)
            if (later is None and (leans or _leans(old.generated, renamed))) or (
                later is not None and later.generated and (leans or later.generated != middle.generated)
            ):
                yield ColumnKey(key, old.name)


def _leans(generated: Generated, names: list[str]) -> bool:
    return any(name in generated.sql for name in names)


def _table_renames(old: Schema, new: Schema, match: Match) -> list[Operation]:
    stay = set(match.tables.values())
    spares = Spares([key.name for key in (*old.tables, *new.tables)])
    steps = untangle(
        {was: key for was, key in match.tables.items() if was != key},
        going=[key for key in sorted(old.tables) if key not in match.tables],
        coming=[key for key in sorted(new.tables) if key not in stay],
        fold=lambda key: (key.schema, key.name.casefold()),
        spare=lambda key: TableKey(key.schema, spares(key.name)),
    )
    return [operation for was, key in steps for operation in _table_rename(was, key, spares)]


def _table_rename(was: TableKey, key: TableKey, spares: Spares) -> list[Operation]:
    if was.schema == key.schema:
        return [RenameTable(was, key.name)]
    if was.name == key.name:
        return [MoveTable(was, key.schema)]
    # the old name may be taken in the new schema, and the new name in the old one
    aside = TableKey(was.schema, spares(was.name))
    there = TableKey(key.schema, aside.name)
    return [RenameTable(was, aside.name), MoveTable(aside, key.schema), RenameTable(there, key.name)]


def _column_renames(table: Table, wanted: Table, pairs: Mapping[str, str]) -> list[Operation]:
    if all(was == name for was, name in pairs.items()) and len(pairs) == len(table.columns):
        return []
    stay = set(pairs.values())
    steps = untangle(
        {was: name for was, name in pairs.items() if was != name},
        going=[name for name in table.column_names if name not in pairs],
        coming=[name for name in wanted.column_names if name not in stay],
        fold=str.casefold,
        spare=Spares([*table.column_names, *wanted.column_names]),
    )
    return [RenameColumn(table.key, was, name) for was, name in steps]


def _index_pairs(frame: Frame) -> dict[IndexKey, IndexKey]:
    """Pair indexes that differ in nothing but their name, and that no change of type upsets."""
    pairs = {}
    for before, after in frame.pairs():
        come = [index for index in after.indexes if index not in before.indexes]
        for index in before.indexes:
            if index in after.indexes or index.sql or frame.upset(before.key, index):
                continue
            twin = next((other for other in come if replace(other, name=index.name) == index), None)
            if twin is not None:
                come.remove(twin)
                pairs[IndexKey(before.key, index.name)] = IndexKey(before.key, twin.name)
    return pairs


def index_renames(frame: Frame) -> list[Operation]:
    """Return the renames of indexes, in an order that works where their names are unique in a schema."""
    schemas = (frame.old, frame.new)
    spares = Spares([i.name for schema in schemas for t in schema.tables.values() for i in t.indexes])
    steps = untangle(
        frame.index_renames,
        going=(),
        coming=(),
        fold=lambda index: (index.table.schema, index.name.casefold()),
        spare=lambda index: IndexKey(index.table, spares(index.name)),
    )
    return [RenameIndex(was.table, was.name, name.name) for was, name in steps]
