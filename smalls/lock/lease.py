"""A lock for servers that keep no session locks: a row with owner, fencing token and expiry.

Whoever takes an expired lease over raises its token, so that a runner that slept through its expiry finds
another token than its own before it commits. The times in the row are the server's; beside them the owner
counts by its own clock, which goes on while the process is paused, and sends nothing once its time is over.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from smalls.dialects.base import Holder, Trouble, message_of
from smalls.errors import LockLostError
from smalls.lock.base import Asked, NoLock

if TYPE_CHECKING:
    from smalls.dialects.base import Query
    from smalls.events import Emit
    from smalls.lock.base import Lock
    from smalls.session import WorkSession

TABLE = "smalls_lease"
_RENEWALS = 6
_CREATE = (
    "CREATE TABLE IF NOT EXISTS {table} (name VARCHAR(200) NOT NULL PRIMARY KEY, owner VARCHAR(200) NOT NULL, "
    "token BIGINT NOT NULL, expires DOUBLE PRECISION NOT NULL)"
)


class LeaseLock(Asked):
    """A lease on one row, renewed by a thread six times in its life."""

    name = "lease"
    has_second = False

    def __init__(self, work: WorkSession, key: str, owner: str, emit: Emit) -> None:
        self._wire = work.wire()
        self._dialect = work.dialect
        self._table = work.dialect.table(work.settings.db_schema, TABLE)
        self._key = key
        self._owner = owner
        self._emit = emit
        self._seconds = work.settings.lease_timeout
        self._number = 0
        self._until = float("inf")  # by our own clock
        self._stopped = threading.Event()
        self._why: str | None = None
        try:
            self._prepare()
            home = self._dialect.home(self._wire.query, TABLE)  # a migration's code may set another for its session
            self._table = self._dialect.table(work.settings.db_schema or home, TABLE)
        except BaseException:
            self._wire.close()
            raise

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
        until = _now() + self._seconds
        try:
            self._query(
                "UPDATE {table} SET owner = {p}, token = token + 1, expires = {now} + {p} "
                "WHERE name = {p} AND expires <= {now}",
                self._owner,
                self._seconds,
                self._key,
            )
        except Exception as error:
            if self._dialect.trouble(error) is not Trouble.DEADLOCK:  # another node of a cluster was first
                raise
        row = self._row()
        if row is None or row[0] != self._owner:
            return False
        self._number, self._until = row[1], until
        threading.Thread(target=self._renew, daemon=True, name="smalls-lease").start()
        return True

    # ── kept ──

    def _renew(self) -> None:
        while not self._stopped.wait(self._seconds / _RENEWALS) and not self.lost:
            try:
                self._renew_once()
            except Exception as error:
                self._reconnect(error)
        if self.lost and not self._stopped.is_set():
            self._emit("lock.lost", f"The lease was lost: {self.lost}.", lock=self.name)

    def _renew_once(self) -> None:
        until = _now() + self._seconds
        self._query(
            "UPDATE {table} SET expires = {now} + {p} "
            "WHERE name = {p} AND owner = {p} AND token = {p} AND expires > {now}",
            self._seconds,
            self._key,
            self._owner,
            self._number,
        )
        if self._row() == (self._owner, self._number, True):
            self._until = until
        else:
            self._why = "it expired, or another run took it over"

    def _reconnect(self, error: Exception) -> None:
        """Open the connection again; a lease outlives it, as long as it is renewed in time."""
        if self._dialect.trouble(error) is Trouble.LOST:
            with contextlib.suppress(Exception):
                self._wire.reopen()
        elif self._dialect.trouble(error) is not Trouble.DEADLOCK:
            self._why = message_of(error)

    @property
    def lost(self) -> str | None:
        """Why it is lost: what its renewal found, or that its time is over by our own clock."""
        if not self._why and _now() >= self._until:
            self._why = "it could not be renewed before it expired; was the process paused?"
        return self._why

    def check(self, query: Query) -> None:
        """Raise LockLostError unless the row is still ours, and hold it so until the transaction ends.

        It is written too, so that a cluster of servers that compares what transactions wrote finds the two.
        """
        ours = "name = {p} AND owner = {p} AND token = {p} AND expires > {now}"
        own = (self._key, self._owner, self._number)
        held = not self.lost and query(self._filled(f"SELECT token FROM {{table}} WHERE {ours} FOR UPDATE"), own)
        if not held:
            self._why = self._why or "it expired, or another run took it over"
            raise LockLostError(f"The lease was lost ({self._why}); the run stopped before its next commit.")
        query(self._filled(f"UPDATE {{table}} SET expires = {{now}} + {{p}} WHERE {ours}"), (self._seconds, *own))

    # ── given back, told, handed on ──

    def release(self) -> None:
        """Give it back at once instead of letting it expire."""
        self._stopped.set()
        if self._number:
            with contextlib.suppress(Exception):
                self._query(
                    "UPDATE {table} SET expires = 0, owner = '' WHERE name = {p} AND owner = {p} AND token = {p}",
                    self._key,
                    self._owner,
                    self._number,
                )
        self.close()

    def close(self) -> None:
        """Renew it no more, and close its connection."""
        self._stopped.set()
        self._wire.close()

    def holder(self) -> Holder | None:
        """Return the owner that stands in the row, if it has not expired."""
        row = self._row()
        return Holder(row[0]) if row and row[0] and row[2] else None

    def token(self) -> str:
        """Return the owner, which stands in the row while the lease runs."""
        return self._owner

    def inherit(self, token: str) -> Lock | None:
        """Return the parent's lease, checked as the parent's own, if the token is its owner's name."""
        row = self._row()
        if row is None or not row[2] or row[0] != token:
            return None
        self._owner, self._number = token, row[1]
        return InheritedLease(self)


class InheritedLease(NoLock):
    """The parent run's lease: checked before each commit, renewed and given back by the parent."""

    name = "inherited"

    def __init__(self, lease: LeaseLock) -> None:
        self._lease = lease

    def check(self, query: Query) -> None:
        """Raise LockLostError unless the parent still has it."""
        self._lease.check(query)

    def release(self) -> None:
        """Close its connection, and leave the lease to the parent."""
        self._lease.close()


def _now() -> float:
    """Return seconds by a clock that also counts while the machine sleeps, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
