"""PostgreSQL, and engines that speak its protocol."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from smalls.dialects.base import (
    Bound,
    Holder,
    Query,
    Session,
    Trouble,
    Violation,
    driver_error,
    has_mark,
    still_marked,
    walk,
)
from smalls.statements import split_statements, without_values
from smalls.urls import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    "42P04": Trouble.EXISTS,
    "XX001": Trouble.DAMAGED,
    "XX002": Trouble.DAMAGED,
    "53100": Trouble.FULL,
    "23505": Trouble.EXISTS,  # the index of pg_database, where two make it at the same moment
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
    ("no encryption", Trouble.TLS),
    ("SSL off", Trouble.TLS),
    ("SSL encryption", Trouble.TLS),
    ("no pg_hba.conf entry", Trouble.CREDENTIALS),
    ("is not permitted to log in", Trouble.CREDENTIALS),
    ("certificate verify failed", Trouble.TLS),
    ("does not match host name", Trouble.TLS),
    ("does not support SSL", Trouble.TLS),
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
_BUILD = re.compile(
    r"\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?(\"[^\"]+\"|\w+)\s+ON\b",
    re.IGNORECASE,
)
_CHECK_CLIENT_EVERY = "5s"
_LABEL_BYTES = 63
_IN_ERROR = 3
# No such savepoint, and no transaction to have one.
_UNMARKED = frozenset({"3B001", "25P01"})
_LOST_LOCK = "smalls has lost its lock"


class PostgresDialect:
    """PostgreSQL 15 to 18."""

    engine = Engine.POSTGRES
    transactional_ddl = True
    folds_names = False
    param = "%s"
    epoch = "extract(epoch from clock_timestamp())"
    session_query: str | None = "SELECT pg_backend_pid()"
    has_sessions = True
    default_schema = "public"
    maintenance: tuple[str, ...] = ("postgres", "template1")
    bounds_statements = True

    def is_relayed(self, connection: Any, session_id: str) -> bool:
        """Tell by the process id that the handshake gave (BackendKeyData), which a pooler makes up.

        https://www.postgresql.org/docs/current/protocol-flow.html
        """
        return str(connection.info.backend_pid) != session_id

    def lock_doubt(self, query: Query, connection: Any) -> str | None:  # noqa: ARG002 -- as the others that are called alike take it
        """Return a word on servers that only speak PostgreSQL's protocol, by what they report of themselves."""
        told = connection.info.parameter_status
        if told("crdb_version"):
            return "CockroachDB keeps no session locks"
        if "-YB-" in (told("server_version") or ""):
            return "YugabyteDB keeps session locks of one node only"
        return None

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
            "SET idle_session_timeout = 0",  # a migration may compute for long
            "SET idle_in_transaction_session_timeout = 0",
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
        state = _state(error)
        if state:
            return Trouble.LOST if state.startswith("08") else _STATES.get(state, Trouble.OTHER)
        text = str(driver_error(error))
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

    def read_only(self, query: Query) -> str | None:
        """Tell a standby, and a database or user whose transactions are read-only by default.

        https://www.postgresql.org/docs/current/hot-standby.html
        """
        read_only, standby = query("SELECT current_setting('transaction_read_only'), pg_is_in_recovery()")[0]
        if standby:
            return "it is a standby (pg_is_in_recovery)"
        return "its transactions are read-only (default_transaction_read_only)" if read_only == "on" else None

    def create_database(self, name: str, owner: str | None) -> str:
        """Return the statement; encoding and locale are those of the server's template."""
        return f"CREATE DATABASE {self.quote(name)}" + (f" OWNER {self.quote(owner)}" if owner else "")

    def cancel(self, query: Query, session_id: str) -> None:
        """Cancel what a backend is running: https://www.postgresql.org/docs/current/functions-admin.html."""
        query("SELECT pg_cancel_backend(%s)", (int(session_id),))

    def end(self, query: Query, session_id: str) -> None:
        """End a backend: https://www.postgresql.org/docs/current/functions-admin.html."""
        query("SELECT pg_terminate_backend(%s)", (int(session_id),))

    def is_at_work(self, query: Query, session_id: str) -> bool:
        """Tell by pg_stat_activity, which shows a user its own sessions."""
        sql = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND state = 'active'"
        return bool(query(sql, (int(session_id),)))

    def begin(self, query: Query, mark: str) -> None:
        """Open a transaction and mark its beginning."""
        query(f"BEGIN; SAVEPOINT {self.quote(mark)}")

    def is_ours(self, query: Query, mark: str) -> bool:
        """Tell by the mark."""
        return has_mark(query, self.quote(mark), self.trouble)

    def proof(self, mark: str) -> list[Bound]:
        """Return what needs the mark."""
        return still_marked(self.quote(mark))

    def disproves(self, error: BaseException) -> bool:
        """Tell by the SQLSTATE."""
        return _state(error) in _UNMARKED

    def joined(self, cursor: Any, statements: Sequence[Bound]) -> list[Bound]:
        """Return one script, which psycopg2 sends as one message; psycopg 3 takes no parameters in one.

        The rest of a script is not run after an error:
        https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
        """
        if not any(base.__module__.startswith("psycopg2") for base in type(cursor).__mro__):
            return list(statements)
        return [(b"; ".join(cursor.mogrify(sql, tuple(params) or None) for sql, params in statements), ())]

    def is_aborted(self, connection: Any) -> bool:
        """Tell by the driver's view of the session; 3 is a failed transaction in libpq and in both psycopgs."""
        return bool(not connection.closed and connection.info.transaction_status == _IN_ERROR)

    def parts(self, sql: str) -> list[str]:
        """Return the statements of a script."""
        return split_statements(sql) if ";" in sql.rstrip("; \n\t") else [sql]

    def is_ineffective(self, sql: str) -> bool:  # noqa: ARG002 -- as the others that are called alike take it
        """Tell that none is."""
        return False

    def in_transaction(self, connection: Any) -> bool:
        """Tell by the driver's view of the session; 0 is idle in libpq and in both psycopgs."""
        return bool(not connection.closed and connection.info.transaction_status != 0)

    def must_leave(self, sql: str) -> bool:
        """Tell whether PostgreSQL refuses the statement in a transaction block."""
        return _OUTSIDE.match(sql) is not None

    def before_transaction(self, query: Query) -> Callable[[], None]:  # noqa: ARG002 -- as the others that are called alike take it
        """Prepare nothing."""
        return lambda: None

    def key_check(self, sql: str) -> str | None:  # noqa: ARG002 -- as the others that are called alike take it
        """Return nothing: the server checks its own keys."""
        return None

    def violations(self, query: Query, check: str) -> list[Violation]:  # noqa: ARG002 -- as the others that are called alike take it
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

    def clear_leftover(self, query: Query, sql: str) -> bool:
        """Drop the invalid index that a failed CREATE INDEX CONCURRENTLY left, unless it is still being built.

        https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
        """
        found = _BUILD.match(sql)
        if not found:
            return False
        rows = query(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid"
            " AND indexrelid NOT IN"
            " (SELECT index_relid FROM pg_stat_progress_create_index WHERE index_relid IS NOT NULL)",
            (found[1],),
        )
        for (name,) in rows:
            query(f"DROP INDEX CONCURRENTLY {name}")
        return bool(rows)

    # ── our tables ──

    def table(self, schema: str | None, name: str) -> str:
        """Return the table's name, qualified where a schema is set."""
        return f"{self.quote(schema)}.{self.quote(name)}" if schema else self.quote(name)

    def home(self, query: Query, name: str) -> str | None:
        """Return the schema where search_path finds it, which a migration may set."""
        rows = query(
            "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.oid = to_regclass(%s)",
            (self.quote(name),),
        )
        return str(rows[0][0]) if rows else None

    def create_history(self, schema: str | None, ours: str) -> list[str]:
        """Return the history table as upstream's Peewee model makes it, with our columns beside."""
        return [
            (
                f"CREATE TABLE IF NOT EXISTS {self.table(schema, 'migration_history')} ("
                '"id" SERIAL NOT NULL PRIMARY KEY, "name" VARCHAR(255) NOT NULL, '
                '"migrated_at" TIMESTAMP NOT NULL, "version" INTEGER NOT NULL DEFAULT 0, '
                f"{ours})"
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
                '"migration" VARCHAR(255) NOT NULL, "event" VARCHAR(32) NOT NULL, "detail" TEXT, '
                'UNIQUE ("migration", "id"))'
            )
        ]

    def is_last(self, table: str) -> str:
        """Return the condition; an array is looked up by id, where a list would be held against the whole table."""
        return f"id = ANY (ARRAY({walk(table)}))"

    def column_type(self, meaning: str) -> str:
        """Return the type's name."""
        return {"text": "TEXT", "integer": "INTEGER", "time": "TIMESTAMP", "long text": "TEXT"}[meaning]

    def abilities(self, query: Query, schema: str | None) -> dict[str, bool | str]:
        """Return what the role may do, by PostgreSQL's privilege functions.

        https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-ACCESS
        """
        where = "current_schema()" if schema is None else self._literal(schema)
        answers = query(_ABILITIES.format(schema=where))[0]
        return dict(zip(_ABILITY_NAMES, map(_told, answers), strict=True)) | {
            "the server takes writes": self.read_only(query) is None
        }


