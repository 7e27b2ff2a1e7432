"""`rollback`: undo what stands above a number, last applied first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smalls.autoerrors import DependentsError
from smalls.errors import UsageError
from smalls.model import Direction
from smalls.planner import Undo, plan_backward
from smalls.readying import in_one, readied, require_transaction, shown, without_resumable
from smalls.refusals import listed
from smalls.source import load_all
from smalls.specs import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from smalls.assessment import Assessment
    from smalls.lock import HeldLocks
    from smalls.migration import Migration
    from smalls.readying import Ready
    from smalls.run import Run


@dataclass(frozen=True, slots=True)
class Scope:
    """How far a rollback goes: to a number, of an app; with the applied migrations of others that depend on it."""

    number: str
    app: str = ""
    with_dependents: bool = False


def plan(run: Run, scope: Scope, *, locked: bool = False) -> tuple[Undo, ...]:
    """Return what a rollback would undo. Raises what stands against it, all of it named."""
    assessment = without_resumable(run, run.look(locked=locked), Direction.BACKWARD)
    target = run.target(scope.number, assessment, scope.app)
    if not target.app and len(run.apps.names) == 1 and not _nameless(assessment):
        target = run.target(scope.number, assessment, run.apps.names[0])
    if not target.app and run.apps:
        raise UsageError(f"Roll back which app? There are {listed(run.apps.names)}.", hint="Say --app NAME.")
    undone = plan_backward(assessment, run.settings.policies, target)
    return _with_dependents(run, assessment, undone, scope) if undone and target.app else undone


def _nameless(assessment: Assessment) -> bool:
    return any(not entry.row.revision.app for entry in assessment.applied)


def _with_dependents(run: Run, assessment: Assessment, undone: tuple[Undo, ...], scope: Scope) -> tuple[Undo, ...]:
    """Return `undone` with what other apps put on top of it; raises DependentsError where that was not said.

    What was applied before the first of `undone` cannot depend on any of them.
    """
    first = min(undo.row.id for undo in undone)
    dependents = run.apps.dependents_of(undone[0].row.revision.app)
    more: list[Undo] = []
    for app in dependents:
        above = plan_backward(assessment, run.settings.policies, run.target("zero", assessment, app))
        more += [undo for undo in above if undo.row.id > first]
    if more and not scope.with_dependents:
        keys = [undo.row.key for undo in more]
        raise DependentsError(f"Applied migrations of other apps depend on these: {listed(keys)}.", migrations=keys)
    return tuple(sorted((*undone, *more), key=lambda undo: -undo.row.id))


def preview(run: Run, scope: Scope) -> list[dict[str, Any]]:
    """Return the plan as plain data; runs no user code."""
    planned = plan(run, scope)
    known = shown(run, [undo.migration for undo in planned], Direction.BACKWARD)
    return [
        {
            "migration": undo.row.key,
            "path": undo.migration.path,
            "style": "direct",
            "previewable": False,
            **known.get(undo.row.key, {}),
        }
        for undo in planned
    ]


def rollback(run: Run, scope: Scope, consent: Callable[[str], None]) -> str:
    """Undo everything above a number; return a sentence that says how it ended.

    All of it is known to be possible, and every file is loaded, before consent is asked for and anything
    is undone. Raises ConsentError, and what `plan` and `smalls.execution` raise.
    """
    planned = plan(run, scope)
    if not planned:
        return f"Nothing to roll back: nothing that can be undone is above {scope.number}."
    files = [undo.migration for undo in planned]
    require_transaction(run, files)
    modules = load_all(files, run.stop.check)
    readied(run, files, modules, Direction.BACKWARD)
    consent(f"Roll back {', '.join(undo.row.key for undo in planned)}?")
    with run.locked() as held:
        again = plan(run, scope, locked=True)
        changed = [undo for undo in again if undo.migration.key not in modules]
        if changed:
            consent(f"The history changed meanwhile. Roll back {', '.join(u.row.key for u in again)}?")
            modules |= load_all([undo.migration for undo in changed], run.stop.check)
        ready = readied(run, [undo.migration for undo in again], modules, Direction.BACKWARD)
        run.prepare_tables()
        undo_all(run, held, [undo.migration for undo in again], ready)
    return f"Rolled back {run.counts.undone} migration{'' if run.counts.undone == 1 else 's'}."


def undo_all(run: Run, held: HeldLocks, migrations: Sequence[Migration], ready: Mapping[str, Ready]) -> None:
    """Undo migrations in the order given, while the locks are held."""
    executor = run.executor(held)
    try:
        if run.settings.transaction is Transaction.RUN:
            from smalls.together import run_together

            steps = in_one(executor, migrations, ready, Direction.BACKWARD)
            run_together(executor, steps, run.count_undone)
            return
        for migration in migrations:
            run.stop.check()
            code, how = ready[migration.key]()
            executor.undo(migration, code, **how)
            run.count_undone(migration)
    finally:
        run.count_left()
