"""Running one migration's code, forward or back, and recording it; every failure is told for what it is."""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from smalls import journal as entries
from smalls.aftermath import Aftermath
from smalls.guard import BadOutcomeError, Guard
from smalls.history import NO_FACTS
from smalls.intents import Intents
from smalls.model import Direction, Kind
from smalls.outcomes import inspect_outcome
from smalls.printed import children_on_stderr, printed
from smalls.staying import staying
from smalls.tap import Tap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smalls.blocking import Watch
    from smalls.clock import Clock
    from smalls.dialects.base import Bound
    from smalls.events import Emit
    from smalls.history import Facts, History
    from smalls.journal import Journal
    from smalls.lock import HeldLocks
    from smalls.migration import Migration
    from smalls.retrying import Retries
    from smalls.session import WorkSession
    from smalls.stop import Stop

_BEGUN = {Direction.FORWARD: entries.STARTED, Direction.BACKWARD: entries.UNDO_STARTED}


@dataclass(frozen=True, slots=True)
class Step:
    """One migration to run one way: its code, and the statements that record its success (given milliseconds).

    `wrap` is whether the code may run in one transaction. `resumed` is whether an earlier run did a part of it,
    `resumable` whether a later one may go on where this one stops. `retried` is whether all of it may be tried
    again when a lock was in its way.
    """

    migration: Migration
    direction: Direction
    code: Callable[[], Any]
    record: Callable[[int], list[Bound]]
    wrap: bool = True
    resumable: bool = False
    resumed: bool = False
    retried: bool = False


