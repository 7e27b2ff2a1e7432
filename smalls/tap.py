"""Every statement that a migration sends, seen on its way: what ran, what took effect, what was running.

The tap sits on the database object's `cursor`, which all of Peewee goes through. Statements are kept
without their parameters. Code that takes the driver's own connection goes past it; the tap knows that much.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from smalls.statements import may_fail_halfway, only_reads, shown, verb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smalls.stop import Stop

_KEPT = 50
_BEGINS = frozenset({"BEGIN", "START"})
_COMMITS = frozenset({"COMMIT", "END"})
_ROLLBACKS = frozenset({"ROLLBACK", "ABORT"})
_DATA = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE"})
_CONTROL = frozenset({"SAVEPOINT", "RELEASE", *_BEGINS, *_COMMITS, *_ROLLBACKS})
# The cursor's other ways to the server; what they send is not seen.
_UNSEEN = frozenset({"callproc", "copy", "copy_expert", "copy_from", "copy_to", "stream"})
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
    transaction count once it commits. On engines whose DDL commits, DDL counts at once. `opaque` is
    whether something went past the tap on the working session, `aside` whether other sessions were used.
    """

    def __init__(self, stop: Stop, *, ddl_commits: bool) -> None:
        self.before: Callable[[str], bool] = lambda _sql: True
        self.opaque = False
        self.aside = False
        self.effects = 0
        self.sent: deque[Sent] = deque(maxlen=_KEPT)
        self._stop = stop
        self._ddl_commits = ddl_commits
        self._in_transaction = False
        self._unsettled = 0

    def run(self, call: Callable[..., Any], sql: Any, *args: Any, **kwargs: Any) -> Any:
        """Send one statement through `call`, unless `before` says that it is taken care of."""
        text = str(sql)
        if not self.before(text):
            return None
        entry = Sent(shown(text))
        self.sent.append(entry)
        try:
            with self._stop.statement():
                result = call(sql, *args, **kwargs)
                # Here, inside: a stop that is found when the statement is over must not hide its effect.
                entry.outcome = "done"
                self._count(text)
        except BaseException:
            if entry.outcome == "running":
                entry.outcome = "failed"
                self._count_failed(text)
            raise
        return result

    def _count(self, sql: str) -> None:
        if is_begin(sql):
            self._in_transaction = True
        elif is_commit(sql):
            self.settle()
        elif is_rollback(sql):
            self.forget()
        elif only_reads(sql) or verb(sql) in _CONTROL:
            return
        elif self._in_transaction and not (self._ddl_commits and verb(sql) not in _DATA):
            self._unsettled += 1
        else:
            self.settle()
            self.effects += 1

    def _count_failed(self, sql: str) -> None:
        """Count what a statement did although it failed.

        MySQL and MariaDB commit before they try a DDL statement:
        https://dev.mysql.com/doc/refman/9.1/en/implicit-commit.html
        """
        if self._in_transaction and self._ddl_commits:
            if not only_reads(sql) and verb(sql) not in _DATA | _CONTROL:
                self.settle()
        elif not self._in_transaction and may_fail_halfway(sql):
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

    @property
    def failed(self) -> str | None:
        """The first of the kept statements that failed, whether or not the code went on after it."""
        return next((entry.sql for entry in self.sent if entry.outcome == "failed"), None)

    def report(self) -> list[dict[str, str]]:
        """Return the last statements with their outcomes, oldest first."""
        return [{"statement": entry.sql, "outcome": entry.outcome} for entry in self.sent]


class TappedCursor:
    """A driver's cursor whose statements go through the tap; everything else is the cursor's own."""

    __slots__ = ("_cursor", "_tap")

    def __init__(self, cursor: Any, tap: Tap) -> None:
        object.__setattr__(self, "_cursor", cursor)
        object.__setattr__(self, "_tap", tap)

    def execute(self, sql: Any, *args: Any, **kwargs: Any) -> Any:
        """Run one statement."""
        return self._tap.run(self._cursor.execute, sql, *args, **kwargs)

    def executemany(self, sql: Any, *args: Any, **kwargs: Any) -> Any:
        """Run one statement with many parameter sets."""
        return self._tap.run(self._cursor.executemany, sql, *args, **kwargs)

    def executescript(self, script: Any) -> Any:
        """Run a script of SQLite's, before which the driver commits; how far it comes is not seen."""
        self._tap.before("COMMIT")
        self._tap.opaque = True
        return self._tap.run(self._cursor.executescript, script)

    def __getattr__(self, name: str) -> Any:
        if name in _UNSEEN:
            self._tap.opaque = True
        return getattr(self._cursor, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._cursor, name, value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor)

    def __next__(self) -> Any:
        return next(self._cursor)

    def __enter__(self) -> Self:
        self._cursor.__enter__()
        return self

    def __exit__(self, *error: object) -> Any:
        return self._cursor.__exit__(*error)
