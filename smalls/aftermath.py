"""After a migration failed: what can be undone is undone, what cannot is recorded, and both are told."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from smalls import journal as entries
from smalls.failures import Failure, explain
from smalls.model import Direction
from smalls.reconciling import took_effect
from smalls.statements import only_reads
from smalls.stop import CutOffError, Stopped

if TYPE_CHECKING:
    from smalls.blocking import Watch
    from smalls.errors import SmallsError
    from smalls.events import Emit
    from smalls.execution import Step
    from smalls.guard import Guard
    from smalls.history import History
    from smalls.journal import Journal
    from smalls.retrying import Retries
    from smalls.session import WorkSession
    from smalls.stop import Stop
    from smalls.tap import Tap

_BROKEN = {Direction.FORWARD: entries.FAILED, Direction.BACKWARD: entries.UNDO_FAILED}


@dataclass(frozen=True, slots=True)
class Aftermath:
    """Deals with failures on the working session.

    `fenced` is whether a session that is opened again waits until the one before it is over.
    """

    work: WorkSession
    history: History
    journal: Journal
    stop: Stop
    emit: Emit
    retries: Retries
    watch: Watch
    fenced: bool

    def of(self, step: Step, guard: Guard, tap: Tap, error: BaseException, *, begun: bool) -> SmallsError:
        """Undo what can be undone, record what cannot, and return the error that tells it."""
        with self.stop.shielded():
            if isinstance(error, Stopped) and tap.opaque and not guard.inside:
                self._cut()
            undone = guard.undo()
            failure = self._failure(step, guard, tap, error, undone=undone)
            if failure.is_lost(self.work.dialect) or self.stop.abandoned:
                failure = self._after_loss(failure, in_transaction=undone)
            told = explain(failure, self.work.dialect, self.stop)
            if (begun or not failure.clean) and not (begun and self._is_over(step, failure)):
                self._note(step, tap, told, failure)
        self.emit(
            "migration.failed",
            told.message,
            migration=step.migration.key,
            direction=step.direction.value,
            error=told.as_dict(),
            statements=tap.count,
        )
        return told

    def _failure(self, step: Step, guard: Guard, tap: Tap, error: BaseException, *, undone: bool) -> Failure:
        nothing = tap.effects == 0 and not tap.opaque and not guard.committed and not step.resumed
        return Failure(
            step.migration,
            step.direction,
            error,
            tap,
            clean=(undone or nothing) and not tap.aside,
            resumable=step.resumable,
            holder=self.watch.last,
            tries=self.retries.tries,
            committing=guard.committing,
        )

    def _cut(self) -> None:
        """End what code sent on the driver's own connection, which a stop may have left in mid-answer."""
        with contextlib.suppress(Exception):
            self.work.cancel()
            self.work.reopen()

    def _after_loss(self, failure: Failure, *, in_transaction: bool) -> Failure:
        """Connect again and read the history, which alone knows whether the last commit arrived."""
        recorded: bool | None = None
        running = failure.tap.running
        in_flight = running is not None and not only_reads(running)
        with contextlib.suppress(Exception):
            self.work.reopen()
            recorded = any(row.key == failure.migration.key for row in self.history.read().rows)
            if self.fenced and in_flight:
                in_flight = took_effect(self.work, running or "") is not False
        clean = in_transaction or (failure.clean and not in_flight)
        return replace(failure, lost=True, recorded=recorded, clean=clean)

    def _is_in_doubt(self, failure: Failure) -> bool:
        """Tell whether the last statement may have taken effect, though nothing was noted after it.

        So it may where its answer was lost or cut off, and where a stop, or a lock that was lost, came after it.
        """
        done = any(sent.outcome == "done" for sent in [*failure.tap.sent][-1:])
        cut = isinstance(failure.error, Stopped | CutOffError) or self.stop.due
        return done or cut or failure.is_lost(self.work.dialect)

    def _is_over(self, step: Step, failure: Failure) -> bool:
        """Tell whether the journal has the end of what was begun: its commit arrived, only the answer was lost.

        A server that was given up is not asked: it would not answer this either.
        """
        if not failure.lost or self.stop.abandoned:
            return False
        with contextlib.suppress(Exception):
            return not self.journal.entries(step.migration.key)
        return False

    def _note(self, step: Step, tap: Tap, told: SmallsError, failure: Failure) -> None:
        """Append the failure to the journal; where even that fails, the beginning stands there without an end."""
        event = entries.WITHDRAWN if failure.clean else _BROKEN[step.direction]
        detail: dict[str, Any] = {
            "statements": tap.report(),
            "error": told.message,
            "code": told.code,
            "resumable": step.resumable,
        }
        detail |= {"doubt": True} if self._is_in_doubt(failure) else {}
        with contextlib.suppress(Exception):
            self.work.connect()
            self.journal.ensure()
            self.journal.add(step.migration.key, event, **detail)
