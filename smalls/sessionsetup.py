"""The set-up of a run's connections, and what is left of it behind a pooler that changes sessions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from smalls.dialects.base import Session, Trouble, message_of
from smalls.errors import ConfigError
from smalls.statements import split_statements
from smalls.urls import Engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalls.dialects.base import Dialect
    from smalls.settings import Settings
    from smalls.stop import Stop
    from smalls.wire import Wire

_PROBES = 5
_LOCAL = re.compile(r"^SET ")


class SetUp:
    """Sets each connection up under the same role, schema and limits; `statements` are what the dialect says.

    `relayed` is whether a proxy or pooler speaks to the server in sessions of its own, `pooled` whether it
    changes them between transactions. Then the set-up is said anew in each transaction, for it alone: said for
    the session it would stay behind in one that others get, and not be there where the next statement runs.
    """

    def __init__(self, dialect: Dialect, session: Session, stop: Stop) -> None:
        self._dialect = dialect
        self._settings: Settings = session.settings
        self._stop = stop
        self.relayed = False
        self.pooled = False
        self.statements = dialect.setup(session)
        if not dialect.bounds_statements:
            stop.bounds_statements(session.settings.statement_timeout)

    @property
    def local(self) -> str:
        """The set-up for one transaction, as a script."""
        return "; ".join(_LOCAL.sub("SET LOCAL ", statement) for statement in self.statements)

    def prepare(self, connection: Any, wire: Callable[[], Wire]) -> str | None:
        """Send the set-up, and return the session's id. Raises ConfigError for what the database refuses.

        `wire` gives a connection of its own, to find out what is between us and the server.
        """
        try:
            return self._send_set_up(connection, wire)
        except Exception as error:
            if self._dialect.trouble(error) not in {Trouble.OTHER, Trouble.NO_TABLE}:
                raise
            said = [name for name, text in self._said().items() if text]
            raise ConfigError(
                f"The database refused the session's set-up: {message_of(error)}.",
                hint=f"Look at {' and '.join(said)}." if said else "Is it a database that smalls supports?",
            ) from None

    def _said(self) -> dict[str, str | None]:
        settings = self._settings
        return {
            "SMALLS_DB_ROLE": settings.db_role,
            "SMALLS_DB_SCHEMA (the schema must exist: CREATE SCHEMA)": settings.db_schema,
            "SMALLS_SESSION_SQL": settings.session_sql,
        }

    def _send_set_up(self, connection: Any, wire: Callable[[], Wire]) -> str | None:
        cursor = connection.cursor()
        session_id = self._id_of(cursor)
        self.relayed = session_id is not None and self._dialect.is_relayed(connection, session_id)
        if self.relayed and self._dialect.engine is Engine.POSTGRES:
            self.pooled = self.pooled or self._changes_sessions(cursor, wire)
        if self.pooled:
            self._do_without_session(connection)
        else:
            statements = [*self.statements, *split_statements(self._settings.session_sql or "")]
            # PostgreSQL takes them all in one round trip.
            for statement in ["; ".join(statements)] if self._dialect.engine is Engine.POSTGRES else statements:
                cursor.execute(statement)
        cursor.close()
        return session_id

    # ── behind a pooler ──

    def _id_of(self, cursor: Any) -> str | None:
        if not self._dialect.session_query:
            return None
        cursor.execute(self._dialect.session_query)
        return str(cursor.fetchone()[0])

    def _changes_sessions(self, cursor: Any, wire: Callable[[], Wire]) -> bool:
        """Tell whether the pooler gives this client's server session to others between its transactions.

        While this client is connected, nobody else can get its session unless it is given away.
        """
        other = wire()
        try:
            for _ in range(_PROBES):
                mine = self._id_of(cursor)
                other.query("BEGIN")
                theirs = str(other.query(self._dialect.session_query or "")[0][0])
                again = self._id_of(cursor)
                other.query("ROLLBACK")
                if theirs == mine or again != mine:
                    return True
        finally:
            other.close()
        return False

    def _do_without_session(self, connection: Any) -> None:
        """Refuse what needs a session of its own, and keep the rest from needing one."""
        said = [name.partition(" ")[0] for name, text in self._said().items() if text]
        if said:
            raise ConfigError(
                f"A pooler in transaction mode is between us and the server, and {' and '.join(said)} would be "
                "set for whatever session comes next, not for ours.",
                hint="Give smalls a URL that leads to the server itself (SMALLS_DATABASE_URL), or a pool in "
                "session mode.",
            )
        self._stop.bounds_statements(self._settings.statement_timeout)
        if hasattr(connection, "prepare_threshold"):
            connection.prepare_threshold = None  # psycopg 3 would prepare statements in sessions that it loses
