"""What each planned migration is run by: its own function, or, for a declarative one, its compiled steps.

What compiles is imported only where a declarative migration is to be run.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from smalls.errors import ConfigError
from smalls.model import Direction
from smalls.refusals import listed, refuse_same_names
from smalls.specs import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from smalls.assessment import Assessment
    from smalls.execution import Executor, Step
    from smalls.migration import Migration
    from smalls.run import Run

Ready: TypeAlias = "Callable[[], tuple[Callable[[], Any], dict[str, Any]]]"
"""Returns the code to run, and how to run it; called right before, when all that is before it has been run."""

_FUNCTIONS = {Direction.FORWARD: "migrate", Direction.BACKWARD: "rollback"}


def readied(
    run: Run, planned: Sequence[Migration], modules: Mapping[str, ModuleType], direction: Direction
) -> dict[str, Ready]:
    """Return what readies each of `planned` that is loaded; declarative ones are compiled, all of them, here.

    Raises UnsupportedError, StateError, PhaseOrderError and IrreversibleError before anything is run.
    """
    loaded = [migration for migration in planned if migration.key in modules]
    found: dict[str, Ready] = {
        m.key: partial(_direct, modules[m.key], _FUNCTIONS[direction]) for m in loaded if not m.traits.declarative
    }
    declarative = [migration for migration in loaded if migration.traits.declarative]
    if declarative or run.seen.held:
        from smalls.declared import Preparer, runner

        preparer = Preparer(run, planned, direction)
        for migration in planned:
            preparer.promises(migration)  # also of direct ones that say what they do to the state
        prepared = {m.key: preparer.prepare(m, modules[m.key], direction) for m in declarative}
        found |= {m.key: partial(runner, run, m, prepared[m.key], direction) for m in declarative}
    return found


def _direct(module: ModuleType, function: str) -> tuple[Callable[[], Any], dict[str, Any]]:
    return getattr(module, function), {}


def require_names(run: Run, planned: Sequence[Migration], assessment: Assessment) -> None:
    """Raise NameClashError where the history could not hold one of the names beside another."""
    if run.chosen.dialect.folds_names:
        refuse_same_names(planned, (entry.row.revision for entry in assessment.applied))


def require_transaction(run: Run, planned: Sequence[Migration]) -> None:
    """Raise ConfigError where one transaction is to hold all, and engine or file cannot be held."""
    if run.settings.transaction is not Transaction.RUN:
        return
    if not run.chosen.dialect.transactional_ddl:
        raise ConfigError(
            "SMALLS_TRANSACTION is run, and MySQL and MariaDB commit every schema change at once.",
            hint="Leave SMALLS_TRANSACTION at migration for this database.",
            setting="SMALLS_TRANSACTION",
        )
    _refuse([migration.key for migration in planned if not migration.traits.transaction])


def _refuse(outside: Sequence[str]) -> None:
    if outside:
        raise ConfigError(
            f"SMALLS_TRANSACTION is run, and no transaction can hold these: {listed(outside)}.",
            hint=(
                "They say `transaction = False`, or have steps that refuse a transaction. Run them with "
                "SMALLS_TRANSACTION=migration first."
            ),
            setting="SMALLS_TRANSACTION",
        )


def in_one(
    executor: Executor, planned: Sequence[Migration], ready: Mapping[str, Ready], direction: Direction
) -> list[Step]:
    """Return the steps of `planned` for one transaction. Raises ConfigError, naming those that it cannot hold."""
    found = [(migration, *ready[migration.key]()) for migration in planned]
    _refuse([migration.key for migration, _, how in found if not how.get("wrap", True)])
    return [executor.step(migration, direction, code, **how) for migration, code, how in found]


def shown(run: Run, planned: Sequence[Migration], direction: Direction) -> dict[str, dict[str, Any]]:
    """Return what each declarative one among `planned` would do, as plain data by key; runs no user code."""
    if not any(migration.traits.declarative for migration in planned):
        return {}
    from smalls.declared import preview

    return preview(run, planned, direction)


def without_resumable(run: Run, assessment: Assessment, direction: Direction) -> Assessment:
    """Return the assessment without unfinished work that running it again, that way, goes on with."""
    if not assessment.unfinished:
        return assessment
    files = {migration.key: migration for migration in run.files}
    left = tuple(
        work
        for work in assessment.unfinished
        if work.direction is not direction
        or not work.resumable
        or work.key not in files
        or not files[work.key].traits.declarative
    )
    return replace(assessment, unfinished=left)