@dataclass(frozen=True, slots=True)
class Executor:
    """Runs steps on the working session, while the locks are held."""

    work: WorkSession
    history: History
    journal: Journal
    locks: HeldLocks
    stop: Stop
    emit: Emit
    clock: Clock
    retries: Retries
    watch: Watch

    @property
    def aftermath(self) -> Aftermath:
        """What deals with failures."""
        return Aftermath(
            self.work, self.history, self.journal, self.stop, self.emit, self.retries, self.watch, self.locks.fenced
        )

    def apply(self, migration: Migration, code: Callable[[], Any], **more: Any) -> None:
        """Run a migration forward and record it; `more` is as `step` has it.

        Raises MigrationFailedError (nothing took effect), MigrationPartialError (something did),
        RelationLockError, ConnectionLostError, or the error of a stop.
        """
        self._one(self.step(migration, Direction.FORWARD, code, **more))

    def undo(self, migration: Migration, code: Callable[[], Any], **more: Any) -> None:
        """Run a migration backward and take its row out. Raises as `apply` does."""
        self._one(self.step(migration, Direction.BACKWARD, code, **more))

    def step(
        self,
        migration: Migration,
        direction: Direction,
        code: Callable[[], Any],
        facts: Facts = NO_FACTS,
        **more: bool,
    ) -> Step:
        """Return a migration to run one way, and how its success is recorded; `more` is as `Step` has it.

        Forward, `facts` are recorded with it.
        """

        def add(took: int) -> list[Bound]:
            return [self.history.addition(migration, Kind.APPLIED, took, facts)]

        def remove(took: int) -> list[Bound]:
            key = migration.key
            was, by = self.history.facts_of(key), self.history.image_version
            told = self.journal.addition(key, entries.UNDONE, duration_ms=took, image_version=by, was=was)
            return [self.history.removal(key), told]

        return Step(migration, direction, code, add if direction is Direction.FORWARD else remove, **more)

    def _one(self, step: Step) -> None:
        with self.stop.graceful():
            took, statements = self._run(step)
        self.tell(step, took, statements)

    def tell(self, step: Step, took: int, statements: int) -> None:
        """Tell that a step is done: its milliseconds, and how many statements it sent."""
        key = step.migration.key
        told: dict[str, Any] = {"migration": key, "duration_ms": took, "statements": statements}
        if step.direction is Direction.FORWARD:
            self.emit("migration.applied", f"Applied {key}.", kind=Kind.APPLIED.value, **told)
        else:
            self.emit("migration.undone", f"Undid {key}.", **told)

    def commit(self, guard: Guard, name: str, *records: Bound) -> None:
        """Commit with the records, if the lock is still held. Raises LockLostError and what the database raises."""
        self.stop.check()
        try:
            with self.stop.shielded(), printed(self.emit, name):
                guard.commit(*self.locks.fencing(), *records)
        except Exception as error:
            raise self.locks.denies(error) or error from None

    # ── one step ──

    def tap(self) -> Tap:
        """Return what sees the statements of one try."""
        return Tap(
            self.stop,
            ddl_commits=not self.work.dialect.transactional_ddl,
            may_send=self.locks.before_statement,
            may_commit=self.locks.check,
        )

    def _run(self, step: Step) -> tuple[int, int]:
        """Run a step and record it; return the milliseconds its code took, and how many statements it sent."""
        self.announce(step)
        self.retries.tries = 0
        while True:
            if (done := self._attempt(step)) is not None:
                return done

    def announce(self, step: Step) -> None:
        """Tell that a step begins."""
        key = step.migration.key
        self.emit(
            "migration.started",
            f"{'Applying' if step.direction is Direction.FORWARD else 'Undoing'} {key}.",
            migration=key,
            direction=step.direction.value,
            path=step.migration.path,
        )

    def _attempt(self, step: Step) -> tuple[int, int] | None:
        """Run a step once, and record it; None if it is to be tried again, and nothing of it took effect."""
        key = step.migration.key
        wrap = self.work.dialect.transactional_ddl and step.migration.traits.transaction and step.wrap
        tap = self.tap()
        emit = partial(self.emit, migration=key)
        guard = Guard(self.work, tap, emit, key, wrap=wrap, lifts=not step.resumable)
        self.watch.over(tap, key)
        intents = Intents(self.work, self.journal, self.locks, key, step.direction)
        if not step.resumable:
            tap.note = intents.note
        try:
            intents.fence = self._fence(step, wrap=wrap)
            if step.resumable:
                self._begin(step, intents)
            took = self.call_watched(step, guard)
            intents.check()
            inspect_outcome(guard, proven=False)
            self._record(step, guard, took, begun=intents.begun)
        except BaseException as error:
            if self.may_try_again(step, guard, tap) and self.retries.wait(key, error):
                return None
            raise self.aftermath.of(step, guard, tap, error, begun=intents.begun) from None
        finally:
            if guard.lifted or not tap.plain:
                with contextlib.suppress(Exception):
                    self.work.bound_lock_waits(self.work.settings.ddl_lock_timeout)
        return took, tap.count

    def _begin(self, step: Step, intents: Intents) -> None:
        with self.stop.shielded():  # or a stop would leave a beginning that nobody ends
            self.journal.add(step.migration.key, _BEGUN[step.direction])
            intents.begun = True
        self.stop.check()

    def _fence(self, step: Step, *, wrap: bool) -> Sequence[Bound]:
        """Return what keeps code outside a transaction from changing anything once the lock is lost.

        Where there is no such statement, or none would be sent, the lock is asked for here. Raises LockLostError.
        """
        if not wrap and not step.resumable:
            return self.locks.fencing()
        if not wrap:
            self.locks.check()
        return ()

    def call_watched(self, step: Step, guard: Guard) -> int:
        """Run a step's code, watched by the guard; return the milliseconds."""
        started = self.clock.monotonic()
        with guard.watching():
            self.call(step.migration, step.code)
        return int((self.clock.monotonic() - started) * 1000)

    def call(self, migration: Migration, code: Callable[[], Any]) -> None:
        """Run a migration's code. Raises BadOutcomeError where it is of a kind whose body does not run."""
        # Relative paths, ours and those of the files to come, mean what they meant before.
        with (
            contextlib.chdir("."),
            children_on_stderr(),
            printed(self.emit, migration.key),
            self.stop.interruptible(),
            staying(),
        ):
            result = code()
        if inspect.isgenerator(result) or inspect.iscoroutine(result):
            result.close()
            raise BadOutcomeError("the function is a generator or a coroutine, so its body never ran")

    def _record(self, step: Step, guard: Guard, took: int, *, begun: bool) -> None:
        """Record a success: in the migration's own transaction where it has one, which also checks the lock.

        Without one there is nothing left to stop: what the code did stays, and the working session's own
        lock, which it has held all the time, says that nobody else did it too; only a lease has no such lock.
        """
        self.stop.check()
        with self.stop.shielded():
            if guard.inside:
                self.commit(guard, step.migration.key, *self._records(step, took, begun=begun))
                return
            self.work.connect()  # the code may have closed it
            records = self._records(step, took, begun=begun)
            if not self.locks.fenced:
                with self.work.transaction():
                    self.locks.check()
                    self.work.send(*records)
            else:
                self.work.send(("BEGIN", ()), *records, ("COMMIT", ()))

    def _records(self, step: Step, took: int, *, begun: bool) -> list[Bound]:
        records = step.record(took)
        if begun and step.direction is Direction.FORWARD:
            records.append(self.journal.addition(step.migration.key, entries.APPLIED, duration_ms=took))
        return records

    # ── failure ──

    def may_try_again(self, step: Step, guard: Guard, tap: Tap) -> bool:
        """Roll back, and tell whether it is as if nothing had been."""
        if not step.retried or guard.committed or tap.aside:
            return False
        with self.stop.shielded():
            return guard.undo()
