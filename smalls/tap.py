"""Every statement that a migration sends, seen on its way: what ran, what took effect, what was running.

The tap sits on the database object's `cursor`, which all of Peewee goes through. Statements are kept
without their parameters. Code that takes the driver's own connection goes past it; the tap knows that much.
"""

from __future__ import annotations

import contextlib
import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from smalls.statements import DATA, may_fail_halfway, only_reads, shown, verb
from smalls.stop import CutOffError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from smalls.stop import Stop

_KEPT = 50
_BEGINS = frozenset({"BEGIN", "START"})
_COMMITS = frozenset({"COMMIT", "END"})
_ROLLBACKS = frozenset({"ROLLBACK", "ABORT"})
# None of these changes a setting of the session.
_PLAIN = frozenset({"CREATE", "ALTER", "DROP", "COMMENT", "RENAME", *DATA})
_CONTROL = frozenset({"SAVEPOINT", "RELEASE", *_BEGINS, *_COMMITS, *_ROLLBACKS})
# The cursor's other ways to the server; what they send is not seen.
_UNSEEN = frozenset({"callproc", "copy", "copy_expert", "copy_from", "copy_to", "stream"})
# gone with the session, and no commit on any engine: https://dev.mysql.com/doc/refman/9.1/en/implicit-commit.html
_PASSING = re.compile(r"\s*(?:CREATE|DROP)\s+TEMPORARY\s+TABLE\b(?!.*\bSELECT\b)", re.IGNORECASE | re.DOTALL)
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


def _passes(sql: str) -> bool:
    """Tell whether a statement leaves nothing in the database by itself."""
    return only_reads(sql) or verb(sql) in _CONTROL or _PASSING.match(sql) is not None


@dataclass(slots=True)
class Sent:
    """A statement and how it ended: "running", "done" or "failed"; "unseen" for what goes past the tap."""

    sql: str
    outcome: str = "running"


class Tap:
    """Counts what took effect, and keeps the last statements for the report.

    `count` counts all statements, `effects` those that changed something for good; those inside the code's own open
    transaction count once it commits. On engines whose DDL commits, DDL counts at once. `opaque` is
    whether something went past the tap on the working session, `aside` whether other sessions were used.
    `plain` is whether nothing was seen that might have changed a setting of the session.
    `may_send` raises where nothing more may be sent, `may_commit` where the open transaction must not be committed.

    `note` is called before anything is sent that takes effect for good, with all that does so with it: those
    of a transaction of the code's own with its COMMIT. Their outcomes are filled in as they end.
    """

    def __init__(
        self,
        stop: Stop,
        *,
        ddl_commits: bool,
        may_send: Callable[[], None] = lambda: None,
        may_commit: Callable[[], None] = lambda: None,
    ) -> None:
        self.before: Callable[[str], bool] = lambda _sql: True
        self._may_send = may_send
        self.may_commit = may_commit
        self.note: Callable[[Sequence[Sent]], None] = lambda _sent: None
        self.opaque = False
        self.aside = False
        self.plain = True
        self.effects = 0
        self.count = 0
        self.sent: deque[Sent] = deque(maxlen=_KEPT)
        self._stop = stop
        self._ddl_commits = ddl_commits
        self._in_transaction = False
        self._unsettled = 0
        self._waiting: deque[Sent] = deque(maxlen=_KEPT)

    def run(self, call: Callable[..., Any], sql: Any, *args: Any, **kwargs: Any) -> Any:
        """Send one statement through `call`, unless `before` says that it is taken care of."""
        text = str(sql)
        self._may_send()
        if not self.before(text):
            return None
        entry = Sent(shown(text))
        if self._settles(text):
            self.note((*self._waiting, entry))
        self.sent.append(entry)
        self.count += 1
        self.plain = self.plain and verb(text) in _PLAIN
        try:
            with self._stop.statement():
                result = call(sql, *args, **kwargs)
                # Here, inside: a stop that is found when the statement is over must not hide its effect.
                entry.outcome = "done"
                self._count(text, entry)
        except CutOffError:
            entry.outcome = "failed"  # its effect, if there was one, is counted
            raise
        except BaseException:
            if entry.outcome == "running":
                entry.outcome = "failed"
                self._count_failed(text)
            raise
        return result

    def _settles(self, sql: str) -> bool:
        """Tell whether something takes effect for good by a statement."""
        if is_commit(sql):
            return bool(self._waiting)
        return not _passes(sql) and not self._waits(sql)

    def _waits(self, sql: str) -> bool:
        """Tell whether what a statement changes waits for the end of the open transaction."""
        return self._in_transaction and not (self._ddl_commits and verb(sql) not in DATA)

    def _count(self, sql: str, entry: Sent) -> None:
        if is_begin(sql):
            self._in_transaction = True
        elif is_commit(sql):
            self.settle()
        elif is_rollback(sql):
            self.forget()
        elif _SAVEPOINT.match(sql):
            self._waiting.append(entry)
        elif _passes(sql):
            return
        elif self._waits(sql):
            self._unsettled += 1
            self._waiting.append(entry)
        else:
            self.settle()
            self.effects += 1

    def _count_failed(self, sql: str) -> None:
        """Count what a statement did although it failed.

        MySQL and MariaDB commit before they try a DDL statement:
        https://dev.mysql.com/doc/refman/9.1/en/implicit-commit.html
        """
        if self._in_transaction and self._ddl_commits:
            if not _passes(sql) and verb(sql) not in DATA:
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
        self._waiting.clear()

    @contextlib.contextmanager
    def committing(self) -> Iterator[None]:
        """Commit, in the block, the transaction that was opened around what ran."""
        entry = Sent("COMMIT")
        if self._waiting:
            self.note((*self._waiting, entry))
        yield
        entry.outcome = "done"
        self.settle()

    def pass_by(self, what: str) -> None:
        """Take note that `what` goes past the tap on the working session from here on."""
        self.plain = False
        if not self.opaque:
            self._unseen(what, waits=self._in_transaction)
        self.opaque = True

    def step_aside(self, what: str) -> None:
        """Take note that `what`, on a session of its own, is not seen."""
        if not self.aside:
            self.aside = True
            self._unseen(what, waits=False)

    def _unseen(self, what: str, *, waits: bool) -> None:
        entry = Sent(f"({what})", "unseen")
        self.sent.append(entry)
        if waits:
            self._waiting.append(entry)
        else:
            self.note((entry,))

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
        self._tap.pass_by("a script, of which only the end is seen")
        return self._tap.run(self._cursor.executescript, script)

    def __getattr__(self, name: str) -> Any:
        if name in _UNSEEN:
            self._tap.pass_by(f"the driver's own {name}()")
        elif name == "connection":
            self._tap.before("")  # what is sent by it is not seen
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
