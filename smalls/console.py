"""The console form of the log: the lines that the first smalls printed, for people at a terminal."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

from smalls.visible import indented, visible

if TYPE_CHECKING:
    from collections.abc import Callable

_RULE = "=" * 39
_TITLE = "| Smalls - Peewee Database Manager 👍 |"
_BAR_WIDTH = 30
_BAR_FROM = 20
# Routine, which the first smalls did not print either; warnings and waits are shown.
_QUIET = frozenset({"database.connected", "lock.acquired", "lock.inherited", "lock.released", "history.created"})
VERBS = {"forward": "Running Migration", "backward": "Rolling back"}


class Console:
    """Write events as lines for a person; one line may be open, waiting for its outcome."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._open = False
        self._bar = False
        self._done = 0
        self._total = 0
        self._forms: dict[str, Callable[[str, dict[str, Any]], None]] = {
            "run.started": self._banner,
            "run.finished": self._finished,
            "run.failed": self._failed,
            "migration.planned": self._planned,
            "migration.started": self._started,
            "migration.applied": self._outcome,
            "migration.undone": self._outcome,
            "migration.failed": self._failure,
            "migration.created": lambda _message, fields: self.line(f" -- Created: {fields['path']}"),
            "migration.output": lambda message, _fields: self.line(f"    {message}"),
            "script.output": lambda message, _fields: self.line(message),
        }

    def show(self, event: str, level: str, message: str, fields: dict[str, Any]) -> None:
        """Write one event; of those without a form of their own, the message, and warnings marked."""
        form = self._forms.get(event)
        if form:
            form(message, fields)
        elif event not in _QUIET:
            self.line(f"  ! {message}" if level in {"warning", "error"} else f"  {message}")

    def progress(self, total: int) -> None:
        """Announce how many migrations will run; long runs on a terminal get a bar."""
        self._total, self._done = total, 0
        self._bar = total >= _BAR_FROM and self._stream.isatty()

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def line(self, text: str) -> None:
        """Write one whole line, below what is open and above the bar."""
        self._write(("\n" if self._open else self._wipe()) + text + "\n")
        self._open = False
        self._draw()

    def _wipe(self) -> str:
        return "\r\x1b[2K" if self._bar else ""

    def _draw(self) -> None:
        if self._bar and self._done < self._total:
            filled = _BAR_WIDTH * self._done // self._total
            bar = "#" * filled + "-" * (_BAR_WIDTH - filled)
            self._write(f"\r[{bar}] {self._done}/{self._total}")

    def _banner(self, _message: str, _fields: dict[str, Any]) -> None:
        now = datetime.now()  # noqa: DTZ005 -- the wall clock of the person who reads it
        self.line(f"{_RULE}\n{_TITLE}\n{_RULE}\n\nRunning at: {now}")

    def _started(self, _message: str, fields: dict[str, Any]) -> None:
        verb = VERBS[fields.get("direction", "forward")]
        self._write(f"{self._wipe()}{verb}: {fields.get('path') or fields['migration']} ")
        self._open = True

    def _outcome(self, message: str, fields: dict[str, Any]) -> None:
        self._done += 1
        if not self._open:
            self.line(f"  {message}")
            return
        took = fields.get("duration_ms")
        self._write("Successful\n" if took is None or took < 1000 else f"Successful ({took / 1000:.1f} s)\n")  # noqa: PLR2004 -- a second
        self._open = False
        self._draw()

    def _failure(self, _message: str, _fields: dict[str, Any]) -> None:
        if self._open:
            self._write("FAILED\n")
        self._open = False
        self._bar = False

    def _failed(self, message: str, fields: dict[str, Any]) -> None:
        self._bar = False
        error = fields.get("error", {})
        told = indented(f"{error.get('code', '')}: {message}")
        self.line(f"\n  {visible(told)}")
        place = f"{error['file']}:{error.get('line', '')}" if "file" in error else None
        for name, text in (("at", place), ("statement", error.get("statement"))):
            if text:
                self.line(f"    {name}: {text}")
        for more in error.get("also", ()):
            self.line(f"    also {more}")
        if error.get("hint"):
            self.line(f"  What to do: {error['hint']}")

    def _planned(self, message: str, _fields: dict[str, Any]) -> None:
        self.line(f"  {visible(indented(message))}")

    def _finished(self, message: str, fields: dict[str, Any]) -> None:
        if fields.get("outcome") == "ok" and fields.get("command") == "migrate" and not fields.get("planned"):
            self.line("\n  Migrations are complete 🎉")
        elif message:
            self.line(f"\n  {message}")
