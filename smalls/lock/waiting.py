"""Waiting for a lock: polling up to a bound, telling who holds it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from smalls.dialects.base import message_of
from smalls.errors import ConnectionLostError, LockTimeoutError, SmallsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalls.clock import Clock
    from smalls.dialects.base import Holder
    from smalls.events import Emit
    from smalls.lock.base import Lock
    from smalls.stop import Stop

_FIRST_PAUSE, _LONGEST_PAUSE = 0.025, 1.0
_REMIND_EVERY = 30.0


class Waiter:
    """Polls for a lock with back-off and jitter up to a bound, and logs who holds it meanwhile."""

    def __init__(self, emit: Emit, clock: Clock, stop: Stop, timeout: float) -> None:
        self._emit = emit
        self._clock = clock
        self._stop = stop
        self._timeout = timeout
        self._started = clock.monotonic()

    @property
    def waited_ms(self) -> int:
        """Milliseconds since the waiter was made."""
        return int((self._clock.monotonic() - self._started) * 1000)

    def check(self) -> None:
        """Raise Stopped if the run is to stop, which may be why the wait failed."""
        self._stop.check()

    def wait(self, name: str, attempt: Callable[[], bool], holder: Callable[[], Holder | None]) -> None:
        """Return once `attempt` succeeds. Raises LockTimeoutError, naming the holder, at the bound.

        All waits of one waiter share its bound.
        """
        pause, told, told_at = _FIRST_PAUSE, "", self._started
        deadline = self._started + self._timeout
        while not attempt():
            now = self._clock.monotonic()
            current = holder()
            if current and (current.session != told or now - told_at >= _REMIND_EVERY):
                self._tell(name, current)
                told, told_at = current.session, now
            if now >= deadline:
                raise self._timed_out(name, current)
            self._stop.sleep(min(pause * random.uniform(0.5, 1.0), max(0.0, deadline - now)))  # noqa: S311 -- jitter
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _tell(self, name: str, holder: Holder) -> None:
        self._emit(
            "lock.waiting",
            f"Waiting for the {name} lock: {holder} holds it.",
            lock=name,
            holder=holder.as_dict(),
            waited_ms=self.waited_ms,
        )

    def _timed_out(self, name: str, holder: Holder | None) -> LockTimeoutError:
        who = str(holder) if holder else "a session that the server does not name"
        return LockTimeoutError(
            f"The {name} lock was not free within {self._timeout:g} s: {who} holds it.",
            holder=holder.as_dict() if holder else None,
        )


def acquire(first: Lock, waiter: Waiter, emit: Emit, *, token: str | None) -> Lock:
    """Take the first lock, or the parent's where `token` proves that a parent run has it.

    Raises LockTimeoutError at the bound, and ConnectionLostError where the server goes away meanwhile.
    """
    try:
        # Tried first, also with a token: the parent may be dead, and what it left behind proves nothing.
        if not first.try_acquire():
            if token and (inherited := first.inherit(token)):
                emit("lock.inherited", "The parent run holds the lock for this one.", lock=first.name)
                return inherited
            waiter.wait("run", first.try_acquire, first.holder)
    except BaseException as error:
        first.release()
        if isinstance(error, SmallsError) or not isinstance(error, Exception):
            raise
        waiter.check()
        why = message_of(error).rstrip(".")
        raise ConnectionLostError(f"The server went away while we waited for the lock: {why}.") from None
    emit("lock.acquired", f"Acquired the {first.name} lock.", lock=first.name, waited_ms=waiter.waited_ms)
    return first
