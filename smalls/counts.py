"""What a run counts, for its last log line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """What the run did and how long it waited, for its last log line."""

    applied: int = 0
    undone: int = 0
    pending: int | None = None
    held: int | None = None
    database_wait_ms: int = 0
    lock_wait_ms: int = 0

    def count_applied(self, *, held: bool = False) -> None:
        """Count a migration that was applied; it was pending, or held."""
        self.applied += 1
        if held:
            self.held = (self.held or 1) - 1
        else:
            self.pending = (self.pending or 1) - 1
