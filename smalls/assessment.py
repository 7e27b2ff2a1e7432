"""Files and history side by side: what is applied, pending, held, edited, missing, newer. No I/O, no clock."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smalls.model import HistoryRow, OnNewer, OutOfOrder, Policies, Unfinished
from smalls.versions import at_least, later

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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

    `applied` is in order of application. `waiting` is what could be run, in order of running; it includes
    `out_of_order`, unless the policy is to ignore those. `held` is the part of it that waits for its rollout.
    `incompatible` is the part of `newer` that this image cannot live with. `in_progress` is whether, seen without
    the lock, a migration is being run by somebody.
    """

    applied: tuple[Applied, ...]
    waiting: tuple[Migration, ...]
    held: tuple[Migration, ...]
    out_of_order: tuple[Migration, ...]
    edited: tuple[Applied, ...]
    missing: tuple[HistoryRow, ...]
    newer: tuple[HistoryRow, ...]
    incompatible: tuple[HistoryRow, ...]
    unfinished: tuple[Unfinished, ...]
    equal_numbers: tuple[tuple[Migration, ...], ...]
    has_files: bool
    in_progress: bool = False

    @property
    def pending(self) -> tuple[Migration, ...]:
        """What a plain run is to apply, in order of running."""
        held = {migration.key for migration in self.held}
        return tuple(migration for migration in self.waiting if migration.key not in held)


NOTHING = Assessment((), (), (), (), (), (), (), (), (), (), has_files=False)


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
    late = _late((m for m in waiting if not m.contracts), ordered)
    ignored = set(late) if policies.out_of_order is OutOfOrder.IGNORE else set()
    newer = tuple(row for row in _without_file(applied) if _is_newer(row, files, policies))
    return Assessment(
        applied=applied,
        waiting=tuple(m for m in waiting if m not in ignored),
        held=_held(waiting, ordered, unfinished),
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


def _held(
    waiting: Iterable[Migration], rows: Iterable[HistoryRow], unfinished: Iterable[Unfinished]
) -> tuple[Migration, ...]:
    """Return the contract migrations that wait for their rollout.

    No code runs yet on an app without a row, so nothing of it waits; and what was begun is brought to its end.
    """
    in_use = {row.revision.app for row in rows}
    begun = {work.key for work in unfinished}
    return tuple(m for m in waiting if m.revision.app in in_use and m.contracts and m.key not in begun)


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
    unknown = row.revision.app not in highest
    if not files or (unknown and policies.image_version is None):
        return False  # an app without one file may be one whose folder was forgotten
    if not unknown and row.revision.number <= highest[row.revision.app]:
        return False
    recorded = row.image_version or (str(row.version) if row.version else None)
    if recorded is None:
        return False
    if policies.image_version is None:
        return True
    return later(recorded, policies.image_version, where=f"The image version recorded for {row.key}")


def _compatible(row: HistoryRow, policies: Policies) -> bool:
    if policies.on_newer is OnNewer.REFUSE:
        return False
    if row.min_version is None:
        return row.additive is True
    if policies.image_version is None:
        return False
    return at_least(policies.image_version, row.min_version, where=f"min_version of {row.key}")


def _equal_numbers(files: Iterable[Migration]) -> tuple[tuple[Migration, ...], ...]:
    groups: defaultdict[tuple[str, int], list[Migration]] = defaultdict(list)
    for migration in files:
        groups[migration.revision.app, migration.revision.number].append(migration)
    return tuple(tuple(sorted(group, key=lambda m: m.revision)) for group in groups.values() if len(group) > 1)
