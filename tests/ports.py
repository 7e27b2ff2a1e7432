"""A run in this process on a real database, whose parts are tested one by one."""

import io
import json
from pathlib import Path
from typing import Any

from smalls.clock import SystemClock
from smalls.logs import Log
from smalls.redact import Redactor
from smalls.run import Run
from smalls.settings import Flags, load
from smalls.specs import LogFormat
from smalls.stop import Stop


class Opened(Run):
    """A run in this process; `events` is what it has logged."""

    def __init__(self, environ: dict[str, str], run_id: str) -> None:
        self.stream = io.StringIO()
        settings = load(Flags(), environ)
        log = Log(LogFormat.JSON, "debug", run_id, Redactor(settings.secrets), self.stream)
        super().__init__(settings, log, SystemClock(), Stop(), run_id)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Parse what was logged so far."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def named(self, event: str) -> list[dict[str, Any]]:
        """Pick the events of one name."""
        return [each for each in self.events if each["event"] == event]


def write_migrations(folder: Path, *names: str) -> None:
    """Write empty migrations of these names."""
    for name in names:
        (folder / "migrations" / f"{name}.py").write_text(
            "def migrate():\n    pass\n\n\ndef rollback():\n    pass\n"
        )
