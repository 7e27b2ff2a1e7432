"""`wait`: until the database answers, or until nothing is pending."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.errors import PendingError
from smalls.images import note_image
from smalls.refusals import listed, raise_first, refusals

if TYPE_CHECKING:
    from smalls.run import Run

_PAUSE = 1.0


def wait(run: Run, *, migrated: bool) -> str:
    """Return once the database answers, with `migrated` once nothing is pending in it.

    Raises UnreachableError, or PendingError with what is still pending, at SMALLS_WAIT_TIMEOUT; what no
    waiting mends (an edited file, a failed migration) is raised at once.
    """
    deadline = run.clock.monotonic() + run.settings.wait_timeout
    shown = run.chosen.location.shown
    run.work.query("SELECT 1") if run.work.exists else None
    return _until_migrated(run, deadline) if migrated else f"{shown} answers."


def _until_migrated(run: Run, deadline: float) -> str:
    told = ""
    while True:
        assessment = run.look()
        raise_first(refusals(assessment, run.settings.policies))
        pending = assessment.pending
        if not pending and not assessment.in_progress:
            note_image(run)
            shown = run.chosen.location.shown
            return f"{shown} is migrated: {len(assessment.applied)} applied, nothing pending."
        if run.clock.monotonic() >= deadline:
            names = listed(migration.key for migration in pending)
            raise PendingError(f"Still pending after {run.settings.wait_timeout:g} s: {names}.")
        awaited = (
            f"the first of {len(pending)} pending is {pending[0].key}" if pending else "the last one is running"
        )
        if awaited != told:
            run.log("pending.waited", f"Waiting until nothing is pending: {awaited}.", pending=len(pending))
            told = awaited
        run.stop.sleep(_PAUSE)
