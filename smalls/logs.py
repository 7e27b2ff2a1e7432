"""Log events as JSON lines or, on a terminal, as the console form; always on stderr, never a secret."""

from __future__ import annotations

import json
import os
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from smalls.console import Console
from smalls.events import EVENTS
from smalls.specs import LogFormat

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from smalls.redact import Redactor

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
# The names that Google Cloud Logging and collectors after it read:
# https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#LogSeverity
_SEVERITIES = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR"}
# Words of ours, which no secret is put into; a password that happens to be one of them must not blot it out.
_UNTOUCHED = frozenset(
    {
        *(
            "timestamp",
            "level",
            "severity",
            "event",
            "run_id",
            "command",
            "environment",
            "outcome",
            "smalls_version",
        ),
        *("direction", "kind", "stream", "lock", "signal", "reason", "action", "code"),
        *("engine", "state", "started_at", "finished_at"),
    }
)


class Log:
    """An `Emit`: writes each event to `stream` in the chosen form and forgets nothing it was bound to.

    `hear` is told every event first, with its level, message and fields, also those below the level asked for.
    A stream that breaks (a closed pipe) must not stop a migration: its errors are ignored.
    """

    def __init__(
        self,
        form: LogFormat,
        level: str,
        run_id: str,
        redactor: Redactor,
        stream: TextIO,
        *,
        hear: Callable[[str, str, str, dict[str, Any]], None] | None = None,
    ) -> None:
        self._hear = hear
        self._threshold = _LEVELS[level]
        self._bound: dict[str, Any] = {"run_id": run_id}
        self._stream = stream
        self._writing = threading.Lock()  # threads of the project's code may print, and each line stays whole
        self.redactor = redactor
        self._over = False
        self.console: Console | None = None
        if form is LogFormat.CONSOLE or (form is LogFormat.AUTO and stream.isatty()):
            self.console = Console(stream)
        elif form is LogFormat.GITHUB:
            from smalls.workflow import Workflow

            self.console = Workflow(stream, (os.environ.get("GITHUB_WORKSPACE") or ".", "."))

    def bind(self, **fields: Any) -> None:
        """Add fields to every event from here on."""
        self._bound |= fields

    def __call__(self, event: str, message: str, /, *, level: str | None = None, **fields: Any) -> None:
        """Log one event of the catalogue, at its own level unless `level` says another."""
        level = level or EVENTS[event].level
        last = event == "run.finished"
        if self._hear and not self._over:
            self._hear(event, level, message, fields)
        if self._over or (_LEVELS[level] < self._threshold and not last):
            return
        # A thread that still passes output on has nothing to say after the last line.
        self._over = last
        known = {name: value for name, value in (self._bound | fields).items() if value is not None or last}
        try:
            if self.console:
                self.console.show(event, level, self.redactor.text(message), self.redactor.value(known))
            else:
                self._write_line(level, {"message": message, **known, "event": event})
        except (OSError, ValueError):
            return

    def _write_line(self, level: str, entry: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        whole = {"timestamp": now, "level": level, "severity": _SEVERITIES[level], **self.clean(entry)}
        line = json.dumps(whole, ensure_ascii=False, default=str)
        with self._writing:
            self._stream.write(f"{line}\n")
            self._stream.flush()

    def clean(self, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Take secrets out of an entry, all but its fixed fields."""
        return {name: self._clean(name, value) for name, value in entry.items()}

    def _clean(self, name: str, value: Any) -> Any:
        if name in _UNTOUCHED:
            return value
        return self.clean(value) if isinstance(value, dict) else self.redactor.value(value)


def make_streams_safe() -> None:
    """Let output that the terminal's encoding lacks be escaped instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")
