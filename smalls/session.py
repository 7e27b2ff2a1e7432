"""Connections of a run: the working session that migrations run in, and wires beside it."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smalls.database import open_bounded, spare
from smalls.dialects.base import Session, Trouble, message_of
from smalls.errors import ConfigError
from smalls.statements import split_statements
from smalls.urls import MEMORY, Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from smalls.dialects.base import Dialect
    from smalls.settings import Settings
    from smalls.stop import Stop


class Wire:
    """One driver connection of its own, safe to use from more than one thread."""

    def __init__(self, database: Any) -> None:
        self._owner = spare(database)
        open_bounded(self._owner)
        self._connection = self._owner.connection()
        self._mutex = threading.Lock()

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement in autocommit and return its rows."""
        with self._mutex:
            cursor = self._connection.cursor()
            try:
                cursor.execute(sql, *([tuple(params)] if params else []))
                return list(cursor.fetchall()) if cursor.description else []
            finally:
                cursor.close()

    def close(self) -> None:
        """Close it; a connection that is broken already is as good as closed."""
        try:
            self._connection.close()
        except Exception:
            return


class WorkSession:
    """The session that migrations run in: the project's own database object, connected and set up.

    Every connection that the object makes is set up the same way, so that a migration that closes and
    reopens it goes on under the same role, schema and limits.
    """

    def __init__(self, database: Any, dialect: Dialect, settings: Settings, label: str, stop: Stop) -> None:
        self.database = database
        self.dialect = dialect
        self.settings = settings
        self.session_id: str | None = None
        self._thread = threading.get_ident()
        self.on_reconnect: Callable[[], None] | None = None
        self._label = label
        self._stop = stop
        self._set_up = dialect.setup(Session(settings, label))
        if not dialect.bounds_statements:
            stop.bounds_statements(settings.statement_timeout)
        self._own_set_up = database._initialize_connection  # noqa: SLF001 -- Peewee's hook for each new connection
        database._initialize_connection = self._initialise  # noqa: SLF001

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return all its rows. Raises Peewee's errors."""
        with self._stop.statement():
            cursor = self.database.execute_sql(sql, tuple(params) or None)
            return list(cursor.fetchall()) if cursor.description else []

    def records(self, sql: str) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
        """Run one query and return its column names, and its rows by column name."""
        with self._stop.statement():
            cursor = self.database.execute_sql(sql)
            names = tuple(column[0] for column in cursor.description)
            return names, [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def raw_query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement past everything: for locks, whatever a stop or a migration's hooks want."""
        cursor = self.raw.cursor()
        try:
            cursor.execute(sql, *([tuple(params)] if params else []))
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            cursor.close()

    def shielded(self) -> AbstractContextManager[None]:
        """Hold a stop back within the block."""
        return self._stop.shielded()

    @property
    def in_transaction(self) -> bool:
        """Whether the server has a transaction open for this session, whoever opened it."""
        return not self.database.is_closed() and self.dialect.in_transaction(self.raw)

    def bound_lock_waits(self, seconds: float | None) -> None:
        """Let a statement wait at most so long for a relation's lock; None is for ever, where that is safe."""
        statement = self.dialect.lock_wait_bound(seconds)
        if statement and not self.database.is_closed():
            self.raw_query(statement)

    @property
    def session_setup(self) -> list[str]:
        """The statements that every session of the run is set up with, the role's and schema's aside."""
        return [statement for statement in self._set_up if "ROLE" not in statement]

    def cancel(self) -> None:
        """Cancel the statement that this session is running; called from another thread."""
        if not self.dialect.has_sessions:
            self.raw.interrupt()
            return
        if self.session_id is not None:
            wire = Wire(self.database)
            try:
                self.dialect.cancel(wire.query, self.session_id)
            finally:
                wire.close()

    @property
    def exists(self) -> bool:
        """Whether there is anything to read: False for a SQLite file that was not made yet."""
        if self.dialect.engine is not Engine.SQLITE:
            return True
        name = str(self.database.database)
        return name == MEMORY or name.startswith("file:") or Path(name).exists()

    def connect(self) -> None:
        """Open the connection once. Raises the driver's error, wrapped by Peewee."""
        open_bounded(self.database)

    def reopen(self) -> None:
        """Close what is left of a broken connection and open a new one."""
        self.close()
        self.connect()

    def close(self) -> None:
        """Close the connection, whatever state it is in."""
        with contextlib.suppress(Exception):  # a broken connection raises whatever it likes
            self.raw.close()
        self.database.dispose()

    def detach(self) -> None:
        """Close, and give the project's object its own behaviour back."""
        self.close()
        self.database.__dict__.pop("_initialize_connection", None)

    def _initialise(self, connection: Any) -> None:
        """Set a new connection up, or leave none."""
        try:
            self._set_connection_up(connection)
        except BaseException:
            # Peewee counts it as open by now, and would next time use it as it is, without role or schema.
            with contextlib.suppress(Exception):
                connection.close()
            self.database._state.reset()  # noqa: SLF001
            raise

    def _set_connection_up(self, connection: Any) -> None:
        """Set a connection up; one that a migration's thread opened is not the working session."""
        self._own_set_up(connection)
        if threading.get_ident() != self._thread:
            self._prepare(connection)
            return
        self.raw = connection
        self.session_id = self._prepare(connection)
        if self.on_reconnect:
            self.on_reconnect()

    def _prepare(self, connection: Any) -> str | None:
        """Send the set-up, and return the session's id. Raises ConfigError for what the database refuses."""
        try:
            return self._send_set_up(connection)
        except Exception as error:
            if self.dialect.trouble(error) not in {Trouble.OTHER, Trouble.NO_TABLE}:
                raise
            said = [name for name, text in self._said().items() if text]
            raise ConfigError(
                f"The database refused the session's set-up: {message_of(error)}.",
                hint=f"Look at {' and '.join(said)}." if said else "Is it a database that smalls supports?",
            ) from None

    def _said(self) -> dict[str, str | None]:
        settings = self.settings
        return {
            "SMALLS_DB_ROLE": settings.db_role,
            "SMALLS_DB_SCHEMA (the schema must exist: CREATE SCHEMA)": settings.db_schema,
            "SMALLS_SESSION_SQL": settings.session_sql,
        }

    def _send_set_up(self, connection: Any) -> str | None:
        cursor = connection.cursor()
        statements = [*self._set_up, *split_statements(self.settings.session_sql or "")]
        if self.dialect.session_query:
            statements.append(self.dialect.session_query)
        # PostgreSQL takes them all in one round trip.
        for statement in ["; ".join(statements)] if self.dialect.engine is Engine.POSTGRES else statements:
            cursor.execute(statement)
        session_id = str(cursor.fetchone()[0]) if self.dialect.session_query else None
        cursor.close()
        return session_id
