"""`repair` and `baseline`: settle, one at a time and with consent, what no run may decide by itself."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from smalls import journal as entries
from smalls.errors import UsageError
from smalls.migrating import record_unrun
from smalls.model import Direction, Kind
from smalls.planner import plan_baseline
from smalls.refusals import listed, refusals

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalls.assessment import Assessment
    from smalls.model import Unfinished
    from smalls.run import Run


class Action(Enum):
    """What repair can do about one migration."""

    RETRY = "retry"
    MARK_APPLIED = "mark-applied"
    ACCEPT = "accept"
    FORGET = "forget"


def diagnose(run: Run) -> list[dict[str, Any]]:
    """Return what is wrong and what can be done about it; changes nothing."""
    assessment = run.look(locked=True)
    found = [_unfinished(work) for work in assessment.unfinished]
    found += [
        {"migration": entry.row.key, "problem": "edited", "remedies": [f"smalls repair --accept {entry.row.key}"]}
        for entry in assessment.edited
    ]
    found += [
        {"migration": row.key, "problem": "missing", "remedies": [f"smalls repair --forget {row.key}"]}
        for row in assessment.missing
    ]
    return found


def _unfinished(work: Unfinished) -> dict[str, Any]:
    finish = Action.MARK_APPLIED if work.direction is Direction.FORWARD else Action.FORGET
    return {
        "migration": work.key,
        "problem": f"{'undoing ' if work.direction is Direction.BACKWARD else ''}{work.state}",
        "at": work.at,
        "error": work.detail.get("error"),
        "statements": work.detail.get("statements"),
        "remedies": [f"smalls repair --{action.value} {work.key}" for action in (Action.RETRY, finish)],
    }


def repair(run: Run, action: Action, key: str, consent: Callable[[str], None]) -> str:
    """Settle one migration's difference, under the lock and with consent; return what was done.

    Raises UsageError where there is nothing of that kind to settle, and ConsentError.
    """
    change = _change(run, run.look(locked=True), action, key)
    consent(f"{change.__doc__ or action.value} ({key})?")
    with run.locked() as held:
        change = _change(run, run.look(locked=True), action, key)
        run.prepare_tables()
        with run.work.transaction():
            held.check()
            change()
            run.journal.add(key, entries.REPAIRED, action=action.value)
    run.log("migration.repaired", f"Repaired {key}: {action.value}.", migration=key, action=action.value)
    left = [error.message for error in refusals(run.look(locked=True), run.settings.policies)]
    return f"Settled {key}." + (f" Still to settle: {' '.join(left)}" if left else "")


def _change(run: Run, assessment: Assessment, action: Action, key: str) -> Callable[[], None]:
    """Return what would settle it. Raises UsageError where it does not need that."""
    choose = {
        Action.RETRY: _retry,
        Action.MARK_APPLIED: _mark_applied,
        Action.ACCEPT: _accept,
        Action.FORGET: _forget,
    }[action]
    return choose(run, assessment, key)


def _nothing(key: str, what: str, candidates: list[str]) -> UsageError:
    others = f" These are: {listed(candidates)}." if candidates else ""
    return UsageError(f"{key} is not {what}.{others}", hint="`smalls repair` lists what can be settled, and how.")


def _is_unfinished(assessment: Assessment, key: str) -> Unfinished:
    for work in assessment.unfinished:
        if work.key == key:
            return work
    raise _nothing(key, "failed or interrupted", [work.key for work in assessment.unfinished])


def _retry(run: Run, assessment: Assessment, key: str) -> Callable[[], None]:  # noqa: ARG001 -- as the others that are called alike take it
    _is_unfinished(assessment, key)

    def retry() -> None:
        """Let the next run take it up again from its first statement"""  # noqa: D400 -- a question follows

    return retry


def _mark_applied(run: Run, assessment: Assessment, key: str) -> Callable[[], None]:
    work = _is_unfinished(assessment, key)
    migration = run.file_of(key)
    recorded = any(entry.row.key == key for entry in assessment.applied)
    if migration is None and not recorded:
        raise UsageError(f"{key} has no file here, so it cannot be recorded as applied.")

    def mark_applied() -> None:
        """Record it as applied, since it was finished by hand"""  # noqa: D400
        if migration is not None and not recorded and work.direction is Direction.FORWARD:
            run.history.add(migration, Kind.APPLIED, None)

    return mark_applied


def _accept(run: Run, assessment: Assessment, key: str) -> Callable[[], None]:
    entry = next((entry for entry in assessment.edited if entry.row.key == key), None)
    if entry is None or entry.migration is None:
        raise _nothing(key, "edited", [edited.row.key for edited in assessment.edited])
    checksum = entry.migration.checksum.recorded(entry.row.checksum)

    def accept() -> None:
        """Accept the file as it is now, besides as it was"""  # noqa: D400
        run.history.set_checksum(key, checksum)

    return accept


def _forget(run: Run, assessment: Assessment, key: str) -> Callable[[], None]:
    missing = [row.key for row in assessment.missing]
    undoing = [work.key for work in assessment.unfinished if work.direction is Direction.BACKWARD]
    if key not in (*missing, *undoing):
        raise _nothing(key, "missing or half undone", [*missing, *undoing])

    def forget() -> None:
        """Take its row out of the history"""  # noqa: D400
        run.history.remove(key)

    return forget


def baseline(run: Run, number: str, app: str = "") -> str:
    """Record everything up to `number` as applied without running it, for a database that has it already."""
    assessment = run.look()
    planned = plan_baseline(assessment, run.target(number, assessment, app))
    if not planned:
        return "Nothing to do: all of it is recorded already."
    with run.locked() as held:
        assessment = run.look(locked=True)
        planned = plan_baseline(assessment, run.target(number, assessment, app))
        record_unrun(run, held, planned, Kind.BASELINED)
    return f"Baselined {listed(migration.key for migration in planned)}."
