"""Several migrations in one transaction: recorded all or none, or rehearsed and rolled back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from smalls.failures import Failure, explain
from smalls.guard import Guard, Held
from smalls.model import Direction
from smalls.outcomes import inspect_outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smalls.execution import Executor, Step
    from smalls.migration import Migration
    from smalls.tap import Tap


def run_together(executor: Executor, steps: Sequence[Step], count: Callable[[Migration], None]) -> None:
    """Run steps in one transaction, and record them in it: all or none. Raises as `Executor.apply` does.

    `count` is called for each that was recorded for good.
    """
    executor.retries.tries = 0
    with executor.stop.graceful():
        while (done := _attempt(executor, steps, count)) is None:
            pass
    for each in done:
        executor.tell(*each)
        count(each[0].migration)


def _attempt(
    executor: Executor, steps: Sequence[Step], count: Callable[[Migration], None]
) -> list[tuple[Step, int, int]] | None:
    """Run all steps once; None if they are to be tried again, and nothing of them took effect."""
    tap = executor.tap()
    guard = Guard(executor.work, tap, executor.emit, "run", wrap=True, holds=Held.RUN)
    current = steps[0]
    done: list[tuple[Step, int, int]] = []
    try:
        for current in steps:
            done.append((current, *_next(executor, current, guard, tap)))
        executor.commit(guard, "run")
    except BaseException as error:
        whole = replace(current, retried=all(step.retried for step in steps))
        if executor.may_try_again(whole, guard, tap) and executor.retries.wait(current.migration.key, error):
            return None
        told = executor.aftermath.of(current, guard, tap, error, begun=False)
        told.message += _rest(executor, done, count)
        raise told from None
    return done


def _rest(executor: Executor, done: Sequence[tuple[Step, int, int]], count: Callable[[Migration], None]) -> str:
    """Say what became of those before a failure: the history knows whether the code ended the transaction."""
    if not done:
        return ""
    try:
        recorded = {row.key for row in executor.history.read().rows}
    except Exception:
        return " Whether those before it in the run's transaction are recorded could not be read."
    kept = [
        each for each in done if (each[0].migration.key in recorded) == (each[0].direction is Direction.FORWARD)
    ]
    for each in kept:
        executor.tell(*each)
        count(each[0].migration)
    if kept:
        return f" Its code committed those before it too: {len(kept)} are recorded."
    return f" Those before it in the run's transaction ({len(done)}) were rolled back with it."


def _next(executor: Executor, step: Step, guard: Guard, tap: Tap) -> tuple[int, int]:
    """Run a step in the transaction of all, and record it there at once, for whoever may commit it."""
    executor.announce(step)
    executor.watch.over(tap, step.migration.key)
    before = tap.count
    took = executor.call_watched(step, guard)
    inspect_outcome(guard)
    with executor.stop.shielded():
        executor.work.send(*step.record(took))
    executor.stop.check()
    return took, tap.count - before


def rehearse(executor: Executor, steps: Sequence[tuple[Migration, Callable[[], Any]]]) -> None:
    """Run migrations forward in one transaction and roll it back, whatever happens."""
    tap = executor.tap()
    guard = Guard(executor.work, tap, executor.emit, "rehearsal", wrap=True, holds=Held.REHEARSAL)
    migration = None
    try:
        with guard.watching():
            for migration, code in steps:
                executor.call(migration, code)
                inspect_outcome(guard)
                executor.emit(
                    "migration.planned",
                    f"{migration.key} ran through.",
                    migration=migration.key,
                    direction=Direction.FORWARD.value,
                )
    except BaseException as error:
        clean = guard.undo() and not tap.aside
        if migration is None:
            raise
        failure = Failure(migration, Direction.FORWARD, error, tap, clean=clean)
        raise explain(failure, executor.work.dialect, executor.stop) from None
    guard.undo()
