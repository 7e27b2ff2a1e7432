"""The locks of a run, once acquired."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from smalls.errors import LockLostError

if TYPE_CHECKING:
    from smalls.lock.base import Lock
    from smalls.lock.waiting import Waiter
    from smalls.session import WorkSession

# The server may still be ending the session before: closing is not waited for by any driver.
_RETAKE_TRIES, _RETAKE_PAUSE = 50, 0.1


class HeldLocks:
    """Both locks of a run, once acquired."""

    def __init__(self, first: Lock, work: WorkSession | None, key: str) -> None:
        self.first = first
        self._work = work if work and work.dialect.has_sessions and first.has_second else None
        self._query = work.query if work else None
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
        if self._query:
            self.first.check(self._query)

    def release(self) -> None:
        """Give both back."""
        if self._work:
            self._work.on_reconnect = None
            with contextlib.suppress(Exception):
                self._work.dialect.unlock(self._work.raw_query, self._key)
        self.first.release()
