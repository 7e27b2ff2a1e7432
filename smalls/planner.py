"""What to run: an assessment and a target in, a plan out. No I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smalls.errors import (
    ExpandPendingError,
    NotReversibleError,
    SmallsError,
    UsageError,
)
from smalls.model import Edited, HistoryRow, Kind, Phase, Policies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from smalls.assessment import Applied, Assessment
    from smalls.migration import Migration
    from smalls.model import Revision


from smalls.refusals import edited_error, listed, raise_first, refusals, unfinished_error


@dataclass(frozen=True, slots=True)
class Target:
    """A number or a full name on the command line, for one app."""

    app: str
    number: int
    name: str | None = None

    def is_below(self, revision: Revision) -> bool:
        """Tell whether `revision` stands above this target."""
        if revision.app != self.app:
            return False
        if self.name is None:
            return revision.number > self.number
        return (revision.number, revision.name) > (self.number, self.name)


ZERO = -1
_MOST_DIGITS = 255  # as in a file name; Python itself refuses to read more than 4,300


def parse_target(text: str, known: Iterable[Revision], app: str = "") -> Target:
    """Return the target that `text` means: a number (`3`, `0003`), a full name, or `zero`.

    Raises UsageError for anything else, and for a full name that no file and no row has.
    """
    if text == "zero":
        return Target(app, ZERO)
    if text.isdecimal() and len(text) <= _MOST_DIGITS:
        return Target(app, int(text))
    for revision in known:
        own = revision.app == app
        if (own and text == revision.name) or ((own or not app) and text == str(revision)):
            return Target(revision.app, revision.number, revision.name)
    raise UsageError(
        f"{text!r} is neither a number, nor the full name of a migration, nor 'zero'.",
        hint="Give a number (3 or 0003) or a full name (0003_add_x); `smalls status` lists them.",
    )


def plan_forward(
    assessment: Assessment, policies: Policies, target: Target | None = None, phase: Phase = Phase.EXPAND
) -> tuple[Migration, ...]:
    """Return what is to be applied in a phase, up to `target` (all where it is None), in order of running.

    Raises the gravest of `refusals`. Raises UsageError where `target` names a number that no file has, and
    ExpandPendingError where a contract migration would go before an expand one that is numbered below it.
    """
    raise_first(refusals(assessment, policies))
    chosen = of_phase(assessment, phase)
    if target is not None:
        if target.number != ZERO and not _exists(target, assessment):
            raise UsageError(
                f"There is no migration {target.name or format(target.number, '04d')} to migrate to.",
                hint="`smalls status` lists the migrations.",
            )
        chosen = tuple(m for m in chosen if m.revision.app == target.app and not target.is_below(m.revision))
    if phase is Phase.CONTRACT:
        _require_expanded(assessment, chosen)
    return chosen


def of_phase(assessment: Assessment, phase: Phase) -> tuple[Migration, ...]:
    """Return what waits for a run of that phase, in order of running."""
    if phase is Phase.ALL:
        return assessment.waiting
    if phase is Phase.EXPAND:
        return assessment.pending
    return tuple(migration for migration in assessment.waiting if migration.contracts)


def _require_expanded(assessment: Assessment, chosen: Sequence[Migration]) -> None:
    last = {migration.revision.app: migration.revision for migration in chosen}
    first = [
        migration.key
        for migration in assessment.pending
        if not migration.contracts
        and migration.revision.app in last
        and migration.revision < last[migration.revision.app]
    ]
    if first:
        raise ExpandPendingError(
            f"These are to be run before {listed(m.key for m in chosen)}, and are pending: {listed(first)}.",
            migrations=first,
        )


def _exists(target: Target, assessment: Assessment) -> bool:
    waiting = (*assessment.waiting, *assessment.out_of_order)
    revisions = [m.revision for m in waiting] + [entry.row.revision for entry in assessment.applied]
    return any(
        r.app == target.app and r.number == target.number and target.name in (None, r.name) for r in revisions
    )


@dataclass(frozen=True, slots=True)
class Undo:
    """An applied migration that a rollback undoes, with its file."""

    row: HistoryRow
    migration: Migration


def plan_backward(assessment: Assessment, policies: Policies, target: Target) -> tuple[Undo, ...]:
    """Return what stands above `target`, last applied first; baselined and faked rows are left alone.

    Raises, before anything is undone and naming every one of them: UnfinishedMigrationError, EditedError
    (where the policy refuses), NotReversibleError for a missing file or a migration without a way back.
    """
    raise_first([unfinished_error(work) for work in assessment.unfinished])
    above = [
        entry
        for entry in reversed(assessment.applied)
        if target.is_below(entry.row.revision) and entry.row.kind is Kind.APPLIED
    ]
    raise_first(_rollback_refusals(above, assessment, policies))
    return tuple(Undo(entry.row, entry.migration) for entry in above if entry.migration)


def _rollback_refusals(above: Sequence[Applied], assessment: Assessment, policies: Policies) -> list[SmallsError]:
    reasons: list[tuple[str, Callable[[Applied], bool]]] = [
        ("its file is not here", lambda entry: entry.migration is None),
        (
            "it has no rollback()",
            lambda entry: bool(entry.migration and not entry.migration.traits.has_rollback),
        ),
        ("it says reversible = False", lambda e: bool(e.migration and not e.migration.traits.reversible)),
    ]
    impossible = [f"{entry.row.key}: {why}" for entry in above for why, test in reasons if test(entry)]
    found: list[SmallsError] = []
    if impossible:
        found.append(NotReversibleError(f"These cannot be undone: {'; '.join(impossible)}. Nothing was undone."))
    edited = [entry for entry in above if entry in assessment.edited]
    if edited and policies.edited is Edited.REFUSE:
        found.append(edited_error(edited))
    return found


def plan_baseline(assessment: Assessment, target: Target) -> tuple[Migration, ...]:
    """Return the files up to and with `target` that are not recorded yet, in order.

    Raises UnfinishedMigrationError, since what failed half-way is `repair`'s to settle, and UsageError
    where no file has that number.
    """
    raise_first([unfinished_error(work) for work in assessment.unfinished])
    if not _exists(target, assessment):
        raise UsageError(
            f"There is no migration {target.name or format(target.number, '04d')} to take as the baseline.",
            hint="Give the number of the last migration whose changes the database already has.",
        )
    waiting = {m.key: m for m in (*assessment.waiting, *assessment.out_of_order)}.values()
    return tuple(
        sorted(
            (m for m in waiting if m.revision.app == target.app and not target.is_below(m.revision)),
            key=lambda m: m.revision,
        )
    )
