"""Stopping: whether the run was asked to stop, and where it may: at a safe point.

SIGTERM comes from schedulers, which wait for a while: a migration that is at work has SMALLS_SHUTDOWN_GRACE
seconds to finish. SIGINT, the run's deadline and a second signal cut it off at once. What hears them and sees
to it that the run ends is `smalls.listening`.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from smalls.errors import InterruptedRunError, RunTimeoutError, TerminatedRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smalls.errors import SmallsError

_LOOK_AGAIN = 0.1


class Stopped(BaseException):
    """Unwinds a migration's code; not an Exception, so that the code's own handlers let it through."""


class CutOffError(Exception):
    """A statement was cancelled at its bound, and came back as if it were done."""


class Stop:
    """Whether the run was asked to stop, and by what; `check` raises once it was.

    `grace` is how many seconds a SIGTERM leaves to what `graceful` encloses. `heard` is when (by the monotonic
    clock) the server last answered a cancel, `at_work` whether it said that it is still at the statement.
    `abandoned` is whether the run's connections were given up, since no answer came.
    """

    def __init__(self, grace: float = 0.0) -> None:
        self.reason: int | None = None
        self.grace = grace
        self._graceful = 0
        self._cut = False
        self._in_statement = False
        self._interruptible = 0
        self._shielded = 0
        self._longest: float | None = None
        self.abandoned = False
        self.heard: float | None = None
        self.at_work = False
        self._cancel: Callable[[], bool | None] | None = None
        self._look: Callable[[], bool] | None = None
        self._abandon: Callable[[bool], None] | None = None
        self._cancelling = threading.Lock()

    # ── used by the run ──

    def check(self) -> None:
        """Raise Stopped if the run is to stop now, unless the stop is held back."""
        if self.due and not self._shielded:
            raise Stopped

    @property
    def due(self) -> bool:
        """Whether the run is to stop now: it was asked to, and is not in what still has time to finish."""
        return self.reason is not None and (self._cut or not self._graceful)

    @contextlib.contextmanager
    def graceful(self) -> Iterator[None]:
        """Let what the block does (one migration) finish after a SIGTERM, if the grace is long enough."""
        self.check()
        self._graceful += bool(self.grace)
        try:
            if self.reason is not None and not self._shielded:  # it came between the two, and nothing has begun
                raise Stopped
            yield
        finally:
            self._graceful -= bool(self.grace)

    @property
    def cause(self) -> str:
        """What asked the run to stop, in a word."""
        names = {signal.SIGALRM: "SMALLS_RUN_TIMEOUT", signal.SIGTERM: "SIGTERM"}
        return names.get(signal.Signals(self.reason or signal.SIGINT), "SIGINT")

    def error(self) -> SmallsError:
        """Return the error that tells why the run stopped."""
        if self.reason == signal.SIGALRM:
            return RunTimeoutError("The run's time (SMALLS_RUN_TIMEOUT) was up; it stopped at a safe point.")
        if self.reason == signal.SIGTERM:
            return TerminatedRunError("SIGTERM: the run stopped at a safe point.")
        return InterruptedRunError("SIGINT: the run stopped at a safe point.")

    def cancels(
        self,
        cancel: Callable[[], bool | None] | None,
        look: Callable[[], bool] | None = None,
        abandon: Callable[[bool], None] | None = None,
    ) -> None:
        """Let a stop call `cancel`, from another thread, when it finds a statement running.

        `look` is called where nothing may be cancelled; both tell whether the server is still at work. `abandon`
        gives the connections up, and is told whether the server still answers new ones.
        """
        self._cancel, self._look, self._abandon = cancel, look, abandon

    def bounds_statements(self, seconds: float | None) -> None:
        """Cancel every statement that takes longer; for servers that cannot be told to do it themselves."""
        self._longest = seconds

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within the block (a migration's own code, a sleep) a signal raises at once."""
        self._interruptible += 1
        try:
            self.check()
            yield
        finally:
            self._interruptible -= 1

    @contextlib.contextmanager
    def statement(self) -> Iterator[None]:
        """Mark the time a statement is with the server: a stop cancels it there and waits for its answer."""
        self._in_statement = True  # before the check: a stop between the two must find the one or the other
        try:
            self.check()
            if self._longest is None or self._shielded:
                yield
            else:
                with self._bounded(self._longest):
                    yield
        finally:
            self._in_statement = False
        self.check()

    @contextlib.contextmanager
    def _bounded(self, seconds: float) -> Iterator[None]:
        late = threading.Event()

        def cut_off() -> None:
            late.set()
            self.cancel_running()

        timer = threading.Timer(seconds, cut_off)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()  # so that a late cancel cannot meet the next statement
        # A SLEEP() of MySQL that is cancelled only returns 1:
        # https://dev.mysql.com/doc/refman/9.1/en/miscellaneous-functions.html#function_sleep
        if late.is_set():
            raise CutOffError(f"the statement took longer than {seconds:g} s")

    @contextlib.contextmanager
    def shielded(self) -> Iterator[None]:
        """Hold a stop back: for the few statements that record what has been done."""
        self._after_cancel()
        try:
            yield
        finally:
            self._shielded -= 1

    def _after_cancel(self) -> None:
        """Be shielded as soon as no cancel is under way: that one is meant for what ran before."""
        while not self._cancelling.acquire(timeout=_LOOK_AGAIN):
            if self.abandoned:  # what it is meant for is gone, and it may not end
                self._shielded += 1
                return
        self._shielded += 1
        self._cancelling.release()

    def sleep(self, seconds: float) -> None:
        """Sleep, but not through a stop."""
        with self.interruptible():
            time.sleep(seconds)

    # ── called by the system ──

    def cancel_running(self) -> None:
        """Cancel what may be running at the server. Called from a thread.

        A migration's own code counts as running too: what it sends through the driver's own connection is
        not seen, and cancelling a session that runs nothing does nothing.
        """
        with self._cancelling:
            running = (self._in_statement or self._interruptible) and not self._shielded
            ask = self._cancel if running or self.abandoned else self._look
            # A server that cannot be reached for the cancel cannot be told to hurry either.
            with contextlib.suppress(Exception):
                if ask is not None:
                    self.at_work = bool(ask())
                    self.heard = time.monotonic()

    @property
    def remote(self) -> bool:
        """Whether there is a server, which may fall silent."""
        return self._abandon is not None

    @property
    def in_code(self) -> bool:
        """Whether the migration's own code is at work, and not a statement of it."""
        return self._interruptible > 0 and not self._in_statement and not self._shielded

    def abandon(self, *, answering: bool) -> None:
        """Give the run's connections up, so that whatever waits for an answer raises. Called from a thread."""
        self.abandoned = True
        if self._abandon is not None:
            self._abandon(answering)

    def ask(self, number: int) -> None:
        """Ask the run to stop, by a signal's number; the first one is the reason, and decides about grace."""
        if self.reason is None:
            self.reason = number
            self._cut = number != signal.SIGTERM

    def cut(self) -> bool:
        """End the grace; return whether anything was still using it. Called from a thread."""
        self._cut = True
        return self._graceful > 0

    def handle(self, number: int, _frame: Any) -> None:
        """Handle a signal in the main thread: raise where that is safe, else leave it to `check`."""
        self.ask(number)
        if self.due and self._interruptible and not self._in_statement and not self._shielded:
            raise Stopped
