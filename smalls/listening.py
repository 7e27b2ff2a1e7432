"""Listening: what hears signals and the run's deadline, and sees to it that the run ends within seconds.

A signal's Python handler runs only between byte-codes, and a driver written in C may sit in one call for
as long as a statement takes. So the signal also wakes a thread, which cancels the running statement on
the server; the driver then raises, and the main thread finds that it was asked to stop.

A server that hangs, or a network that lost the connection, answers neither the statement nor the cancel. Then the
connections are given up, so that the driver raises all the same.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smalls.events import Emit
    from smalls.stop import Stop

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
_CANCEL_AGAIN = 0.5
_FAREWELL = 1.0
_ANSWER = 5.0
_OVER = float("inf")
_NAMES = {signal.SIGINT: "SIGINT", signal.SIGTERM: "SIGTERM", signal.SIGALRM: "the run's deadline"}
# In seconds. With the grace as it comes (5), `docker stop` kills 5 s after the first cancel.
_SILENCE = 3.0  # what has not been answered by then will not be
_ROLLING_BACK = 10.0  # for a server that says that it is still at it
_LAST_WORDS = 1.5
_LAST_LOOK = 5.0  # where new connections are answered, and the history can be read again


@contextlib.contextmanager
def signals_stop(
    stop: Stop, emit: Emit, run_timeout: float | None, give_up: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Within the block, SIGINT, SIGTERM and the deadline (in seconds) stop the run through `stop`.

    `give_up` is called from a thread, again and again, where the connections were abandoned and the run has not
    ended even so.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = {number: signal.signal(number, stop.handle) for number in _SIGNALS}
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    heard = _Listener(stop, emit, give_up)
    listener = threading.Thread(target=heard.run, args=(reader,), daemon=True, name="smalls-stop")
    listener.start()
    signal.setitimer(signal.ITIMER_REAL, run_timeout or 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.set_wakeup_fd(wakeup)
        os.close(writer)
        # What it has to say comes before the run's last line, and its own signals find our handler.
        listener.join(_FAREWELL)
        if not stop.abandoned:
            heard.join()
        for number, handler in before.items():
            signal.signal(number, handler)


class _Listener:
    """Passes signals on until the pipe is closed; once the run is to stop, cancels what runs, again and again.

    Once is not enough: a cancel that comes just before the statement reaches the server is lost.
    """

    def __init__(self, stop: Stop, emit: Emit, give_up: Callable[[], None]) -> None:
        self._stop = stop
        self._emit = emit
        self._until: float | None = None
        self._pressing = _Pressing(stop, emit, give_up)

    def join(self) -> None:
        """Wait for a cancel that is under way: Python cannot end well while a thread is in a driver."""
        self._pressing.join()

    def run(self, reader: int) -> None:
        """Listen until the pipe is closed."""
        with os.fdopen(reader, "rb", buffering=0) as pipe:
            while True:
                came, _, _ = select.select([pipe], [], [], self._patience())
                if came and not self._hear(pipe.read(1)):
                    return
                if self._until is not None and time.monotonic() >= self._until:
                    self._cut("The time to finish (SMALLS_SHUTDOWN_GRACE) is over", "grace")
                if self._stop.due:
                    self._pressing.press()

    def _patience(self) -> float | None:
        if self._stop.reason is None:
            return None
        if self._stop.due or self._until is None:
            return _CANCEL_AGAIN
        return max(0.0, self._until - time.monotonic())

    def _hear(self, byte: bytes | None) -> bool:
        if byte and byte[0] in _NAMES:
            number = signal.Signals(byte[0])
            if self._until is None:
                self._begin(number)
            else:
                self._cut(f"{_NAMES[number]} came as well", "signal")
        return bool(byte)

    def _begin(self, number: signal.Signals) -> None:
        self._stop.ask(number)
        self._until = time.monotonic() + self._stop.grace
        name = _NAMES[number]
        what = "stopping at the next safe point"
        if not self._stop.due:
            what = f"the migration that runs has {self._stop.grace:g} s to finish"
        self._emit("stop.requested", f"Asked to stop by {name}: {what}.", signal=name)

    def _cut(self, why: str, reason: str) -> None:
        """End the grace, and wake the main thread out of whatever it does."""
        if self._until != _OVER and self._stop.cut():
            self._emit("stop.enforced", f"{why}: what runs is cut off.", reason=reason)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
        self._until = _OVER


class _Pressing:
    """Cancels what runs until it ends; where no answer comes, gives up the connections, and at last the run."""

    def __init__(self, stop: Stop, emit: Emit, give_up: Callable[[], None]) -> None:
        self._stop = stop
        self._emit = emit
        self._give_up = give_up
        self._since: float | None = None
        self._ends = _OVER
        self._thread: threading.Thread | None = None

    def press(self) -> None:
        """Cancel once more, unless the last one is still under way; see whether there is any hope."""
        now = time.monotonic()
        self._since = self._since or now
        if now >= self._ends:
            self._give_up()
        elif not self._stop.abandoned and self._stop.remote and (why := self._hopeless(now)):
            self._abandon(now, why)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._stop.cancel_running, daemon=True, name="smalls-cancel")
            self._thread.start()

    def join(self) -> None:
        """Wait for the cancel that is under way, as long as connecting may take."""
        if self._thread is not None:
            self._thread.join(_ANSWER)

    def _is_silent(self, now: float) -> bool:
        return now - max(self._since or now, self._stop.heard or 0) >= _SILENCE

    def _hopeless(self, now: float) -> str:
        """Say why nothing more will come; the migration's own code has the time that it takes to clean up."""
        if self._is_silent(now):
            return "The server does not answer"
        patience = _ROLLING_BACK if self._stop.at_work else _SILENCE
        if self._stop.in_code or now - (self._since or now) < patience:
            return ""
        return "The server has not ended what it is at" if self._stop.at_work else "No answer comes through"

    def _abandon(self, now: float, why: str) -> None:
        answering = not self._is_silent(now)
        self._ends = now + (_LAST_LOOK if answering else _LAST_WORDS)
        self._emit("stop.abandoned", f"{why}: the connections to it are given up.", answering=answering)
        self._stop.abandon(answering=answering)
