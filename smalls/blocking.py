"""Who keeps a migration's statement waiting: asked on another connection while it waits, and logged."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smalls.dialects.base import Holder
    from smalls.events import Emit
    from smalls.session import WorkSession
    from smalls.tap import Sent, Tap
    from smalls.wire import Wire

_LONGEST = 1.0
_FAREWELL = 1.0
_REMIND_EVERY = 30.0


class Watch:
    """Looks, from a thread, at the statement that runs; asks the server once it takes long.

    `last` is who held up the statement at hand, in this try or one before, when we last asked.
    """

    def __init__(self, work: WorkSession, emit: Emit, lock_timeout: float) -> None:
        self._work = work
        self._emit = emit
        self._after = min(_LONGEST, lock_timeout / 2) or _LONGEST
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._tap: Tap | None = None
        self._wire: Wire | None = None
        self._told: dict[str, float] = {}
        self._key = self._held_up = ""
        self.last: Holder | None = None

    def over(self, tap: Tap, key: str) -> None:
        """Watch the statements of a migration from now on."""
        if key != self._key:
            self.last = None
        self._tap, self._key = tap, key
        if self._thread is None and self._work.dialect.has_sessions:
            self._thread = threading.Thread(target=self._look, daemon=True, name="smalls-watch")
            self._thread.start()

    def close(self) -> None:
        """Watch no more."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(_FAREWELL)  # it may wait for a server that does not answer
        self._hang_up()

    def _hang_up(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _look(self) -> None:
        running, since = None, 0.0
        while not self._over.wait(self._after / 2):
            entry = self._running()
            if entry is not running:
                running, since = entry, time.monotonic()
                self._told = {}
                if entry is not None and entry.sql != self._held_up:
                    self.last = None
            elif entry is not None and time.monotonic() - since >= self._after / 2:
                try:
                    self._ask(entry, time.monotonic() - since)
                except Exception:  # no right to know, a server that cannot tell, a connection that is gone
                    self._hang_up()

    def _running(self) -> Sent | None:
        entry = self._tap.sent[-1] if self._tap and self._tap.sent else None
        return entry if entry and entry.outcome == "running" else None

    def _ask(self, entry: Sent, seconds: float) -> None:
        session = self._work.session_id
        if session is None or self._work.relayed:
            return
        if self._wire is None:
            self._wire = self._work.wire()
        holders = self._work.dialect.blockers(self._wire.query, session)
        if holders and entry.outcome == "running":
            self.last, self._held_up = holders[0], entry.sql
        for holder in holders:
            if time.monotonic() - self._told.get(holder.session, -_REMIND_EVERY) >= _REMIND_EVERY:
                self._told[holder.session] = time.monotonic()
                self._tell(entry, holder, seconds)

    def _tell(self, entry: Sent, holder: Holder, seconds: float) -> None:
        self._emit(
            "ddl.blocked",
            f"{self._key} waits for a lock: {holder} holds it." + _doing(holder),
            migration=self._key,
            statement=entry.sql,
            holder=holder.as_dict(),
            waited_ms=int(seconds * 1000),
        )


def _doing(holder: Holder) -> str:
    return f" What it sent last: {holder.statement}" if holder.statement else ""
