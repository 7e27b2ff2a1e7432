"""`rollback`: undo what stands above a number, last applied first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smalls.planner import plan_backward
from smalls.source import load_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalls.planner import Undo
    from smalls.run import Run


def plan(run: Run, number: str, *, locked: bool = False) -> tuple[Undo, ...]:
    """Return what a rollback to `number` would undo. Raises what stands against it, all of it named."""
    assessment = run.look(locked=locked)
    return plan_backward(assessment, run.settings.policies, run.target(number, assessment))


def preview(run: Run, number: str) -> list[dict[str, Any]]:
    """Return the plan as plain data; runs no user code."""
    return [
        {"migration": undo.row.key, "path": undo.migration.path, "style": "direct", "previewable": False}
        for undo in plan(run, number)
    ]


def rollback(run: Run, number: str, consent: Callable[[str], None]) -> str:
    """Undo everything above `number`; return a sentence that says how it ended.

    All of it is known to be possible, and every file is loaded, before consent is asked for and anything
    is undone. Raises ConsentError, and what `plan` and `smalls.execution` raise.
    """
    planned = plan(run, number)
    if not planned:
        return f"Nothing to roll back: nothing that can be undone is above {number}."
    modules = load_all([undo.migration for undo in planned], run.stop.check)
    consent(f"Roll back {', '.join(undo.row.key for undo in planned)}?")
    with run.locked() as held:
        again = plan(run, number, locked=True)
        changed = [undo for undo in again if undo.migration.key not in modules]
        if changed:
            consent(f"The history changed meanwhile. Roll back {', '.join(u.row.key for u in again)}?")
            modules |= load_all([undo.migration for undo in changed], run.stop.check)
        run.prepare_tables()
        executor = run.executor(held)
        for undo in again:
            run.stop.check()
            executor.undo(undo.migration, modules[undo.migration.key].rollback)
            run.counts.undone += 1
            run.counts.pending = (run.counts.pending or 0) + 1
    return f"Rolled back {run.counts.undone} migration{'' if run.counts.undone == 1 else 's'}."
