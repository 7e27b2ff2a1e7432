"""What a run has to do: files and history in, an assessment and plans out. No I/O, no clock.

`assess` lays files and history side by side; `refusals` says what must be settled first, in the order of
the exit codes; `plan_forward` and `plan_backward` choose what to run.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smalls.errors import (
    EditedError,
    MissingError,
    NewerDatabaseError,
    NoFilesError,
    NotReversibleError,
    OutOfOrderError,
    SmallsError,
    UnfinishedMigrationError,
    UsageError,
)
from smalls.model import Direction, Edited, HistoryRow, Kind, OnNewer, OutOfOrder, Policies, Unfinished
from smalls.versions import at_least, later

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from smalls.migration import Migration
    from smalls.model import Revision


@dataclass(frozen=True, slots=True)
class Applied:
    """A history row with its file; `migration` is None where there is no file."""

    row: HistoryRow
    migration: Migration | None = None


@dataclass(frozen=True, slots=True)
class Assessment:
    """Files and history side by side.

    `applied` is in order of application. `pending` is in order of running and includes `out_of_order`,
    unless the policy is to ignore those. `incompatible` is the part of `newer` that this image cannot
    live with. `in_progress` is whether, seen without the lock, a migration is being run by somebody.
    """

    applied: tuple[Applied, ...]
    pending: tuple[Migration, ...]
    out_of_order: tuple[Migration, ...]
    edited: tuple[Applied, ...]
    missing: tuple[HistoryRow, ...]
    newer: tuple[HistoryRow, ...]
    incompatible: tuple[HistoryRow, ...]
    unfinished: tuple[Unfinished, ...]
    equal_numbers: tuple[tuple[Migration, ...], ...]
    has_files: bool
    in_progress: bool = False


def assess(
    files: Sequence[Migration],
    rows: Sequence[HistoryRow],
    unfinished: Sequence[Unfinished],
    policies: Policies,
) -> Assessment:
    """Lay `files` beside `rows` (the history, in any order) and the `unfinished` work of the journal.

    Apps run in the order in which their files are given.
    """
    by_key = {migration.key: migration for migration in files}
    ordered = sorted(rows, key=lambda row: row.id)
    applied = tuple(Applied(row, by_key.get(row.key)) for row in ordered)
    known = {row.key for row in ordered}
    waiting = [m for m in in_run_order(files) if m.key not in known]
    late = _late(waiting, ordered)
    ignored = set(late) if policies.out_of_order is OutOfOrder.IGNORE else set()
    newer = tuple(row for row in _without_file(applied) if _is_newer(row, files, policies))
    return Assessment(
        applied=applied,
        pending=tuple(m for m in waiting if m not in ignored),
        out_of_order=late,
        edited=tuple(a for a in applied if a.migration and not a.migration.checksum.matches(a.row.checksum)),
        missing=tuple(row for row in _without_file(applied) if row not in newer),
        newer=newer,
        incompatible=tuple(row for row in newer if not _compatible(row, policies)),
        unfinished=tuple(unfinished),
        equal_numbers=_equal_numbers(files),
        has_files=bool(files),
    )


def in_run_order(files: Iterable[Migration]) -> list[Migration]:
    """Return `files` app by app, in the order in which apps first appear; within an app by number and name."""
    given = list(files)
    ranks = {app: rank for rank, app in enumerate(dict.fromkeys(m.revision.app for m in given))}
    return sorted(given, key=lambda m: (ranks[m.revision.app], m.revision))


def _without_file(applied: Iterable[Applied]) -> list[HistoryRow]:
    return [entry.row for entry in applied if entry.migration is None]


def _highest(revisions: Iterable[Revision]) -> dict[str, int]:
    highest: dict[str, int] = {}
    for revision in revisions:
        highest[revision.app] = max(revision.number, highest.get(revision.app, -1))
    return highest


def _late(waiting: Iterable[Migration], rows: Iterable[HistoryRow]) -> tuple[Migration, ...]:
    top: dict[str, tuple[int, str]] = {}
    for row in rows:
        place = (row.revision.number, row.revision.name)
        top[row.revision.app] = max(place, top.get(row.revision.app, place))
    return tuple(
        m for m in waiting if m.revision.app in top and (m.revision.number, m.revision.name) < top[m.revision.app]
    )


def _is_newer(row: HistoryRow, files: Sequence[Migration], policies: Policies) -> bool:
    highest = _highest(migration.revision for migration in files)
    if row.revision.number <= highest.get(row.revision.app, row.revision.number):
        return False
    recorded = row.image_version or (str(row.version) if row.version else None)
    if recorded is None:
        return False
    if policies.image_version is None:
        return True
    return later(recorded, policies.image_version, where=f"The image version recorded for {row.key}")


def _compatible(row: HistoryRow, policies: Policies) -> bool:
    if policies.on_newer is OnNewer.REFUSE or row.min_version is None or policies.image_version is None:
        return False
    return at_least(policies.image_version, row.min_version, where=f"min_version of {row.key}")


def _equal_numbers(files: Iterable[Migration]) -> tuple[tuple[Migration, ...], ...]:
    groups: defaultdict[tuple[str, int], list[Migration]] = defaultdict(list)
    for migration in files:
        groups[migration.revision.app, migration.revision.number].append(migration)
    return tuple(tuple(sorted(group, key=lambda m: m.revision)) for group in groups.values() if len(group) > 1)


# ── what must be settled first ──────────────────────────────────────────────────────────────────────────


def refusals(assessment: Assessment, policies: Policies) -> list[SmallsError]:
    """Return what stands against going forward, gravest first (7, then 8, then 9); empty is a go."""
    found: list[SmallsError] = [_unfinished_error(work) for work in assessment.unfinished]
    if assessment.applied and not assessment.has_files:
        return [*found, _no_files_error(assessment)]
    if assessment.missing:
        found.append(_missing_error(assessment.missing))
    if assessment.edited and policies.edited is Edited.REFUSE:
        found.append(edited_error(assessment.edited))
    if assessment.out_of_order and policies.out_of_order is OutOfOrder.REFUSE:
        found.append(_out_of_order_error(assessment))
    if assessment.incompatible:
        found.append(_newer_error(assessment, policies))
    return found


def raise_first(errors: Sequence[SmallsError]) -> None:
    """Raise the first of `errors`, which carries the messages of the others; do nothing where none is."""
    if not errors:
        return
    first, *others = errors
    if others:
        first.fields["also"] = [f"{error.code}: {error.message}" for error in others]
    raise first


def listed(names: Iterable[object]) -> str:
    """Join names for a sentence."""
    return ", ".join(str(name) for name in names)


def _unfinished_error(work: Unfinished) -> SmallsError:
    how = "failed part-way" if work.state == "failed" else "was interrupted, and no end of it was recorded"
    forward = work.direction is Direction.FORWARD
    what = "" if forward else "The undoing of "
    finish = "mark-applied" if forward else "forget"
    return UnfinishedMigrationError(
        f"{what}{work.key} {how} ({work.at} UTC).",
        hint=(
            f"Look at the database, then: `smalls repair --retry {work.key}` (run it again) or "
            f"`smalls repair --{finish} {work.key}` (it is finished). `smalls repair` shows what is known."
        ),
        migration=work.key,
        statements=work.detail.get("statements"),
    )


def _no_files_error(assessment: Assessment) -> SmallsError:
    return NoFilesError(
        f"The history has {len(assessment.applied)} applied migrations, and there is not one migration file."
    )


def _missing_error(rows: Sequence[HistoryRow]) -> SmallsError:
    return MissingError(
        f"Applied migrations without a file: {listed(row.key for row in rows)}.",
        migrations=[row.key for row in rows],
    )


def edited_error(edited: Sequence[Applied]) -> SmallsError:
    """Return the error that lists every edited file."""
    return EditedError(
        f"Applied migrations whose files were changed since: {listed(entry.row.key for entry in edited)}.",
        migrations=[entry.row.key for entry in edited],
    )


def _out_of_order_error(assessment: Assessment) -> SmallsError:
    keys = [migration.key for migration in assessment.out_of_order]
    return OutOfOrderError(
        f"Pending migrations numbered below ones already applied: {listed(keys)}.", migrations=keys
    )


def _newer_error(assessment: Assessment, policies: Policies) -> SmallsError:
    needs = [
        f"{row.key} (needs {row.min_version or 'a newer image; it names no min_version'})"
        for row in assessment.incompatible
    ]
    own = policies.image_version or "not set (SMALLS_VERSION)"
    return NewerDatabaseError(
        f"The database is newer than this image can live with: {listed(needs)}; this image's version is {own}.",
        migrations=[row.key for row in assessment.incompatible],
    )


# ── plans ───────────────────────────────────────────────────────────────────────────────────────────────


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


def plan_forward(assessment: Assessment, policies: Policies, target: Target | None = None) -> tuple[Migration, ...]:
    """Return the pending migrations up to `target` (all where it is None), in order of running.

    Raises the gravest of `refusals`. Raises UsageError where `target` names a number that no file has.
    """
    raise_first(refusals(assessment, policies))
    if target is None:
        return assessment.pending
    if target.number != ZERO and not _exists(target, assessment):
        raise UsageError(
            f"There is no migration {target.name or format(target.number, '04d')} to migrate to.",
            hint="`smalls status` lists the migrations.",
        )
    return tuple(m for m in assessment.pending if m.revision.app == target.app and not target.is_below(m.revision))


def _exists(target: Target, assessment: Assessment) -> bool:
    waiting = (*assessment.pending, *assessment.out_of_order)
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
    raise_first([_unfinished_error(work) for work in assessment.unfinished])
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
    raise_first([_unfinished_error(work) for work in assessment.unfinished])
    if not _exists(target, assessment):
        raise UsageError(
            f"There is no migration {target.name or format(target.number, '04d')} to take as the baseline.",
            hint="Give the number of the last migration whose changes the database already has.",
        )
    waiting = {m.key: m for m in (*assessment.pending, *assessment.out_of_order)}.values()
    return tuple(
        sorted(
            (m for m in waiting if m.revision.app == target.app and not target.is_below(m.revision)),
            key=lambda m: m.revision,
        )
    )
