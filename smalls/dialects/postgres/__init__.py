"""PostgreSQL, and engines that speak its protocol."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from smalls.dialects.base import Bound, Query, Session, Trouble, Violation, has_mark, still_marked
from smalls.dialects.postgres.locks import Locks
from smalls.dialects.postgres.rights import abilities
from smalls.dialects.postgres.tables import Tables
from smalls.dialects.postgres.troubles import state_of, trouble_of
from smalls.statements import split_statements
from smalls.urls import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


class PostgresDialect(Locks, Tables):
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
        return trouble_of(error)

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
        return state_of(error) in _UNMARKED

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

    def abilities(self, query: Query, schema: str | None) -> dict[str, bool | str]:
        """Return what the role may do."""
        found = abilities(query, "current_schema()" if schema is None else self._literal(schema))
        return found | {"the server takes writes": self.read_only(query) is None}