def _state(error: BaseException) -> str | None:
    """Return an error's SQLSTATE, where it has one."""
    inner = driver_error(error)
    return getattr(inner, "pgcode", None) or getattr(inner, "sqlstate", None)


def _told(answer: Any) -> bool | str:
    return answer if isinstance(answer, bool) else str(answer)


_ABILITY_NAMES = (
    "user",
    "role",
    "schema",
    "superuser",
    "create databases",
    "create schemas",
    "create tables in the schema",
    "alter, index and drop every table in the schema",
    "take an advisory lock",
    "cancel its own statements",
    "see what other users' sessions run",
    "server is a read-only standby",
)
_ABILITIES = """
SELECT session_user, current_user, coalesce({schema}, '(none)'), rolsuper, rolcreatedb OR rolsuper,
  has_database_privilege(current_database(), 'CREATE'),
  coalesce(has_schema_privilege({schema}, 'CREATE'), false),
  NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident({schema}))
    AND c.relkind IN ('r', 'p') AND NOT pg_has_role(c.relowner, 'USAGE')),
  has_function_privilege('pg_try_advisory_lock(bigint)', 'EXECUTE'),
  has_function_privilege('pg_cancel_backend(integer)', 'EXECUTE'),
  rolsuper OR pg_has_role('pg_read_all_stats', 'USAGE'),
  pg_is_in_recovery()
FROM pg_roles WHERE rolname = current_user
"""
