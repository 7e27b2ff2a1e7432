"""The locks of a run, once acquired."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from smalls.errors import LockLostError

if TYPE_CHECKING:
    from smalls.dialects.base import Bound
    from smalls.lock.base import Lock
    from smalls.lock.waiting import Waiter
    from smalls.session import WorkSession

# The server may still be ending the session before: closing is not waited for by any driver.
_RETAKE_TRIES, _RETAKE_PAUSE = 50, 0.1


class HeldLocks:
    """Both locks of a run, once acquired."""

    def __init__(self, first: Lock, work: WorkSession | None, key: str) -> None:
        self.first = first
        self._session = work
        self._work = work if work and work.dialect.has_sessions and first.has_second else None
        self._key = f"{key}:work"

    def wait_for_second(self, waiter: Waiter) -> None:
        """Take the working session's lock; an orphaned statement of a killed runner is waited for here."""
        work = self._work
        if not work:
            return
        waiter.wait(
            "working session's",
            lambda: work.dialect.try_lock(work.query, self._key),
            lambda: work.dialect.holder(work.query, self._key),
        )
        work.on_reconnect = self._retake

    def _retake(self) -> None:
        """Take it again for a reopened session; the server may still be busy ending the one before."""
        work = self._work
        for _ in range(_RETAKE_TRIES if work else 0):
            if work and work.dialect.try_lock(work.raw_query, self._key):
                return
            time.sleep(_RETAKE_PAUSE)
        if work:
            raise LockLostError("The working session was reopened, and another session has its lock.")

    @property
    def fenced(self) -> bool:
        """Whether nobody else can have begun while the working session lives: it has a lock of its own."""
        return self._work is not None

    def check(self) -> None:
        """Raise LockLostError if the first lock is gone; in the transaction that is about to be committed."""
        if self._session:
            self._session.connect()  # a migration's code may have closed it
            self.first.check(self._session.raw_query)

    def fencing(self) -> list[Bound]:
        """Return what, sent before COMMIT, fails unless the first lock is still held; asked now where it must be.

        Raises LockLostError as `check`.
        """
        self.before_statement()
        bound = self.first.fencing() if self._session else None
        if bound is None:
            self.check()
        return [bound] if bound else []

    def denies(self, error: BaseException) -> LockLostError | None:
        """Return what an error of `fencing` means, None for another error."""
        return self.first.denies(error)

    def fence(self) -> None:
        """Raise LockLostError if another run may have begun; for what is written outside such a transaction."""
        if not self.fenced:
            self.check()

    def before_statement(self) -> None:
        """Raise LockLostError if the first lock is known to be gone; asks nobody."""
        if lost := self.first.lost:
            raise LockLostError(f"The lock was lost ({lost}); the run stopped before its next statement.")

    def release(self) -> None:
        """Give both back."""
        if self._work:
            self._work.on_reconnect = None
            with contextlib.suppress(Exception):
                self._work.dialect.unlock(self._work.raw_query, self._key)
        self.first.release()
