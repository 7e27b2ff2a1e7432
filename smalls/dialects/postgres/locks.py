"""PostgreSQL's locks: the advisory ones that a run takes, and whose relation locks a statement waits for."""

from __future__ import annotations

import hashlib

from smalls.dialects.base import Bound, Holder, Query, driver_error
from smalls.statements import without_values

_LOST_LOCK = "smalls has lost its lock"


class Locks:
    """What a dialect answers about locks: https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS."""

    def _number(self, key: str) -> int:
        return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big", signed=True)

    def try_lock(self, query: Query, key: str) -> bool:
        """Take a session-level advisory lock if it is free."""
        return bool(query("SELECT pg_try_advisory_lock(%s)", (self._number(key),))[0][0])

    def unlock(self, query: Query, key: str) -> None:
        """Give the advisory lock back."""
        query("SELECT pg_advisory_unlock(%s)", (self._number(key),))

    def holds_lock(self, query: Query, key: str, session_id: str) -> bool:
        """Tell by pg_locks, where a 64-bit key is split over classid and objid."""
        number = self._number(key) & 0xFFFFFFFFFFFFFFFF
        return bool(
            query(
                "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                " AND pid = %s AND classid = %s AND objid = %s",
                (int(session_id), number >> 32, number & 0xFFFFFFFF),
            )
        )

    def fencing(self, key: str, session_id: str) -> Bound | None:
        """Return a cast that fails where that session is gone, or where the lock is free to take.

        To look for the lock in pg_locks takes the server as long as a small migration: it gathers all locks there
        are. A session lives as long as its backend, and gives this lock up with its life.
        """
        sql = (
            "SELECT CAST(CASE WHEN pg_try_advisory_xact_lock(%s)"
            " OR NOT EXISTS (SELECT FROM pg_stat_get_activity(%s))"
            f" THEN '{_LOST_LOCK}' ELSE '0' END AS integer)"
        )
        return sql, (self._number(key), int(session_id))

    def denies_lock(self, error: BaseException) -> bool:
        """Tell by the text, which is ours in every language."""
        return _LOST_LOCK in str(driver_error(error))

    def holder(self, query: Query, key: str) -> Holder | None:
        """Return the holder, by pg_locks too."""
        number = self._number(key) & 0xFFFFFFFFFFFFFFFF
        rows = query(
            "SELECT l.pid, a.usename, coalesce(host(a.client_addr), 'local socket'), a.application_name,"
            " to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), a.state, a.query"
            " FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)"
            " WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted"
            " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND l.classid = %s AND l.objid = %s",
            (number >> 32, number & 0xFFFFFFFF),
        )
        if not rows:
            return None
        pid, user, host, program, since, state, statement = rows[0]
        shown = without_values(statement) if state == "active" else None
        return Holder(str(pid), user, host, program, since, shown)

    def blockers(self, query: Query, session_id: str) -> list[Holder]:
        """Return them by https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SESSION.

        Who may not see others' activity gets their ids only. The oldest transaction is first.
        """
        rows = query(
            "SELECT b.pid, a.usename, coalesce(host(a.client_addr), 'local socket'), a.application_name,"
            " a.state, a.query, extract(epoch FROM clock_timestamp() - a.xact_start)"
            " FROM unnest(pg_blocking_pids(%s)) AS b (pid) LEFT JOIN pg_stat_activity a USING (pid)"
            " GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 7 DESC NULLS LAST",
            (int(session_id),),
        )
        return [
            Holder(
                str(pid or "of a prepared transaction"),
                user,
                host if user else None,
                program,
                statement=without_values(statement) if statement else None,
                state=state,
                age=None if age is None else f"{float(age):.0f} s",
            )
            for pid, user, host, program, state, statement, age in rows
        ]
