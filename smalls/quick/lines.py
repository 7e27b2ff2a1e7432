"""What a run with nothing to do says: its log lines and its termination message, as the full way would."""

from __future__ import annotations

import os
import signal
import time

from smalls.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from smalls.quick.plain import Settings

_STOPS = (signal.SIGTERM, signal.SIGINT)
_TERMINATION_LOG = "/dev/termination-log"


class Moment:
    """A point in time, by both clocks: the one to show, and the one to measure with."""

    def __init__(self, shown: float, measured: float) -> None:
        self.shown = shown
        self._measured = measured

    @property
    def past_ms(self) -> int:
        """How long ago it was."""
        return int((time.monotonic() - self._measured) * 1000)


class Answer:
    """That nothing is to do, with what the log has of it."""

    def __init__(self, settings: Settings, run_id: str, applied: int, began: Moment, waited: int) -> None:
        self._settings = settings
        self._run_id = run_id
        self._began = began
        self._waited = waited
        self._place = settings.place.shown
        count = f"{applied} migration{'' if applied == 1 else 's'}"
        self._title = f"smalls {__version__} migrate ({settings.environment})"
        self._connected = f"Connected to {self._place}."
        self._ending = f"Nothing to do: {count} applied, nothing pending."

    def tell(self) -> bool:
        """Write all; False, and nothing is written, where a secret would have to be taken out of it.

        From before the first word on SIGTERM and SIGINT are blocked. Raises OSError, and they are as before, where
        the termination message cannot be written.
        """
        texts = (self._title, self._connected, self._ending)
        if any(secret and secret in text for secret in self._settings.secrets for text in texts):
            return False
        log = self._log().encode()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
        try:
            self._leave_message()
        except Exception:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            raise
        try:
            os.write(2, log)
        except OSError:
            return True  # whoever read the log is gone; the answer stays
        return True

    def _log(self) -> str:
        """Return the lines. Nothing in them needs to be escaped, or the settings were not plain."""
        began, waited = self._began.shown, self._waited
        run, database = f'"run_id": "{self._run_id}"', f'"database": "{self._place}"'
        return (
            f'{_line(began, self._title)}, {run}, "command": "migrate", '
            f'"environment": "{self._settings.environment}", "smalls_version": "{__version__}", '
            '"event": "run.started"}\n'
            f"{_line(began + waited / 1000, self._connected)}, {run}, {database}, "
            f'"waited_ms": {waited}, "tries": 1, "event": "database.connected"}}\n'
            f'{_line(time.time(), self._ending)}, {run}, {database}, "command": "migrate", "outcome": "ok", '
            f'"exit_code": 0, "applied": 0, "undone": 0, "pending": 0, "held": 0, "database_wait_ms": {waited}, '
            f'"lock_wait_ms": 0, "duration_ms": {self._began.past_ms}, "event": "run.finished"}}\n'
        )

    def _leave_message(self) -> None:
        """Leave the termination message where `smalls.termination` would."""
        path = self._settings.termination_log
        if not path and not os.access(_TERMINATION_LOG, os.W_OK):
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK
        descriptor = os.open(path or _TERMINATION_LOG, flags, 0o644)
        try:
            os.write(descriptor, f"smalls migrate, exit code 0: {self._ending}\n".encode())
        finally:
            os.close(descriptor)


def _line(at: float, message: str) -> str:
    """Return the beginning of a line of the log."""
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at))}.{int(at * 1000) % 1000:03d}Z"
    return f'{{"timestamp": "{stamp}", "level": "info", "severity": "INFO", "message": "{message}"'
