"""`migrate`: apply what is pending, or show or rehearse it, or record it without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smalls import journal as entries
from smalls.errors import UsageError
from smalls.images import note_image, refuse_while_older
from smalls.model import Direction, Edited, Kind, OutOfOrder, Phase
from smalls.planner import of_phase, plan_forward
from smalls.readying import in_one, readied, require_names, require_transaction, shown, without_resumable
from smalls.refusals import listed
from smalls.source import load_all
from smalls.specs import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from smalls.assessment import Assessment
    from smalls.lock import HeldLocks
    from smalls.migration import Migration
    from smalls.readying import Ready
    from smalls.run import Run


def migrate(run: Run, target: str | None, app: str = "", phase: Phase = Phase.EXPAND) -> str:
    """Apply the migrations of a phase up to `target`; return a sentence that says how it ended.

    With `app`, its own and those of the apps that it needs. What is held is told, and stays.
    Nothing pending takes no lock and writes nothing. Every file that would run is loaded before the first
    one runs. At the end the schema is verified, where SMALLS_VERIFY asks for it. Raises whatever stands against
    it; see `smalls.refusals` and `smalls.execution`.
    """
    assessment = run.look()
    warn_of_differences(run, assessment)
    planned = _plan(run, assessment, target, app, phase)
    tell_held(run, assessment, phase)
    note_image(run)
    _hold_for_older(run, planned)
    require_transaction(run, planned)
    require_names(run, planned, assessment)
    if not planned and not assessment.in_progress:
        _hold_to_promises(run, locked=False)
        return _nothing(assessment, target)
    modules = load_all(planned, run.stop.check)
    with run.locked() as held:
        return _migrate_locked(run, held, modules, target, app, phase=phase)


def _migrate_locked(
    run: Run, held: HeldLocks, modules: dict[str, ModuleType], target: str | None, app: str, *, phase: Phase
) -> str:
    """Plan anew, since another run may have been at it meanwhile, and apply; `modules` are loaded already."""
    assessment = run.look(locked=True)
    planned = _plan(run, assessment, target, app, phase)
    if not planned:
        _hold_to_promises(run)
        return _nothing(assessment, target)
    _hold_for_older(run, planned)
    require_names(run, planned, assessment)
    missing = [migration for migration in planned if migration.key not in modules]
    modules |= load_all(missing, run.stop.check)
    ready = readied(run, planned, modules, Direction.FORWARD)
    run.prepare_tables()
    _apply(run, held, planned, ready)
    _hold_to_promises(run)
    rest = f"{run.counts.pending} pending" if run.counts.pending else "the database is up to date"
    return f"Applied {_count(planned)}; {rest}{_and_held(run.counts.held)}."


def _hold_for_older(run: Run, planned: Sequence[Migration]) -> None:
    """Raise OldImageError where held migrations are to be run and older images may still be about."""
    held = {migration.key for migration in run.seen.held}
    if any(migration.key in held for migration in planned):
        refuse_while_older(run)


def _hold_to_promises(run: Run, *, locked: bool = True) -> None:
    """Verify the schema at the end, where SMALLS_VERIFY asks for it. Raises DriftError (11)."""
    if run.settings.verify:
        from smalls.verifying import raise_for, verify

        raise_for(verify(run, locked=locked))


def _plan(
    run: Run, assessment: Assessment, target: str | None, app: str = "", phase: Phase = Phase.EXPAND
) -> tuple[Migration, ...]:
    assessment = without_resumable(run, assessment, Direction.FORWARD)
    if target and not app and len(run.apps.names) == 1 and all(m.revision.app for m in run.files):
        app = run.apps.names[0]  # no other one can be meant
    if app or (target and run.apps):
        return _plan_app(run, assessment, target, app, phase)
    wanted = run.target(target, assessment) if target else None
    return plan_forward(assessment, run.settings.policies, wanted, phase)


def _plan_app(
    run: Run, assessment: Assessment, target: str | None, app: str, phase: Phase
) -> tuple[Migration, ...]:
    """Return what waits of an app, up to `target`, after all that waits of the apps that it needs."""
    wanted = run.target(target, assessment, app) if target else None
    name = wanted.app if wanted else app
    if not name:
        raise UsageError(f"{target!r} is a number of which app?", hint="Say --app NAME.")
    needed = run.apps.needed_by(run.apps.get(name).app_name)
    up_to = plan_forward(assessment, run.settings.policies, wanted, phase)
    return tuple(
        m
        for m in of_phase(assessment, phase)
        if m.revision.app in needed and (m.revision.app != name or m in up_to)
    )


def _nothing(assessment: Assessment, target: str | None) -> str:
    waiting = len(assessment.pending)
    rest = f"{waiting} pending, none of it up to {target}" if target and waiting else "nothing pending"
    return f"Nothing to do: {_count(assessment.applied)} applied, {rest}{_and_held(len(assessment.held))}."


def _and_held(held: int | None) -> str:
    return f", {held} held" if held else ""


def _count(things: Sequence[Any]) -> str:
    return f"{len(things)} migration{'' if len(things) == 1 else 's'}"


def _apply(run: Run, held: HeldLocks, planned: Sequence[Migration], ready: dict[str, Ready]) -> None:
    executor = run.executor(held)
    if run.log.console:
        run.log.console.progress(len(planned))
    if run.settings.transaction is Transaction.RUN:
        from smalls.together import run_together

        run_together(executor, in_one(executor, planned, ready, Direction.FORWARD), run.count_applied)
        return
    for migration in planned:
        run.stop.check()
        code, how = ready[migration.key]()
        executor.apply(migration, code, **how)
        run.count_applied(migration)


def warn_of_differences(run: Run, assessment: Assessment) -> None:
    """Log what the policies let pass: edited files, late arrivals, equal numbers, newer rows."""
    policies = run.settings.policies
    tell = _teller(run)
    if policies.edited is Edited.WARN:
        tell("Changed after they were applied", [entry.row.key for entry in assessment.edited])
    if policies.out_of_order is OutOfOrder.IGNORE:
        tell("Ignored, being numbered below applied ones", [m.key for m in assessment.out_of_order])
    for group in assessment.equal_numbers:
        tell("Of equal number, run in the order of their names", [m.key for m in group])
    compatible = [row.key for row in assessment.newer if row not in assessment.incompatible]
    tell("Applied by a newer image, which this one can live with", compatible)


def tell_held(run: Run, assessment: Assessment, phase: Phase) -> None:
    """Log which contract migrations a plain run leaves for later."""
    keys = [migration.key for migration in assessment.held]
    if keys and phase is Phase.EXPAND:
        message = (
            f"Held until the rollout is over: {len(keys)} contract ({listed(keys)}). "
            "Then: `smalls migrate --phase contract`."
        )
        run.log("migration.held", message, migrations=keys)


def _teller(run: Run) -> Callable[[str, list[str]], None]:
    def tell(what: str, keys: list[str]) -> None:
        if keys:
            run.log("history.warned", f"{what}: {listed(keys)}.", migrations=keys)

    return tell


# ── without running ─────────────────────────────────────────────────────────────────────────────────────


def preview(run: Run, target: str | None, app: str = "", phase: Phase = Phase.EXPAND) -> list[dict[str, Any]]:
    """Return what `migrate` would run; runs no user code and takes no lock."""
    assessment = run.look()
    planned = _plan(run, assessment, target, app, phase)
    tell_held(run, assessment, phase)
    known = shown(run, planned, Direction.FORWARD)
    return [
        {
            "migration": migration.key,
            "path": migration.path,
            "style": "direct",
            "previewable": False,
            "transaction": migration.traits.transaction and run.chosen.dialect.transactional_ddl,
            "reversible": migration.traits.can_be_undone,
            **known.get(migration.key, {}),
        }
        for migration in planned
    ]


def rehearse(run: Run, target: str | None, app: str = "", phase: Phase = Phase.EXPAND) -> list[dict[str, Any]]:
    """Run the pending migrations in one transaction that is rolled back; return what was run.

    Raises UsageError where the engine cannot roll DDL back, or a file asks for no transaction.
    """
    from smalls import together

    if not run.chosen.dialect.transactional_ddl:
        raise UsageError(
            "--plan=execute needs an engine that can roll DDL back; MySQL and MariaDB commit it at once.",
            hint="Use --plan, or rehearse on a copy of the database.",
        )
    planned = _plan(run, run.look(), target, app, phase)
    outside = [migration.key for migration in planned if not migration.traits.transaction]
    if outside:
        raise UsageError(f"These say `transaction = False` and cannot be rolled back: {listed(outside)}.")
    modules = load_all(planned, run.stop.check)
    with run.locked() as held:
        planned = _plan(run, run.look(locked=True), target, app, phase)
        ready = readied(run, planned, modules, Direction.FORWARD)
        steps = [(m, ready[m.key]()) for m in planned if m.key in ready]
        outside = [m.key for m, (_, how) in steps if not how.get("wrap", True)]
        if outside:
            raise UsageError(f"These have steps that no transaction can hold: {listed(outside)}.")
        together.rehearse(run.executor(held), [(m, code) for m, (code, _) in steps])
    styles = {True: "declarative", False: "direct"}
    return [
        {"migration": m.key, "path": m.path, "style": styles[m.traits.declarative], "executed": "rolled back"}
        for m in planned
    ]


def fake(run: Run, target: str | None, app: str = "", phase: Phase = Phase.EXPAND) -> str:
    """Record the pending migrations as applied without running them."""
    planned = _plan(run, run.look(), target, app, phase)
    if not planned:
        return "Nothing to do: nothing pending."
    with run.locked() as held:
        planned = _plan(run, run.look(locked=True), target, app, phase)
        record_unrun(run, held, planned, Kind.FAKED)
    return f"Recorded {_count(planned)} as applied without running them."


def record_unrun(run: Run, held: HeldLocks, migrations: Sequence[Migration], kind: Kind) -> None:
    """Record migrations that were not run, all or none, in the history and in the journal.

    Raises LockLostError, and nothing is recorded, where the lock was lost meanwhile.
    """
    run.prepare_tables()
    event = entries.FAKED if kind is Kind.FAKED else entries.BASELINED
    with run.work.transaction():
        held.check()
        for migration in migrations:
            run.history.add(migration, kind, None)
            run.journal.add(migration.key, event)
    for migration in migrations:
        run.log(
            "migration.applied",
            f"Recorded {migration.key} as {kind.value}.",
            migration=migration.key,
            kind=kind.value,
        )
        run.count_applied(migration)
