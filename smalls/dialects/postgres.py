"""PostgreSQL, and engines that speak its protocol."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from smalls.dialects.base import Holder, Query, Session, Trouble, Violation, driver_error, has_mark
from smalls.statements import split_statements
from smalls.urls import Engine

if TYPE_CHECKING:
    from collections.abc import Callable

# SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
_STATES = {
    "28P01": Trouble.CREDENTIALS,
    "28000": Trouble.CREDENTIALS,
    "3D000": Trouble.NO_DATABASE,
    "57P03": Trouble.STARTING,
    "57P01": Trouble.LOST,
    "57P02": Trouble.LOST,
    "57P05": Trouble.LOST,
    "25P03": Trouble.LOST,
    "53300": Trouble.TOO_MANY,
    "55P03": Trouble.LOCKED,
    "40P01": Trouble.DEADLOCK,
    "57014": Trouble.CANCELLED,
    "42501": Trouble.PERMISSION,
    "25006": Trouble.READ_ONLY,
    "42P01": Trouble.NO_TABLE,
    "3F000": Trouble.NO_TABLE,
}
# libpq gives no SQLSTATE for a failed connection; the texts are its own and the server's.
_TEXTS = (
    ("could not translate host name", Trouble.UNKNOWN_HOST),
    ("invalid connection option", Trouble.BAD_OPTION),
    ("invalid integer value", Trouble.BAD_OPTION),
    ("certificate file", Trouble.BAD_OPTION),
    ("private key file", Trouble.BAD_OPTION),
    ("password authentication failed", Trouble.CREDENTIALS),
    ("no password supplied", Trouble.CREDENTIALS),
    ("authentication failed", Trouble.CREDENTIALS),
    ("no pg_hba.conf entry", Trouble.CREDENTIALS),
    ("is not permitted to log in", Trouble.CREDENTIALS),
    ("certificate verify failed", Trouble.CREDENTIALS),
    ("does not match host name", Trouble.CREDENTIALS),
    ("does not support SSL", Trouble.CREDENTIALS),
    ("the database system is", Trouble.STARTING),
    ("too many clients", Trouble.TOO_MANY),
    ("too many connections", Trouble.TOO_MANY),
    ("remaining connection slots", Trouble.TOO_MANY),
    ("timeout expired", Trouble.TIMED_OUT),
    ("Connection refused", Trouble.REFUSED),
    ("No such file or directory", Trouble.REFUSED),
    ("server closed the connection", Trouble.LOST),
    ("connection already closed", Trouble.LOST),
    ("connection to server was lost", Trouble.LOST),
    ("SSL connection has been closed", Trouble.LOST),
    ("could not receive data", Trouble.LOST),
    ("could not send data", Trouble.LOST),
    ("terminating connection", Trouble.LOST),
)
_NO_DATABASE = re.compile(r'database "[^"]*" does not exist')
_BAD_VALUE = re.compile(r"\binvalid \w+ value: ")
_ROLE_MISSING = re.compile(r'role "[^"]*" does not exist')

# Statements that PostgreSQL refuses inside a transaction block, each on its own page of
# https://www.postgresql.org/docs/current/sql-commands.html
_OUTSIDE = re.compile(
    r"\s*(?:CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY|DROP\s+INDEX\s+CONCURRENTLY"
    r"|REINDEX\b.*\bCONCURRENTLY|VACUUM\b|ALTER\s+SYSTEM\b"
    r"|(?:CREATE|DROP)\s+(?:DATABASE|TABLESPACE)\b|ALTER\s+TABLE\b.*\bDETACH\s+PARTITION\b.*\bCONCURRENTLY)",
    re.IGNORECASE | re.DOTALL,
)
_CHECK_CLIENT_EVERY = "5s"
_LABEL_BYTES = 63
_IN_ERROR = 3


class PostgresDialect:
    """PostgreSQL 15 to 18."""

    engine = Engine.POSTGRES
    transactional_ddl = True
    param = "%s"
    epoch = "extract(epoch from clock_timestamp())"
    session_query: str | None = "SELECT pg_backend_pid()"
    has_sessions = True
    default_schema = "public"
    bounds_statements = True

    def quote(self, name: str) -> str:
        """Return `name` as an identifier."""
        return '"' + name.replace('"', '""') + '"'

    def _literal(self, text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    def setup(self, session: Session) -> list[str]:
        """Return the session's SET statements.

        `client_connection_check_interval` lets the server notice a killed runner in the middle of a
        statement: https://www.postgresql.org/docs/current/runtime-config-connection.html
        """
        settings = session.settings
        label = session.label.encode()[:_LABEL_BYTES].decode(errors="ignore")
        statements = [
            f"SET application_name = {self._literal(label)}",
            f"SET client_connection_check_interval = '{_CHECK_CLIENT_EVERY}'",
            self.lock_wait_bound(settings.ddl_lock_timeout) or "",
        ]
        if settings.statement_timeout is not None:
            statements.append(f"SET statement_timeout = {int(settings.statement_timeout * 1000)}")
        if settings.db_role:
            statements.append(f"SET ROLE {self.quote(settings.db_role)}")
        if settings.db_schema:
            # A search_path may name what is not there; the cast may not.
            statements.append(f"SELECT {self._literal(self.quote(settings.db_schema))}::regnamespace")
            statements.append(f"SET search_path = {self.quote(settings.db_schema)}, public")
        return statements

    def trouble(self, error: BaseException) -> Trouble:
        """Tell an error's kind by its SQLSTATE, else by libpq's text."""
        inner = driver_error(error)
        state = getattr(inner, "pgcode", None) or getattr(inner, "sqlstate", None)
        if state:
            return Trouble.LOST if state.startswith("08") else _STATES.get(state, Trouble.OTHER)
        text = str(inner)
        if _NO_DATABASE.search(text):
            return Trouble.NO_DATABASE
        if _ROLE_MISSING.search(text):
            return Trouble.CREDENTIALS
        if _BAD_VALUE.search(text):
            return Trouble.BAD_OPTION
        return next((trouble for words, trouble in _TEXTS if words in text), Trouble.OTHER)

    def server(self, query: Query) -> str:
        """Return the server's version."""
        return f"PostgreSQL {query('SHOW server_version')[0][0]}"

    def cancel(self, query: Query, session_id: str) -> None:
        """Cancel what a backend is running: https://www.postgresql.org/docs/current/functions-admin.html."""
        query("SELECT pg_cancel_backend(%s)", (int(session_id),))

    def begin(self, query: Query, mark: str) -> None:
        """Open a transaction and mark its beginning."""
        query(f"BEGIN; SAVEPOINT {self.quote(mark)}")

    def is_ours(self, query: Query, mark: str) -> bool:
        """Tell by the mark."""
        return has_mark(query, self.quote(mark))

    def is_aborted(self, connection: Any) -> bool:
        """Tell by the driver's view of the session; 3 is a failed transaction in libpq and in both psycopgs."""
        return bool(not connection.closed and connection.info.transaction_status == _IN_ERROR)

    def parts(self, sql: str) -> list[str]:
        """Return the statements of a script."""
        return split_statements(sql) if ";" in sql.rstrip("; \n\t") else [sql]

    def is_ineffective(self, sql: str) -> bool:  # noqa: ARG002
        """Tell that none is."""
        return False

    def in_transaction(self, connection: Any) -> bool:
        """Tell by the driver's view of the session; 0 is idle in libpq and in both psycopgs."""
        return bool(not connection.closed and connection.info.transaction_status != 0)

    def must_leave(self, sql: str) -> bool:
        """Tell whether PostgreSQL refuses the statement in a transaction block."""
        return _OUTSIDE.match(sql) is not None

    def before_transaction(self, query: Query) -> Callable[[], None]:  # noqa: ARG002
        """Prepare nothing."""
        return lambda: None

    def violations(self, query: Query) -> list[Violation]:  # noqa: ARG002
        """Find nothing: the server checks its own keys."""
        return []

    def lock_wait_bound(self, seconds: float | None) -> str | None:
        """Return the SET statement; 0 is for ever, as CREATE INDEX CONCURRENTLY needs."""
        return f"SET lock_timeout = {int((seconds or 0) * 1000)}"

    # ── locks: https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS ──

    def _number(self, key: str) -> int:
        return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big", signed=True)

    def try_lock(self, query: Query, key: str) -> bool:
        """Take a session-level advisory lock if it is free."""
        return bool(query("SELECT pg_try_advisory_lock(%s)", (self._number(key),))[0][0])

    def unlock(self, query: Query, key: str) -> None:
        """Give the advisory lock back."""
        query("SELECT pg_advisory_unlock(%s)", (self._number(key),))

    def holder(self, query: Query, key: str) -> Holder | None:
        """Return the holder by pg_locks, where a 64-bit key is split over classid and objid."""
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
        return Holder(str(pid), user, host, program, since, statement if state == "active" else None)

    # ── our tables ──

    def table(self, schema: str | None, name: str) -> str:
        """Return the table's name, qualified where a schema is set."""
        return f"{self.quote(schema)}.{self.quote(name)}" if schema else self.quote(name)

    def create_history(self, schema: str | None) -> list[str]:
        """Return the history table as upstream's Peewee model makes it, with our columns beside."""
        return [
            (
                f"CREATE TABLE IF NOT EXISTS {self.table(schema, 'migration_history')} ("
                '"id" SERIAL NOT NULL PRIMARY KEY, "name" VARCHAR(255) NOT NULL, '
                '"migrated_at" TIMESTAMP NOT NULL, "version" INTEGER NOT NULL DEFAULT 0)'
            ),
            (
                'CREATE UNIQUE INDEX IF NOT EXISTS "migrationhistory_name" ON '
                f'{self.table(schema, "migration_history")} ("name")'
            ),
        ]

    def create_journal(self, schema: str | None) -> list[str]:
        """Return the journal's statement."""
        return [
            (
                f"CREATE TABLE IF NOT EXISTS {self.table(schema, 'smalls_journal')} ("
                '"id" SERIAL NOT NULL PRIMARY KEY, "at" TIMESTAMP NOT NULL, "run_id" VARCHAR(64) NOT NULL, '
                '"migration" VARCHAR(255) NOT NULL, "event" VARCHAR(32) NOT NULL, "detail" TEXT)'
            )
        ]

    def column_type(self, meaning: str) -> str:
        """Return the type's name."""
        return {"text": "TEXT", "integer": "INTEGER", "time": "TIMESTAMP"}[meaning]

    def abilities(self, query: Query, schema: str | None) -> dict[str, bool | str]:
        """Return what the role may do, by PostgreSQL's privilege functions."""
        where = "current_schema()" if schema is None else self._literal(schema)
        row = query(
            f"SELECT current_user, {where}, has_schema_privilege({where}, 'CREATE'),"
            " has_database_privilege(current_database(), 'CREATE'), pg_is_in_recovery()"
        )[0]
        return {
            "user": str(row[0]),
            "schema": str(row[1]),
            "create tables in the schema": bool(row[2]),
            "create schemas": bool(row[3]),
            "server is a read-only standby": bool(row[4]),
        }
