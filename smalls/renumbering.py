"""`renumber`: new numbers, above all others, for files whose numbers are equal to another's or come too late."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from smalls.autoerrors import StateError
from smalls.errors import (
    ConfigError,
    CredentialsRefusedError,
    RenumberAppliedError,
    UnknownDatabaseError,
    UnreachableError,
    UsageError,
)
from smalls.naming import next_number
from smalls.promises import Promises
from smalls.refusals import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smalls.assessment import Assessment
    from smalls.migration import Migration
    from smalls.run import Run
    from smalls.schema import Schema

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Move:
    """A file and what it becomes."""

    old: Migration
    new: Migration


def renumber(run: Run, names: Sequence[str], app: str = "", *, plan: bool = False) -> list[Move]:
    """Give files the next numbers above all others of their app, keeping their order; return what moved.

    Without `names`, of files of equal number those that are not applied, and those that are out of order. With
    `plan` nothing is renamed. Where the database answers, it says what is applied. Raises UsageError where it is
    not plain which file of a number is to move or another file names it, RenumberAppliedError for files that are
    applied, and StateError where the declarative files do not fit together in the new order.
    """
    assessment = _looked(run)
    own = [migration for migration in run.files if migration.revision.app == app]
    if not own and run.apps and not app:
        raise UsageError("There are several apps.", hint="Say --app NAME.")
    chosen = [_found(own, name) for name in names] or _misplaced(own, assessment)
    _refuse_applied(chosen, assessment)
    moves = _moves(own, chosen)
    _refuse_named(own, moves)
    _hold_state(own, moves)
    if not plan:
        for move in moves:
            Path(move.old.path).rename(move.new.path)
            run.log(
                "migration.renumbered",
                f"{move.old.key} is now {move.new.key}.",
                migration=move.old.key,
                path=move.new.path,
            )
    return moves


def _looked(run: Run) -> Assessment | None:
    """Return files and history side by side, None where no database answers at once."""
    run.settings = replace(run.settings, wait_timeout=0.0)
    try:
        return run.look()
    except (UnreachableError, CredentialsRefusedError, UnknownDatabaseError) as error:
        why = error.message
    except ConfigError as error:
        if error.code != "SML-CONFIG-NO-DATABASE":
            raise
        why = error.message
    run.log("history.warned", f"What is applied is not known: {why}", migrations=[])
    return None


def _found(files: Sequence[Migration], name: str) -> Migration:
    found = [migration for migration in files if name in (migration.key, migration.revision.name)]
    if len(found) != 1:
        raise UsageError(f"There is no migration file {name}.", hint="Say its full name, without .py.")
    return found[0]


def _misplaced(files: Sequence[Migration], assessment: Assessment | None) -> list[Migration]:
    known = {entry.row.key for entry in assessment.applied} if assessment else set()
    found = {m.key: m for m in (assessment.out_of_order if assessment else ()) if m in files}
    for number in {migration.revision.number for migration in files}:
        group = [migration for migration in files if migration.revision.number == number]
        free = [migration for migration in group if migration.key not in known]
        if len(group) < 2 or not free:  # noqa: PLR2004 -- a number of one's own
            continue
        if len(free) == len(group):
            raise UsageError(
                f"These have the same number, and none is known to be applied: {listed(m.key for m in group)}.",
                hint=f"Say which moves, as a rule the one not merged yet: `smalls renumber {free[-1].key}`.",
            )
        found |= {migration.key: migration for migration in free}
    return list(found.values())


def _refuse_applied(chosen: Iterable[Migration], assessment: Assessment | None) -> None:
    if assessment is None:
        return
    known = {entry.row.key for entry in assessment.applied} | {work.key for work in assessment.unfinished}
    applied = [migration.key for migration in chosen if migration.key in known]
    if applied:
        raise RenumberAppliedError(
            f"Applied, so their names stand in the history: {listed(applied)}.", migrations=applied
        )


def _moves(files: Sequence[Migration], chosen: Iterable[Migration]) -> list[Move]:
    moving = sorted(chosen, key=lambda migration: migration.revision)
    first = next_number(m.revision for m in files if m not in moving)
    first = max(first, next_number(migration.revision for migration in files) if moving else first)
    return [Move(old, _under(old, number)) for number, old in enumerate(moving, first)]


def _under(migration: Migration, number: int) -> Migration:
    name = _NUMBER.sub(f"{number:04d}", migration.revision.name, count=1)
    path = Path(migration.path)
    return replace(
        migration,
        revision=replace(migration.revision, number=number, name=name),
        path=str(path.with_name(f"{name}{path.suffix}")),
    )


def _refuse_named(files: Iterable[Migration], moves: Iterable[Move]) -> None:
    """Refuse to rename what another file names: only a person knows what is meant there."""
    names = {move.old.revision.name for move in moves}
    for migration in files:
        text = migration.source.decode(errors="replace")
        if told := sorted(name for name in names if name in text and name != migration.revision.name):
            raise UsageError(
                f"{migration.path} names {listed(told)}.", hint="Change that file first, then renumber again."
            )


def _hold_state(files: Sequence[Migration], moves: Iterable[Move]) -> None:
    """Raise StateError where declarative files do not add up, in the new order, to what they did in the old one."""
    new = {move.old.key: move.new for move in moves}
    order = sorted((new.get(m.key, m) for m in files), key=lambda migration: migration.revision)
    after = Promises(order).schema
    before = _sum(files)
    if before is not None and before != after:
        raise StateError(f"in the new order {listed(m.key for m in order)} promise another schema than before")


def _sum(files: Sequence[Migration]) -> Schema | None:
    """Return what the files promise as they are, None where they do not fit together."""
    try:
        return Promises(sorted(files, key=lambda migration: migration.revision)).schema
    except StateError:
        return None
