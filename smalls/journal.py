"""The journal: what was begun, failed, undone, repaired and faked, appended to and never changed.

The history table holds applied migrations only; the story of how they came to be is here.
"""

from __future__ import annotations

import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

from smalls.dialects.base import Trouble
from smalls.errors import HistoryError
from smalls.history import home, make, read_if_there
from smalls.model import Direction, Unfinished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from smalls.clock import Clock
    from smalls.dialects.base import Bound, Query
    from smalls.redact import Redactor
    from smalls.session import WorkSession
    from smalls.wire import Wire

Entry: TypeAlias = tuple[str, str]
"""An event, and its detail as JSON."""

TABLE = "smalls_journal"
STARTED, FAILED, APPLIED = "started", "failed", "applied"
WITHDRAWN = "withdrawn"  # failed, and nothing of it took effect
UNDO_STARTED, UNDO_FAILED, UNDONE = "undo_started", "undo_failed", "undone"
STEP, UNDO_STEP = "step", "undo_step"  # of a declarative migration outside a transaction: how far it came
STATEMENT, UNDO_STATEMENT = "statement", "undo_statement"  # of a direct one: what is about to take effect
REPAIRED, BASELINED, FAKED = "repaired", "baselined", "faked"
_ENDS = {APPLIED, UNDONE, BASELINED, FAKED}
_INTENTS = {STATEMENT, UNDO_STATEMENT}
_PAGE = 50  # entries; few migrations have more that are not over
_NEWEST = 2**63 - 1  # above any id
UNDO_APPROVED = "undo_approved"  # of no migration: the plan that a digest approved
SKIPPED = "skipped"  # of no migration: a run that SMALLS_SKIP kept from doing anything
_UNFINISHED = {
    STARTED: ("running", Direction.FORWARD),
    FAILED: ("failed", Direction.FORWARD),
    STEP: ("running", Direction.FORWARD),
    STATEMENT: ("running", Direction.FORWARD),
    UNDO_STARTED: ("running", Direction.BACKWARD),
    UNDO_STEP: ("running", Direction.BACKWARD),
    UNDO_STATEMENT: ("running", Direction.BACKWARD),
    UNDO_FAILED: ("failed", Direction.BACKWARD),
}


_RESUMABLE = {STARTED, STEP, UNDO_STARTED, UNDO_STEP}
_BUSY_MS = 100


def unfenced() -> None:
    """Let everything pass, while no lock is held."""


