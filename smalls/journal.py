"""The journal: what was begun, failed, undone, repaired and faked, appended to and never changed.

The history table holds applied migrations only; the story of how they came to be is here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from smalls.history import read_if_there
from smalls.model import Direction, Unfinished

if TYPE_CHECKING:
    from smalls.clock import Clock
    from smalls.redact import Redactor
    from smalls.session import WorkSession

Entry: TypeAlias = tuple[str, str]
"""An event, and its detail as JSON."""

TABLE = "smalls_journal"
STARTED, FAILED, APPLIED = "started", "failed", "applied"
WITHDRAWN = "withdrawn"  # failed, and nothing of it took effect
UNDO_STARTED, UNDO_FAILED, UNDONE = "undo_started", "undo_failed", "undone"
STEP, UNDO_STEP = "step", "undo_step"  # of a declarative migration outside a transaction: how far it came
REPAIRED, BASELINED, FAKED = "repaired", "baselined", "faked"
_UNFINISHED = {
    STARTED: ("running", Direction.FORWARD),
    FAILED: ("failed", Direction.FORWARD),
    STEP: ("running", Direction.FORWARD),
    UNDO_STARTED: ("running", Direction.BACKWARD),
    UNDO_STEP: ("running", Direction.BACKWARD),
    UNDO_FAILED: ("failed", Direction.BACKWARD),
}


class Journal:
    """Reads and appends to the journal through the working session."""

    def __init__(self, work: WorkSession, clock: Clock, run_id: str, who: str, redactor: Redactor) -> None:
        self._work = work
        self._clock = clock
        self._run_id = run_id
        self._who = who
        self._redactor = redactor
        self.table = work.dialect.table(work.settings.db_schema, TABLE)

    def ensure(self) -> None:
        """Make the table where it is not there."""
        for statement in self._work.dialect.create_journal(self._work.settings.db_schema):
            self._work.query(statement)

    def add(self, key: str, event: str, *, quietly: bool = False, **detail: Any) -> None:
        """Append an entry; part of whatever transaction is open. Known secrets are taken out of details.

        `quietly` past what watches a migration's statements, whose effects it is none of.
        """
        param = self._work.dialect.param
        text = json.dumps({"who": self._who, **self._redactor.value(detail)}, default=str)
        send = self._work.raw_query if quietly else self._work.query
        send(
            f"INSERT INTO {self.table} (at, run_id, migration, event, detail) VALUES ({', '.join([param] * 5)})",
            (self._clock.utc(), self._run_id, key, event, text),
        )

    def entries(self, key: str) -> list[Entry]:
        """Return one migration's story, oldest first."""
        sql = f"SELECT event, detail FROM {self.table} WHERE migration = {self._work.dialect.param} ORDER BY id"
        return [(str(event), str(detail)) for event, detail in self._work.query(sql, (key,))]

    def unfinished(self) -> list[Unfinished]:
        """Return the migrations whose last entry is a beginning or a failure; creates nothing."""
        if not self._work.exists:
            return []
        names = ", ".join(f"'{event}'" for event in _UNFINISHED)
        sql = (
            f"SELECT migration, event, at, detail FROM {self.table} WHERE event IN ({names}) "
            f"AND id IN (SELECT MAX(id) FROM {self.table} GROUP BY migration) ORDER BY id"
        )
        found = read_if_there(self._work, sql)
        records = found[1] if found else []
        return [_unfinished(record) for record in records]


def _unfinished(record: dict[str, Any]) -> Unfinished:
    state, direction = _UNFINISHED[record["event"]]
    try:
        detail = json.loads(record["detail"] or "{}")
    except ValueError:
        detail = {}
    at = str(record["at"]).partition(".")[0]
    return Unfinished(record["migration"], state, direction, at, detail if isinstance(detail, dict) else {})
