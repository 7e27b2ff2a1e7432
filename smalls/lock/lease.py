"""A lock for servers that keep no session locks: a row with owner, fencing token and expiry.

Whoever takes an expired lease over raises its token, so that a runner that slept through its expiry finds
another token than its own before it commits. All times are the server's.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from smalls.dialects.base import Holder, message_of
from smalls.errors import LockLostError
from smalls.session import Wire, WorkSession

if TYPE_CHECKING:
    from smalls.dialects.base import Query
    from smalls.events import Emit

TABLE = "smalls_lease"
_SECONDS = 30.0
_RENEWALS = 6
_CREATE = (
    "CREATE TABLE IF NOT EXISTS {table} (name VARCHAR(200) NOT NULL PRIMARY KEY, owner VARCHAR(200) NOT NULL, "
    "token BIGINT NOT NULL, expires DOUBLE PRECISION NOT NULL)"
)


class LeaseLock:
    """A lease on one row, renewed by a thread six times in its life."""

    name = "lease"
    has_second = False

    def __init__(self, work: WorkSession, key: str, owner: str, emit: Emit, *, seconds: float = _SECONDS) -> None:
        self._wire = Wire(work.database)
        self._dialect = work.dialect
        self._table = work.dialect.table(work.settings.db_schema, TABLE)
        self._key = key
        self._owner = owner
        self._emit = emit
        self._seconds = seconds
        self._number = 0
        self._stopped = threading.Event()
        self._lost = False
        self._prepare()

    def _prepare(self) -> None:
        """Make the table and the row; two runs may do so at once, and the one that is late finds them there."""
        with contextlib.suppress(Exception):
            self._query(_CREATE)
        if not self._row():
            with contextlib.suppress(Exception):
                self._query("INSERT INTO {table} (name, owner, token, expires) VALUES ({p}, '', 0, 0)", self._key)

    def _query(self, sql: str, *params: object) -> list[tuple[object, ...]]:
        return self._wire.query(self._filled(sql), params)

    def _filled(self, sql: str) -> str:
        return sql.format(table=self._table, p=self._dialect.param, now=self._dialect.epoch)

    def _row(self) -> tuple[str, int, bool] | None:
        rows = self._query("SELECT owner, token, expires > {now} FROM {table} WHERE name = {p}", self._key)
        return (str(rows[0][0]), int(str(rows[0][1])), bool(rows[0][2])) if rows else None

    def try_acquire(self) -> bool:
        """Take it if it is free or expired."""
        self._query(
            "UPDATE {table} SET owner = {p}, token = token + 1, expires = {now} + {p} "
            "WHERE name = {p} AND expires <= {now}",
            self._owner,
            self._seconds,
            self._key,
        )
        row = self._row()
        if row is None or row[0] != self._owner:
            return False
        self._number = row[1]
        threading.Thread(target=self._renew, daemon=True, name="smalls-lease").start()
        return True

    def _renew(self) -> None:
        while not self._stopped.wait(self._seconds / _RENEWALS):
            try:
                self._query(
                    "UPDATE {table} SET expires = {now} + {p} "
                    "WHERE name = {p} AND owner = {p} AND token = {p} AND expires > {now}",
                    self._seconds,
                    self._key,
                    self._owner,
                    self._number,
                )
                row = self._row()
            except Exception as error:
                self._lose(message_of(error))
                return
            if row != (self._owner, self._number, True):
                self._lose("it expired, or another run took it over")
                return

    def _lose(self, why: str) -> None:
        if not self._stopped.is_set():
            self._lost = True
            self._emit("lock.lost", f"The lease was lost: {why}.", lock=self.name)

    def release(self) -> None:
        """Give it back at once instead of letting it expire."""
        self._stopped.set()
        with contextlib.suppress(Exception):
            self._query(
                "UPDATE {table} SET expires = 0, owner = '' WHERE name = {p} AND owner = {p} AND token = {p}",
                self._key,
                self._owner,
                self._number,
            )
        self._wire.close()

    def holder(self) -> Holder | None:
        """Return the owner that stands in the row, if it has not expired."""
        row = self._row()
        return Holder(row[0]) if row and row[0] and row[2] else None

    def token(self) -> str:
        """Return the owner, which stands in the row while the lease runs."""
        return self._owner

    def is_held_with(self, token: str) -> bool:
        """Tell whether the holder is this owner."""
        holder = self.holder()
        return holder is not None and holder.session == token

    def check(self, query: Query) -> None:
        """Raise LockLostError unless the row is still ours, and hold it so until the transaction ends."""
        ours = "name = {p} AND owner = {p} AND token = {p} AND expires > {now}"
        sql = self._filled(f"SELECT token FROM {{table}} WHERE {ours} FOR UPDATE")
        held = not self._lost and query(sql, (self._key, self._owner, self._number))
        if not held:
            raise LockLostError("The lease was lost; the run stopped before its next commit.")
