"""Objects that PostgreSQL named follow their table: renamed to what a fresh CREATE TABLE would name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.compilers.postgres.names import owned
from smalls.compilers.postgres.statements import renames
from smalls.ordering.untangle import Spares, untangle

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.compilers.base import Statement
    from smalls.compilers.postgres.names import Owned
    from smalls.schema import Table


def follow_rename(before: Table, after: Table) -> list[Statement]:
    """Return the renames of unnamed objects after a rename, which keeps every order."""
    return _renames(after, zip(owned(before), owned(after), strict=True))


def follow_change(before: Table, after: Table) -> list[Statement]:
    """Return the renames of unnamed objects that stay, to be run when what goes is gone and nothing came yet.

    They are rare: a number at the end of a name moves up when another with the same stem goes.
    """
    later = {item.tag: item for item in owned(after) if item.unnamed}
    held = [item for item in owned(before) if item.unnamed]
    return _renames(after, [(item, later[item.tag]) for item in held if item.tag in later])


def _renames(table: Table, pairs: Iterable[tuple[Owned, Owned]]) -> list[Statement]:
    listed = [(old, new) for old, new in pairs if old.name != new.name]
    statements = []
    for what in ("constraint", "sequence"):
        mapping = {old.name: new.name for old, new in listed if old.what == what}
        spare = Spares([*mapping, *mapping.values()])
        steps = untangle(mapping, going=(), coming=(), fold=str, spare=spare)
        statements += renames(table.key, what, steps)
    return statements
