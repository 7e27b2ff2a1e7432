"""MySQL's and MariaDB's locks: the named ones that a run takes, and whose metadata locks a statement waits for."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from smalls.dialects.base import Bound, Holder, Query, Trouble, driver_error
from smalls.dialects.mysql.troubles import trouble_of
from smalls.statements import without_values

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOO_MANY_ROWS = 1242
_LONGEST_LOCK_NAME = 64
_PENDING = """
SELECT DISTINCT t.PROCESSLIST_ID, t.PROCESSLIST_USER, t.PROCESSLIST_HOST, t.PROCESSLIST_COMMAND,
       t.PROCESSLIST_TIME, COALESCE(t.PROCESSLIST_INFO, s.SQL_TEXT)
FROM performance_schema.metadata_locks w JOIN performance_schema.threads me ON me.THREAD_ID = w.OWNER_THREAD_ID
JOIN performance_schema.metadata_locks g ON g.OBJECT_TYPE = w.OBJECT_TYPE AND g.OBJECT_SCHEMA <=> w.OBJECT_SCHEMA
     AND g.OBJECT_NAME <=> w.OBJECT_NAME AND g.LOCK_STATUS = 'GRANTED' AND g.OWNER_THREAD_ID <> w.OWNER_THREAD_ID
JOIN performance_schema.threads t ON t.THREAD_ID = g.OWNER_THREAD_ID
LEFT JOIN performance_schema.events_statements_current s ON s.THREAD_ID = t.THREAD_ID
WHERE me.PROCESSLIST_ID = %s AND w.LOCK_STATUS = 'PENDING' AND t.PROCESSLIST_ID IS NOT NULL
ORDER BY t.PROCESSLIST_TIME DESC
"""
_WAITS = "EXISTS (SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = %s AND STATE LIKE 'Waiting for %% lock')"
_HELD = f"""
SELECT DISTINCT p.ID, p.USER, p.HOST, p.COMMAND, p.TIME, p.INFO
FROM information_schema.METADATA_LOCK_INFO l JOIN information_schema.PROCESSLIST p ON p.ID = l.THREAD_ID
JOIN information_schema.PROCESSLIST me ON me.ID = %s
WHERE l.TABLE_SCHEMA = me.DB AND l.THREAD_ID <> me.ID AND LOCATE(l.TABLE_NAME, me.INFO) AND {_WAITS}
ORDER BY p.TIME DESC
"""
_OPEN = f"""
SELECT p.ID, p.USER, p.HOST, p.COMMAND, TIMESTAMPDIFF(SECOND, x.trx_started, NOW()), p.INFO
FROM information_schema.INNODB_TRX x JOIN information_schema.PROCESSLIST p ON p.ID = x.trx_mysql_thread_id
WHERE p.DB = DATABASE() AND p.ID <> CONNECTION_ID() AND {_WAITS}
ORDER BY x.trx_started LIMIT 3
"""


class Locks:
    """What a dialect answers about locks: https://dev.mysql.com/doc/refman/9.1/en/locking-functions.html."""

    def _lock_name(self, key: str) -> str:
        """Return a name of at most 64 characters; the lock is server-wide, so the key carries the database."""
        return f"smalls:{hashlib.sha256(key.encode()).hexdigest()}"[:_LONGEST_LOCK_NAME]

    def try_lock(self, query: Query, key: str) -> bool:
        """Take a named lock if it is free."""
        return bool(query("SELECT GET_LOCK(%s, 0)", (self._lock_name(key),))[0][0] == 1)

    def unlock(self, query: Query, key: str) -> None:
        """Give the named lock back."""
        query("SELECT RELEASE_LOCK(%s)", (self._lock_name(key),))

    def holds_lock(self, query: Query, key: str, session_id: str) -> bool:
        """Tell by IS_USED_LOCK."""
        return str(query("SELECT IS_USED_LOCK(%s)", (self._lock_name(key),))[0][0]) == session_id

    def fencing(self, key: str, session_id: str) -> Bound | None:
        """Return a subquery of too many rows, which is run only where that session does not have the lock.

        DO would be shorter, and MariaDB lets its errors pass.
        """
        sql = "SET @smalls = IF(IS_USED_LOCK(%s) <=> %s, 0, (SELECT 1 UNION SELECT 2))"
        return sql, (self._lock_name(key), int(session_id))

    def denies_lock(self, error: BaseException) -> bool:
        """Tell by the number; nothing else that is sent with it has a subquery."""
        inner = driver_error(error)
        return inner.args[:1] == (_TOO_MANY_ROWS,)

    def holder(self, query: Query, key: str) -> Holder | None:
        """Return the holder by IS_USED_LOCK and the process list (one's own user's threads at least)."""
        session = query("SELECT IS_USED_LOCK(%s)", (self._lock_name(key),))[0][0]
        if session is None:
            return None
        rows = query(
            "SELECT USER, HOST, COMMAND, TIME, INFO FROM information_schema.PROCESSLIST WHERE ID = %s", (session,)
        )
        if not rows:
            return Holder(str(session))
        user, host, command, seconds, statement = rows[0]
        program = f"{command} for {seconds} s"
        shown = _shown(statement) if command == "Query" else None
        return Holder(str(session), user, host, program, None, shown)

    def blockers(self, query: Query, session_id: str) -> list[Holder]:
        """Return who has what the session waits for, in the best of three ways that server and rights allow.

        MySQL tells it: https://dev.mysql.com/doc/refman/9.1/en/performance-schema-metadata-locks-table.html
        MariaDB tells what is held, with its plugin: https://mariadb.com/kb/en/metadata-lock-info-plugin/
        Else it is one of those who have a transaction open longest in this database.
        """
        for sql, params in (
            (_PENDING, (session_id,)),
            (_HELD, (session_id, session_id)),
            (_OPEN, (session_id,)),
        ):
            try:
                if rows := query(sql, params):
                    return [_blocker(row) for row in rows]
            except Exception as error:  # this way is not open here, unless the connection is gone
                if trouble_of(error) is Trouble.LOST:
                    raise
        return []


def _shown(statement: str | None) -> str | None:
    return without_values(statement, names_in="`") if statement else None


def _blocker(row: Sequence[Any]) -> Holder:
    session, user, host, command, seconds, statement = row
    state = "idle" if command == "Sleep" else "active"
    return Holder(str(session), user, host, statement=_shown(statement), state=state, age=f"{seconds} s")
