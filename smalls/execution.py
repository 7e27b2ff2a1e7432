"""Running one migration's code, forward or back, and recording it; every failure is told for what it is."""

from __future__ import annotations

import contextlib
import inspect
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smalls import journal as entries
from smalls.failures import BadOutcomeError, Failure, explain
from smalls.guard import Guard, RolledBackError
from smalls.model import Direction, Kind
from smalls.printed import children_on_stderr, printed
from smalls.statements import only_reads
from smalls.stop import Stopped
from smalls.tap import Tap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smalls.clock import Clock
    from smalls.dialects.base import Violation
    from smalls.errors import SmallsError
    from smalls.events import Emit
    from smalls.history import History
    from smalls.journal import Journal
    from smalls.lock import HeldLocks
    from smalls.migration import Migration
    from smalls.session import WorkSession
    from smalls.stop import Stop

_BEGUN = {Direction.FORWARD: entries.STARTED, Direction.BACKWARD: entries.UNDO_STARTED}
_BROKEN = {Direction.FORWARD: entries.FAILED, Direction.BACKWARD: entries.UNDO_FAILED}
_SHOWN_VIOLATIONS = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One migration to run one way: its code, and how its success is recorded (given milliseconds).

    `wrap` is whether the code may run in one transaction. `resumed` is whether an earlier run did a part of it,
    `resumable` whether a later one may go on where this one stops.
    """

    migration: Migration
    direction: Direction
    code: Callable[[], Any]
    record: Callable[[int], None]
    wrap: bool = True
    resumable: bool = False
    resumed: bool = False


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

    def apply(self, migration: Migration, code: Callable[[], Any], **more: bool) -> None:
        """Run a migration forward and record it; `more` is as `Step` has it.

        Raises MigrationFailedError (nothing took effect), MigrationPartialError (something did),
        RelationLockError, ConnectionLostError, or the error of a stop.
        """
        step = Step(
            migration, Direction.FORWARD, code, lambda took: self.history.add(migration, Kind.APPLIED, took), **more
        )
        took = self._run(step)
        self.emit(
            "migration.applied",
            f"Applied {migration.key}.",
            migration=migration.key,
            duration_ms=took,
            kind=Kind.APPLIED.value,
        )

    def undo(self, migration: Migration, code: Callable[[], Any], **more: bool) -> None:
        """Run a migration backward and take its row out. Raises as `apply` does."""

        def record(took: int) -> None:
            self.history.remove(migration.key)
            self.journal.add(migration.key, entries.UNDONE, duration_ms=took)

        took = self._run(Step(migration, Direction.BACKWARD, code, record, **more))
        self.emit("migration.undone", f"Undid {migration.key}.", migration=migration.key, duration_ms=took)

    def rehearse(self, steps: Sequence[tuple[Migration, Callable[[], Any]]]) -> None:
        """Run migrations forward in one transaction and roll it back, whatever happens."""
        tap = self._tap()
        guard = Guard(self.work, tap, self.emit, "rehearsal", wrap=True, may_leave=False)
        migration = None
        try:
            with guard.watching():
                for migration, code in steps:
                    self._call(migration, code)
                    self._inspect(guard)
                    self.emit(
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
            raise explain(failure, self.work.dialect, self.stop) from None
        guard.undo()

    # ── one step ──

    def _tap(self) -> Tap:
        return Tap(self.stop, ddl_commits=not self.work.dialect.transactional_ddl)

    def _run(self, step: Step) -> int:
        """Run a step and record it; return the milliseconds its code took."""
        key = step.migration.key
        self.emit(
            "migration.started",
            f"{'Applying' if step.direction is Direction.FORWARD else 'Undoing'} {key}.",
            migration=key,
            direction=step.direction.value,
            path=step.migration.path,
        )
        wrap = self.work.dialect.transactional_ddl and step.migration.traits.transaction and step.wrap
        tap = self._tap()
        emit = partial(self.emit, migration=key)
        guard = Guard(self.work, tap, emit, key, wrap=wrap, lifts=not step.resumable)
        begun = False
        try:
            if not wrap:
                self.locks.check()
                with self.stop.shielded():  # or a stop would leave a beginning that nobody ends
                    self.journal.add(key, _BEGUN[step.direction])
                    begun = True
                self.stop.check()
            started = self.clock.monotonic()
            with guard.watching():
                self._call(step.migration, step.code)
            took = int((self.clock.monotonic() - started) * 1000)
            self._inspect(guard)
            self._record(step, guard, took, begun=begun)
        except BaseException as error:
            raise self._failed(step, guard, tap, error, begun=begun) from None
        finally:
            with contextlib.suppress(Exception):
                self.work.bound_lock_waits(self.work.settings.ddl_lock_timeout)
        return took

    def _call(self, migration: Migration, code: Callable[[], Any]) -> None:
        # Relative paths, ours and those of the files to come, mean what they meant before.
        with (
            contextlib.chdir(Path.cwd()),
            children_on_stderr(),
            printed(self.emit, migration.key),
            self.stop.interruptible(),
        ):
            result = code()
        if inspect.isgenerator(result) or inspect.iscoroutine(result):
            result.close()
            raise BadOutcomeError("the function is a generator or a coroutine, so its body never ran")

    def _inspect(self, guard: Guard) -> None:
        """Refuse an outcome that must not be recorded."""
        if guard.rolled_back:
            raise RolledBackError(guard.rolled_back)
        if guard.given_up():
            raise BadOutcomeError("the code went on after an error, at which the server gave the transaction up")
        if guard.inside and not guard.still_ours():
            raise BadOutcomeError("the code ended smalls' transaction past Peewee, so what it did is not known")
        if guard.left_open():
            raise BadOutcomeError("the code left a transaction of its own open")
        if guard.inside and (broken := self._new_violations(guard.broken_before)):
            shown = "; ".join(str(violation) for violation in broken[:_SHOWN_VIOLATIONS])
            more = f" and {len(broken) - _SHOWN_VIOLATIONS} more" if len(broken) > _SHOWN_VIOLATIONS else ""
            raise BadOutcomeError(f"foreign keys are broken: {shown}{more}")

    def _new_violations(self, before: Sequence[Violation]) -> list[Violation]:
        """Return what is broken between two tables between which more is broken than before.

        Counted, since a table's rebuild may number its rows anew.
        """
        found = self.work.dialect.violations(self.work.raw_query)
        more = Counter((each.table, each.parent) for each in found)
        more.subtract(Counter((each.table, each.parent) for each in before))
        fresh = [each for each in found if each not in before]
        return [each for each in fresh if more[each.table, each.parent] > 0]

    def _record(self, step: Step, guard: Guard, took: int, *, begun: bool) -> None:
        """Record a success: in the migration's own transaction where it has one.

        Without one there is nothing left to stop: what the code did stays, and the working session's own
        lock, which it has held all the time, says that nobody else did it too.
        """
        if guard.inside or not self.locks.fenced:
            self.locks.check()
        self.stop.check()
        with self.stop.shielded():
            if guard.inside:
                step.record(took)
                with printed(self.emit, step.migration.key):
                    guard.commit()
                return
            self.work.connect()  # the code may have closed it
            self.work.query("BEGIN")
            step.record(took)
            if begun and step.direction is Direction.FORWARD:
                self.journal.add(step.migration.key, entries.APPLIED, duration_ms=took)
            self.work.query("COMMIT")

    # ── failure ──

    def _failed(self, step: Step, guard: Guard, tap: Tap, error: BaseException, *, begun: bool) -> SmallsError:
        """Undo what can be undone, record what cannot, and return the error that tells it."""
        with self.stop.shielded():
            if isinstance(error, Stopped) and tap.opaque and not guard.inside:
                self._cut()
            undone = guard.undo()
            nothing = tap.effects == 0 and not tap.opaque and not guard.committed and not step.resumed
            clean = (undone or nothing) and not tap.aside
            failure = Failure(step.migration, step.direction, error, tap, clean=clean, resumable=step.resumable)
            if failure.is_lost(self.work.dialect):
                failure = self._after_loss(failure, in_transaction=undone)
            told = explain(failure, self.work.dialect, self.stop)
            if begun or not failure.clean:
                self._note(step, tap, told, clean=failure.clean)
        self.emit(
            "migration.failed",
            told.message,
            migration=step.migration.key,
            direction=step.direction.value,
            error=told.as_dict(),
        )
        return told

    def _cut(self) -> None:
        """End what code sent on the driver's own connection, which a stop may have left in mid-answer."""
        with contextlib.suppress(Exception):
            self.work.cancel()
            self.work.reopen()

    def _after_loss(self, failure: Failure, *, in_transaction: bool) -> Failure:
        """Connect again and read the history, which alone knows whether the last commit arrived."""
        recorded: bool | None = None
        with contextlib.suppress(Exception):
            self.work.reopen()
            recorded = any(row.key == failure.migration.key for row in self.history.read().rows)
        in_flight = failure.tap.running is not None and not only_reads(failure.tap.running)
        return replace(failure, recorded=recorded, clean=in_transaction or (failure.clean and not in_flight))

    def _note(self, step: Step, tap: Tap, told: SmallsError, *, clean: bool) -> None:
        """Append the failure to the journal; where even that fails, the beginning stands there without an end."""
        event = entries.WITHDRAWN if clean else _BROKEN[step.direction]
        detail: dict[str, Any] = {"statements": tap.report(), "error": told.message, "code": told.code}
        with contextlib.suppress(Exception):
            self.work.connect()
            self.journal.ensure()
            self.journal.add(step.migration.key, event, **detail)
