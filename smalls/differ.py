"""The difference between two schemas, as operations: pure and deterministic, the same for the same input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smalls.backfills import Backfills
from smalls.hints import NO_HINTS, Ask, DiffWarning, Hints
from smalls.ordering import arrange
from smalls.renames import match

if TYPE_CHECKING:
    from smalls.operations import Operation
    from smalls.schema import Schema


@dataclass(frozen=True, slots=True)
class Diff:
    """What leads from one schema to another, in an order that works, and what was taken for granted."""

    operations: tuple[Operation, ...]
    warnings: tuple[DiffWarning, ...] = ()


def diff(old: Schema, new: Schema, *, hints: Hints = NO_HINTS, ask: Ask | None = None, app: str = "") -> Diff:
    """Return the operations that lead from `old` to `new`; none when they are equal.

    Renames and backfills are taken from `hints`, else from `ask`, which is called in a fixed order; with
    neither, a likely rename becomes drop + add and a missing backfill stays missing, each with a warning.
    `app` is the prefix that hints may have. Raises `HintError` for a rename hint that fits nothing.
    """
    backfills = Backfills(hints, ask, app)
    found = match(old, new, hints=hints, ask=ask, app=app)
    operations = arrange(old, new, found, backfills)
    return Diff(operations, (*found.warnings, *backfills.warnings))
