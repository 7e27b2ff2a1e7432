"""Stopping: SIGINT, SIGTERM and the run's deadline end the run at a safe point, within seconds.

A signal's Python handler runs only between byte-codes, and a driver written in C may sit in one call for
as long as a statement takes. So the signal also wakes a thread, which cancels the running statement on
the server; the driver then raises, and the main thread finds that it was asked to stop.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from smalls.errors import InterruptedRunError, RunTimeoutError, TerminatedRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smalls.errors import SmallsError
    from smalls.events import Emit

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
_CANCEL_AGAIN = 0.5
_FAREWELL = 1.0
_NAMES = {signal.SIGINT: "SIGINT", signal.SIGTERM: "SIGTERM", signal.SIGALRM: "the run's deadline"}


class Stopped(BaseException):
    """Unwinds a migration's code; not an Exception, so that the code's own handlers let it through."""


class Stop:
    """Whether the run was asked to stop, and by what; `check` raises once it was."""

    def __init__(self) -> None:
        self.reason: int | None = None
        self._in_statement = False
        self._interruptible = 0
        self._shielded = 0
        self._longest: float | None = None
        self._cancel: Callable[[], None] | None = None
        self._cancelling = threading.Lock()

    # ── used by the run ──

    def check(self) -> None:
        """Raise Stopped if the run was asked to stop, unless the stop is held back."""
        if self.reason is not None and not self._shielded:
            raise Stopped

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

    def cancels(self, cancel: Callable[[], None] | None) -> None:
        """Let a stop call `cancel`, from another thread, when it finds a statement running."""
        self._cancel = cancel

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
            with self._bounded():
                yield
        finally:
            self._in_statement = False
        self.check()

    @contextlib.contextmanager
    def _bounded(self) -> Iterator[None]:
        if self._longest is None or self._shielded:
            yield
            return
        timer = threading.Timer(self._longest, self.cancel_running)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()  # so that a late cancel cannot meet the next statement

    @contextlib.contextmanager
    def shielded(self) -> Iterator[None]:
        """Hold a stop back: for the few statements that record what has been done."""
        with self._cancelling:  # a cancel under way was meant for what ran before
            self._shielded += 1
        try:
            yield
        finally:
            self._shielded -= 1

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
            if (self._in_statement or self._interruptible) and self._cancel and not self._shielded:
                # A server that cannot be reached for the cancel cannot be told to hurry either.
                with contextlib.suppress(Exception):
                    self._cancel()

    def handle(self, number: int, _frame: Any) -> None:
        """Handle a signal in the main thread: raise where that is safe, else leave it to `check`."""
        self.reason = number
        if self._interruptible and not self._in_statement and not self._shielded:
            raise Stopped


@contextlib.contextmanager
def signals_stop(stop: Stop, emit: Emit, run_timeout: float | None) -> Iterator[None]:
    """Within the block, SIGINT, SIGTERM and the deadline (in seconds) stop the run through `stop`."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = {number: signal.signal(number, stop.handle) for number in _SIGNALS}
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    listener = threading.Thread(target=_listen, args=(reader, stop, emit), daemon=True, name="smalls-stop")
    listener.start()
    signal.setitimer(signal.ITIMER_REAL, run_timeout or 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writer)
        listener.join(_FAREWELL)  # what it has to say comes before the run's last line


def _listen(reader: int, stop: Stop, emit: Emit) -> None:
    """Pass signals on until the pipe is closed; once one came, cancel what runs, again and again.

    Once is not enough: a cancel that comes just before the statement reaches the server is lost.
    """
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while True:
            came, _, _ = select.select([pipe], [], [], None if stop.reason is None else _CANCEL_AGAIN)
            if came and not _heard(pipe.read(1), stop, emit):
                return
            if stop.reason is not None:
                stop.cancel_running()


def _heard(byte: bytes | None, stop: Stop, emit: Emit) -> bool:
    if byte and byte[0] in _NAMES:
        name = _NAMES[signal.Signals(byte[0])]
        stop.reason = byte[0]
        emit("stop.requested", f"Asked to stop by {name}: stopping at the next safe point.", signal=name)
    return bool(byte)
