"""Time, as a constructor argument: the real one here, a fake one in tests."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What smalls asks of time."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""

    def utc(self) -> datetime:
        """Return the time in UTC, without a zone, as databases keep it."""

    def local(self) -> datetime:
        """Return the local time, without a zone, as upstream records it."""


class SystemClock:
    """The machine's clock."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def utc(self) -> datetime:
        """Return the time in UTC, without a zone."""
        return datetime.now(UTC).replace(tzinfo=None)

    def local(self) -> datetime:
        """Return the local time, without a zone."""
        return datetime.now()  # noqa: DTZ005 -- upstream's column holds local time
