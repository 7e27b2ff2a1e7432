"""Every statement that a migration sends, seen on its way: what ran, what took effect, what was running.

The tap sits on the database object's `cursor`, which all of Peewee goes through. Statements are kept
without their parameters. Code that takes the driver's own connection goes past it; the tap knows that much.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smalls.statements import only_reads, shown, verb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smalls.stop import Stop

_KEPT = 50
_BEGINS = frozenset({"BEGIN", "START"})
_COMMITS = frozenset({"COMMIT", "END"})
_ROLLBACKS = frozenset({"ROLLBACK", "ABORT"})
_DATA = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE"})
_SAVEPOINT = re.compile(r"\s*ROLLBACK\s+(?:WORK\s+|TRANSACTION\s+)?TO\b", re.IGNORECASE)


def is_begin(sql: str) -> bool:
    """Tell whether a statement opens a transaction."""
    return verb(sql) in _BEGINS


def is_commit(sql: str) -> bool:
    """Tell whether a statement commits one."""
    return verb(sql) in _COMMITS


def is_rollback(sql: str) -> bool:
    """Tell whether a statement rolls a whole one back, not to a savepoint."""
    return verb(sql) in _ROLLBACKS and not _SAVEPOINT.match(sql)


@dataclass(slots=True)
class Sent:
    """A statement and how it ended: "running", "done" or "failed"."""

    sql: str
    outcome: str = "running"


class Tap:
    """Counts what took effect, and keeps the last statements for the report.

    `effects` counts statements that changed something for good; those inside the code's own open
    transaction count once it commits. On engines whose DDL commits, DDL counts at once.
    """

    def __init__(self, stop: Stop, *, ddl_commits: bool) -> None:
        self.before: Callable[[str], bool] = lambda _sql: True
        self.opaque = False
        self.effects = 0
        self.sent: deque[Sent] = deque(maxlen=_KEPT)
        self._stop = stop
        self._ddl_commits = ddl_commits
        self._in_transaction = False
        self._unsettled = 0

    def run(self, call: Callable[..., Any], sql: Any, *args: Any) -> Any:
        """Send one statement through `call`, unless `before` says that it is taken care of."""
        text = str(sql)
        if not self.before(text):
            return None
        entry = Sent(shown(text))
        self.sent.append(entry)
        try:
            with self._stop.statement():
                result = call(sql, *args)
                # Here, inside: a stop that is found when the statement is over must not hide its effect.
                entry.outcome = "done"
                self._count(text)
        except BaseException:
            if entry.outcome == "running":
                entry.outcome = "failed"
            raise
        return result

    def _count(self, sql: str) -> None:
        if is_begin(sql):
            self._in_transaction = True
        elif is_commit(sql):
            self.settle()
        elif is_rollback(sql):
            self.forget()
        elif only_reads(sql) or verb(sql) in {"SAVEPOINT", "RELEASE", "ROLLBACK"}:
            return
        elif self._in_transaction and not (self._ddl_commits and verb(sql) not in _DATA):
            self._unsettled += 1
        else:
            self.settle()
            self.effects += 1

    def settle(self) -> None:
        """Take note that the open transaction was committed."""
        self.effects += self._unsettled
        self.forget()

    def forget(self) -> None:
        """Take note that the open transaction was rolled back."""
        self._unsettled, self._in_transaction = 0, False

    def enter_transaction(self) -> None:
        """Take note that a transaction was opened around what follows."""
        self._in_transaction = True

    @property
    def running(self) -> str | None:
        """The statement that failed last, if it was the last one sent."""
        return self.sent[-1].sql if self.sent and self.sent[-1].outcome == "failed" else None

    def report(self) -> list[dict[str, str]]:
        """Return the last statements with their outcomes, oldest first."""
        return [{"statement": entry.sql, "outcome": entry.outcome} for entry in self.sent]


class TappedCursor:
    """A driver's cursor whose statements go through the tap; everything else is the cursor's own."""

    def __init__(self, cursor: Any, tap: Tap) -> None:
        self._cursor = cursor
        self._tap = tap

    def execute(self, sql: Any, *args: Any) -> Any:
        """Run one statement."""
        return self._tap.run(self._cursor.execute, sql, *args)

    def executemany(self, sql: Any, *args: Any) -> Any:
        """Run one statement with many parameter sets."""
        return self._tap.run(self._cursor.executemany, sql, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor)
