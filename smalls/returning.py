"""`undo` and `magic`: bring the database back to what an older image knows; exactly what a digest approves."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from smalls import journal as entries
from smalls.declared import runner
from smalls.errors import ConfigError, ConsentError, PlanChangedError
from smalls.migrating import migrate
from smalls.model import Direction
from smalls.readying import readied, require_transaction
from smalls.refusals import listed
from smalls.source import load_all
from smalls.undoing import undo_all
from smalls.undoplan import Aim, beyond_image, digest_of, plan_undo

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from smalls.lock import HeldLocks
    from smalls.run import Run
    from smalls.undoplan import UndoPlan

NOTHING = "Nothing to undo: the database has nothing above what was asked for."


def undo(run: Run, aim: Aim, digest: str, show: Callable[[UndoPlan], None]) -> str:
    """Undo exactly the plan that `digest` approves; return a sentence that says how it ended.

    All of it is known to be possible before anything is undone. What a killed run left of an approved plan needs
    no new digest. Without one, or with that of another plan, the plan is shown and nothing is changed. Raises
    ConsentError, PlanChangedError, UndoImpossibleError, and what `plan_undo` and `smalls.execution` raise.
    """
    plan = plan_undo(run, aim)
    if not plan.items and not plan.impossible:
        return NOTHING
    modules = _approved(run, plan, digest, show)
    with run.locked() as held:
        plan = plan_undo(run, aim, locked=True)
        if plan.items or plan.impossible:
            modules |= _approved(run, plan, digest, show, modules)
            _execute(run, held, plan, digest, modules)
    return f"Undid {run.counts.undone} migration{'' if run.counts.undone == 1 else 's'}."


def _approved(
    run: Run,
    plan: UndoPlan,
    digest: str,
    show: Callable[[UndoPlan], None],
    loaded: dict[str, ModuleType] | None = None,
) -> dict[str, ModuleType]:
    """Load the plan's files where the digest approves it; else show it, and raise what is missing."""
    error = _objection(run, plan, digest)
    if error or not plan.possible:
        show(plan)
    plan.require_possible()
    if error:
        raise error
    files = [item.migration for item in plan.items if item.prepared is None]
    require_transaction(run, [item.migration for item in plan.items])
    return load_all([migration for migration in files if migration.key not in (loaded or {})], run.stop.check)


def _objection(run: Run, plan: UndoPlan, digest: str) -> ConsentError | None:
    if not digest:
        return ConsentError(
            f"Undo {listed(item.row.key for item in plan.items)}? Only its digest approves a plan.",
            hint=f"Read the plan, then run the same command with --plan-digest {plan.digest}.",
        )
    if digest == plan.digest or _is_rest(run, plan, digest):
        return None
    return PlanChangedError(
        f"The digest {digest} approves another plan; that of what would be undone now is {plan.digest}."
    )


def _is_rest(run: Run, plan: UndoPlan, digest: str) -> bool:
    """Tell whether the plan is what is left of one that the digest approved and a run began.

    The journal need not be trusted: what it says of a plan has to add up to the digest.
    """
    for told in run.journal.told(entries.UNDO_APPROVED):
        marks = told.get("marks")
        if isinstance(marks, list) and digest_of(plan.place, marks) == digest:
            return bool(plan.marks) and marks[-len(plan.marks) :] == plan.marks
    return False


def _execute(run: Run, held: HeldLocks, plan: UndoPlan, digest: str, modules: dict[str, ModuleType]) -> None:
    files = [item.migration for item in plan.items if item.prepared is None]
    ready = readied(run, files, modules, Direction.BACKWARD)
    ready |= {
        item.row.key: partial(runner, run, item.migration, item.prepared, Direction.BACKWARD)
        for item in plan.items
        if item.prepared
    }
    run.prepare_tables()
    if digest == plan.digest:
        run.journal.add("", entries.UNDO_APPROVED, digest=digest, marks=plan.marks)
    undo_all(run, held, [item.migration for item in plan.items], ready)


def magic(run: Run, digest: str, show: Callable[[UndoPlan], None]) -> str:
    """Bring the database to this image's version: forward by itself, back as `undo` does; return how it ended.

    Raises ConfigError where there are migrations that this image does not know, and it has no version to tell
    whether they are of a newer one; and what `undo` and `migrate` raise.
    """
    assessment = run.look()
    unknown = beyond_image(run, assessment)
    if unknown and run.settings.image_version is None:
        raise ConfigError(
            f"There are no files here for {listed(row.key for row in unknown)}; only a version can tell whether a "
            "newer image applied them, or this one lost them.",
            hint="Set SMALLS_VERSION to this image's version (an integer or such as 1.4.0).",
            setting="SMALLS_VERSION",
        )
    back = ""
    if any(row in assessment.newer for row in unknown):
        back = undo(run, Aim(), digest, show) + " "
    return back + migrate(run, None)
