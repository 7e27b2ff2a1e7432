"""What each planned migration is run by: its own function, or, for a declarative one, its compiled steps.

What compiles is imported only where a declarative migration is to be run.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from smalls.model import Direction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from smalls.assessment import Assessment
    from smalls.migration import Migration
    from smalls.run import Run

Ready: TypeAlias = "Callable[[], tuple[Callable[[], Any], dict[str, bool]]]"
"""Returns the code to run, and how to run it; called right before, when all that is before it has been run."""

_FUNCTIONS = {Direction.FORWARD: "migrate", Direction.BACKWARD: "rollback"}


def readied(
    run: Run, planned: Sequence[Migration], modules: Mapping[str, ModuleType], direction: Direction
) -> dict[str, Ready]:
    """Return what readies each of `planned` that is loaded; declarative ones are compiled, all of them, here.

    Raises UnsupportedError, StateError and IrreversibleError before anything is run.
    """
    loaded = [migration for migration in planned if migration.key in modules]
    found: dict[str, Ready] = {
        m.key: partial(_direct, modules[m.key], _FUNCTIONS[direction]) for m in loaded if not m.traits.declarative
    }
    declarative = [migration for migration in loaded if migration.traits.declarative]
    if declarative:
        from smalls.declared import Preparer, runner

        preparer = Preparer(run)
        prepared = {m.key: preparer.prepare(m, modules[m.key], direction) for m in declarative}
        found |= {m.key: partial(runner, run, m, prepared[m.key], direction) for m in declarative}
    return found


def _direct(module: ModuleType, function: str) -> tuple[Callable[[], Any], dict[str, bool]]:
    return getattr(module, function), {}


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
        if work.direction is not direction or work.key not in files or not files[work.key].traits.declarative
    )
    return replace(assessment, unfinished=left)
