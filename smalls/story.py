"""The story of a run, put together from its events: what the report, the metrics and the trace are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from smalls.errors import InterruptedRunError, RunTimeoutError, TerminatedRunError
from smalls.model import Direction

if TYPE_CHECKING:
    from datetime import datetime

    from smalls.clock import Clock
    from smalls.urls import Location

_ENDS = {"migration.applied": "applied", "migration.undone": "undone", "migration.failed": "failed"}
_STOPS = {error.code for error in (InterruptedRunError, TerminatedRunError, RunTimeoutError)}


@dataclass(slots=True)
class Part:
    """One migration's part of the story; `state` is running, applied, undone, failed or stopped."""

    migration: str
    direction: str
    started_at: datetime
    finished_at: datetime
    path: str | None = None
    state: str = "running"
    kind: str | None = None
    duration_ms: int | None = None
    statements: int | None = None
    error: dict[str, Any] | None = None


@dataclass(slots=True)
class Story:
    """What became of a run. `hear` is told every event, also those that the log leaves out.

    `stopped` is whether it was asked to stop. Texts are as they were told, secrets included; whoever passes them on
    takes those out.
    """

    clock: Clock
    run_id: str
    command: str
    environment: str | None = None
    image_version: str | None = None
    location: Location | None = None
    started_at: datetime = field(init=False)
    parts: list[Part] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)
    error: dict[str, Any] | None = None
    stopped: bool = False
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self.started_at = self.clock.utc()
        self._began = self.clock.monotonic()

    @property
    def duration_ms(self) -> int:
        """Milliseconds since the run began."""
        return int((self.clock.monotonic() - self._began) * 1000)

    def now(self) -> datetime:
        """Return the time, counted from the beginning: also where the machine's clock is set back meanwhile."""
        return self.started_at + timedelta(seconds=self.clock.monotonic() - self._began)

    def hear(self, event: str, level: str, message: str, fields: dict[str, Any]) -> None:
        """Take an event in."""
        if event == "run.failed":
            self.error = fields["error"]
        elif event == "migration.started":
            now = self.now()
            self.parts.append(Part(fields["migration"], fields["direction"], now, now, fields["path"]))
        elif event in _ENDS:
            self._end(_ENDS[event], fields)
        elif level == "warning":
            self.stopped = self.stopped or event == "stop.requested"
            self.warnings.append({"event": event, "message": message})

    def _end(self, state: str, fields: dict[str, Any]) -> None:
        part = self._open(fields)
        part.finished_at = self.now()
        part.state, part.kind, part.error = state, fields.get("kind"), fields.get("error")
        part.statements = fields.get("statements")
        took = (part.finished_at - part.started_at).total_seconds() * 1000
        part.duration_ms = fields.get("duration_ms", int(took))
        if part.error and part.error["code"] in _STOPS:
            part.state = "stopped"

    def _open(self, fields: dict[str, Any]) -> Part:
        """Return the part that runs; a new one for a migration that is recorded without having been run."""
        if self.parts and self.parts[-1].state == "running":
            return self.parts[-1]
        now = self.now()
        self.parts.append(Part(fields["migration"], Direction.FORWARD.value, now, now))
        return self.parts[-1]