class Journal:
    """Reads and appends to the journal, through the working session or beside it.

    `fence` may refuse to let it write through the session.
    """

    def __init__(self, work: WorkSession, clock: Clock, run_id: str, who: str, redactor: Redactor) -> None:
        self._work = work
        self._clock = clock
        self._run_id = run_id
        self._who = who
        self._redactor = redactor
        self.fence: Callable[[], None] = unfenced
        self._wire: Wire | None = None
        self._mutex = threading.Lock()
        self._home = work.settings.db_schema
        self.table = work.dialect.table(self._home, TABLE)

    def ensure(self) -> None:
        """Make the table where it is not there."""
        for statement in self._work.dialect.create_journal(self._home):
            make(self._work, statement)

    def settle(self) -> None:
        """Find the table from now on where it is now, whatever a migration's code sets for the session."""
        self._home = home(self._work, TABLE)
        self.table = self._work.dialect.table(self._home, TABLE)

    def add(self, key: str, event: str, *, quietly: bool = False, **detail: Any) -> None:
        """Append an entry; part of whatever transaction is open. Known secrets are taken out of details.

        `quietly` past what watches a migration's statements, whose effects it is none of. Raises LockLostError
        where another run may have begun.
        """
        self.fence()
        (self._work.raw_query if quietly else self._work.query)(*self.addition(key, event, **detail))

    def add_beside(self, key: str, event: str, *, fence: Sequence[Bound] = (), **detail: Any) -> None:
        """Append an entry for good, whatever becomes of the transactions of the working session.

        Nothing is written where a statement of `fence` fails, which is sent with it.

        SQLite has one writer: there it is part of the transaction that is open, and stands or falls with what
        it tells of. Raises what the database raises; a connection that was cut meanwhile is made again once.
        """
        with self._mutex:
            insert = self.addition(key, event, **detail)
            if not self._work.dialect.has_sessions:
                self._add_to_file(insert)
                return
            try:
                self._beside().send(self._work.dialect, *fence, insert)
            except Exception as error:
                if self._work.dialect.trouble(error) is not Trouble.LOST:
                    raise
                self.close()
                self._beside().send(self._work.dialect, *fence, insert)

    def close(self) -> None:
        """Close the connection beside the working session, if there is one."""
        if self._wire is not None:
            self._wire.close()
        self._wire = None

    def _beside(self) -> Wire:
        if self._wire is None:
            self._wire = self._work.beside()
        return self._wire

    def _add_to_file(self, insert: Bound) -> None:
        """Append on SQLite: beside the session where that can be, since code may ask for its last row's id.

        It cannot be while the session has rows to read left, or has the file for itself.
        """
        if not self._work.in_memory and not self._work.in_transaction:
            with contextlib.suppress(Exception):
                wire = self._beside()
                wire.query(f"PRAGMA busy_timeout = {_BUSY_MS}")
                wire.query(*insert)
                return
        self._work.raw_query(*insert)

    def addition(self, key: str, event: str, **detail: Any) -> Bound:
        """Return the statement that appends an entry. Known secrets are taken out of details."""
        marks = ", ".join([self._work.dialect.param] * 5)
        text = json.dumps({"who": self._who, **self._redactor.value(detail)}, default=str)
        sql = f"INSERT INTO {self.table} (at, run_id, migration, event, detail) VALUES ({marks})"
        return sql, (self._clock.utc(), self._run_id, key, event, text)

    def entries(self, key: str) -> list[Entry]:
        """Return one migration's story since it was last brought to an end, oldest first.

        Raises HistoryError for an entry that cannot be meant.
        """
        return [_entry(key, event, detail) for _, event, detail in self._since_its_end(key, self._work.query)]

    def has_sent(self, key: str, statement: str) -> bool:
        """Tell whether a migration, unfinished since, was about to send a statement. Past what watches it."""
        noted = self._since_its_end(key, self._work.raw_query)
        return any(json.dumps(statement) in str(detail) for _, event, detail in noted if event in _INTENTS)

    def last_run(self, key: str) -> list[Entry]:
        """Return what the last run that had to do with an unfinished migration says of it, oldest first."""
        found = self._since_its_end(key, self._work.query)
        return [_entry(key, event, detail) for run, event, detail in found if run == found[-1][0]]

    def _since_its_end(self, key: str, query: Query) -> list[tuple[Any, Any, Any]]:
        """Return run, event and detail of what was not over with a migration's last end, oldest first.

        Read from the newest on, since of what is over there is ever more.
        """
        param = self._work.dialect.param
        sql = (
            f"SELECT id, run_id, event, detail FROM {self.table} WHERE migration = {param} AND id < {param} "
            f"ORDER BY id DESC LIMIT {_PAGE}"
        )
        found: list[tuple[Any, Any, Any]] = []
        below: Any = _NEWEST
        while True:
            page = query(sql, (key, below))
            for number, run, event, detail in page:
                if event in _ENDS:
                    return found[::-1]
                below = number
                found.append((run, event, detail))
            if len(page) < _PAGE:
                return found[::-1]

    def story(self, events: Sequence[str]) -> list[tuple[Any, str, str, dict[str, Any]]]:
        """Return when, of which migration, event and detail of each entry of `events`, oldest first.

        Creates nothing.
        """
        sql = (
            f"SELECT at, migration, event, detail FROM {self.table} WHERE event IN ({_listed(events)}) ORDER BY id"
        )
        found = read_if_there(self._work, sql) if self._work.exists else None
        return [
            (record["at"], str(record["migration"]), str(record["event"]), _detail(record["detail"]) or {})
            for record in (found[1] if found else [])
        ]

    def told(self, event: str) -> list[dict[str, Any]]:
        """Return what each entry of an event says, oldest first; creates nothing."""
        return [detail for *_, detail in self.story([event])]

    def unfinished(self) -> list[Unfinished]:
        """Return the migrations whose last entry is a beginning or a failure; creates nothing."""
        if not self._work.exists:
            return []
        sql = (
            f"SELECT migration, event, at, detail FROM {self.table} WHERE event IN ({_listed(_UNFINISHED)}) "
            f"AND {self._work.dialect.is_last(self.table)} ORDER BY id"
        )
        found = read_if_there(self._work, sql)
        records = found[1] if found else []
        return [_unfinished(record) for record in records]


def _listed(events: Iterable[str]) -> str:
    return ", ".join(f"'{event}'" for event in events)


def _entry(key: str, event: Any, detail: Any) -> Entry:
    """Return an entry of `key` as it is; raises HistoryError for one that somebody has changed beyond meaning."""
    found = _detail(detail)
    if found is None or not all(holds(found.get(name)) for name, holds in _MEANT.get(event, {}).items()):
        raise HistoryError(
            f"An entry of {TABLE} cannot be read: a {event!r} of {key}.",
            hint="Look at the database, then correct or delete that entry by hand.",
        )
    return str(event), json.dumps(found)


def _detail(text: Any) -> dict[str, Any] | None:
    """Return an entry's detail, without lists of statements that cannot be meant; None for what is none."""
    try:
        found = json.loads(text or "{}")
    except (TypeError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return {name: value for name, value in found.items() if name != "statements" or _is_list(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and value >= 0


def _is_list(value: Any) -> bool:
    """Tell whether it is a list of statements, with or without their outcomes, or of outcomes."""
    return isinstance(value, list) and all(
        isinstance(each, str) or (isinstance(each, dict) and each.keys() >= _PART and _is_list([*each.values()]))
        for each in value
    )


_PART = {"statement", "outcome"}
_REACHED: dict[str, Callable[[Any], bool]] = {"next": _is_number}
_INTENT: dict[str, Callable[[Any], bool]] = {"number": _is_number, "ended": _is_list, "statements": _is_list}
_MEANT = {STEP: _REACHED, UNDO_STEP: _REACHED, STATEMENT: _INTENT, UNDO_STATEMENT: _INTENT}


def _unfinished(record: dict[str, Any]) -> Unfinished:
    state, direction = _UNFINISHED[record["event"]]
    detail = _detail(record["detail"]) or {}
    at = str(record["at"]).partition(".")[0]
    resumable = record["event"] in _RESUMABLE or (state == "failed" and bool(detail.get("resumable", True)))
    return Unfinished(str(record["migration"]), state, direction, at, detail, resumable=resumable)
