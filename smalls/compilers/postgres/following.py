"""Objects that PostgreSQL named: they follow their table's renames, and come and go with what they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from smalls.compilers.postgres.names import owned
from smalls.compilers.postgres.statements import (
    EXCLUSIVE,
    SHARE_ROW,
    add_unique,
    add_validated,
    drop_constraint,
    renames,
)
from smalls.compilers.postgres.text import constraint_definition
from smalls.ordering.untangle import Spares, untangle
from smalls.schema import ForeignKey, Unique

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from smalls.compilers.base import Statement
    from smalls.compilers.postgres.names import Owned, Tag
    from smalls.schema import Constraint, Table, TableKey


def follow_rename(before: Table, after: Table) -> list[Statement]:
    """Return the renames of unnamed objects after a rename, which keeps every order."""
    pairs = [(old, new) for old, new in zip(owned(before), owned(after), strict=True) if old.name != new.name]
    statements = []
    for sequences in (False, True):
        mapping = {old.name: new.name for old, new in pairs if (old.what == "sequence") == sequences}
        spare = Spares([*mapping, *mapping.values()])
        steps = untangle(mapping, going=(), coming=(), fold=str, spare=spare)
        statements += renames(after.key, "sequence" if sequences else "constraint", steps)
    return statements


class Change(NamedTuple):
    """Statements that take unnamed constraints off, and those that put others on."""

    off: list[Statement]
    on: list[Statement]


def change(before: Table, after: Table, again: Collection[Tag] = ()) -> Change:
    """Return what happens to unnamed constraints from `before` to `after`; those in `again` are made anew.

    Where one of several that share all but a number goes, all of them are made anew, because nothing tells
    which of them has which number.
    """
    old, new = _constraints(before), _constraints(after)
    kept = {item.tag for item in old}.intersection(item.tag for item in new).difference(again)
    off: list[Statement] = []
    on: list[Statement] = []
    for group in dict.fromkeys(item.group for item in (*old, *new)):
        held = [item for item in old if item.group == group]
        wanted = [item for item in new if item.group == group]
        if any(item.tag not in kept for item in held):
            off += [drop_constraint(before.key, item.name) for item in held]
            on += _add(after.key, wanted, [item.name for item in wanted])
            continue
        come = [item for item in wanted if item.tag not in kept]
        on += _add(after.key, come, [item.name for item in wanted if item.name not in {h.name for h in held}])
    return Change(off, on)


def _constraints(table: Table) -> list[Owned]:
    return [item for item in owned(table) if item.what == "constraint"]


def _add(key: TableKey, items: Iterable[Owned], names: Iterable[str]) -> list[Statement]:
    pairs = zip(items, names, strict=True)
    return [statement for held, name in pairs if held.item for statement in put_on(key, name, held.item)]


def put_on(key: TableKey, name: str, item: Constraint) -> list[Statement]:
    """Add a constraint in steps, so that what takes long blocks nobody."""
    if isinstance(item, Unique):
        return add_unique(key, name, item)
    lock = SHARE_ROW if isinstance(item, ForeignKey) else EXCLUSIVE
    return add_validated(key, name, constraint_definition(item), lock=lock)
