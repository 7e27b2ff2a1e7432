"""`wait`: until the database answers, or until nothing is pending."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.errors import PendingError
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
    if not migrated:
        return f"{shown} answers."
    while True:
        assessment = run.look()
        raise_first(refusals(assessment, run.settings.policies))
        if not assessment.pending and not assessment.in_progress:
            return f"{shown} is migrated: {len(assessment.applied)} applied, nothing pending."
        if run.clock.monotonic() >= deadline:
            names = listed(migration.key for migration in assessment.pending)
            raise PendingError(f"Still pending after {run.settings.wait_timeout:g} s: {names}.")
        run.stop.sleep(_PAUSE)
