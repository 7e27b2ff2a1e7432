"""Connections of a run: the working session that migrations run in, and wires beside it."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import weakref
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any

from smalls.database import cut, open_bounded, spare
from smalls.dialects.base import Session, Trouble, message_of
from smalls.errors import ConfigError, ConnectionLostError, UnknownDatabaseError
from smalls.statements import split_statements
from smalls.urls import MEMORY, Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from smalls.dialects.base import Bound, Dialect, Query
    from smalls.settings import Settings
    from smalls.stop import Stop


_PROBES = 5
_LOCAL = re.compile(r"^SET ")


def _is_file(name: str) -> bool:
    """Tell whether a SQLite file is there; raises UnknownDatabaseError where none can be."""
    path = Path()
    try:
        path = Path(os.path.realpath(name))
        if S_ISREG(path.stat().st_mode):  # one look: between two of them another run may make the file
            return True
        why = "it is no file"
    except (FileNotFoundError, NotADirectoryError):
        if path.parent.is_dir():
            return False
        why = "its folder is not there"
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
    raise UnknownDatabaseError(f"{name} cannot be opened: {why}.", hint="Name a file in a folder that exists.")


class Wire:
    """One driver connection of its own, safe to use from more than one thread.

    `session` is its session's id, where that was asked for.
    """

    def __init__(self, database: Any) -> None:
        self.session: str | None = None
        self._owner = spare(database)
        self._mutex = threading.Lock()
        self.reopen()

    def reopen(self) -> None:
        """Close what is left of the connection, and open a new one."""
        with self._mutex:
            self._owner.dispose()
            open_bounded(self._owner)
            self._connection = self._owner.connection()

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement in autocommit and return its rows."""
        with self._mutex:
            cursor = self._connection.cursor()
            try:
                cursor.execute(sql, *([tuple(params)] if params else []))
                return list(cursor.fetchall()) if cursor.description else []
            finally:
                cursor.close()

    def send(self, dialect: Dialect, *statements: Bound) -> None:
        """Run statements, none after one that fails; in one round trip where driver and server can."""
        with self._mutex:
            _send(self._connection, dialect, statements)

    @property
    def connection(self) -> Any:
        """The driver's connection."""
        return self._connection

    def cut(self) -> None:
        """Let whoever waits for its answer, or sends on it, find it broken; called from another thread."""
        cut(self._connection)

    def close(self) -> None:
        """Close it; a connection that is broken already is as good as closed."""
        try:
            self._connection.close()
        except Exception:
            return


def _send(connection: Any, dialect: Dialect, statements: Sequence[Bound]) -> None:
    cursor = connection.cursor()
    try:
        for sql, params in dialect.joined(cursor, statements):
            cursor.execute(sql, *([tuple(params)] if params else []))
    finally:
        cursor.close()


class WorkSession:
    """The session that migrations run in: the project's own database object, connected and set up.

    Every connection that the object makes is set up the same way, so that a migration that closes and
    reopens it goes on under the same role, schema and limits.

    `relayed` is whether a proxy or pooler speaks to the server in sessions of its own, `pooled` whether it
    changes them between transactions. Then the set-up is said anew in each transaction, for it alone: said for
    the session it would stay behind in one that others get, and not be there where the next statement runs.
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
        self.raw: Any = None
        self.relayed = False
        self.pooled = False
        self._wires: weakref.WeakSet[Wire] = weakref.WeakSet()
        self._lost: list[str] | None = None
        self._silent = False
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
            cursor = self.database.execute_sql(self._set_up_for(sql))
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

    def send(self, *statements: Bound) -> None:
        """Run statements past everything, none after one that fails; in one round trip where driver and server can.

        Raises the driver's errors.
        """
        with self._stop.statement():
            _send(self.raw, self.dialect, statements)

    def shielded(self) -> AbstractContextManager[None]:
        """Hold a stop back within the block."""
        return self._stop.shielded()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in a transaction of smalls' own, with a stop held back.

        What raises leaves none open: a lease could not be given back while a row of it is locked here.
        """
        with self.shielded():
            self.query("BEGIN")
            try:
                yield
                self.query("COMMIT")
            except BaseException:
                with contextlib.suppress(Exception):
                    self.raw_query("ROLLBACK")
                raise

    @property
    def in_transaction(self) -> bool:
        """Whether the server has a transaction open for this session, whoever opened it."""
        return not self.database.is_closed() and self.dialect.in_transaction(self.raw)

    def bound_lock_waits(self, seconds: float | None) -> bool:
        """Let a statement wait at most so long for a relation's lock; None is for ever, where that is safe.

        Returns whether the bound was set.
        """
        statement = self.dialect.lock_wait_bound(seconds)
        if not statement or self.database.is_closed() or self.pooled:
            return False
        self.raw_query(statement)
        return True

    def set_up_transaction(self) -> None:
        """Set the open transaction up, where the session cannot be."""
        if self.pooled:
            self.raw_query(self._local_set_up)

    @property
    def _local_set_up(self) -> str:
        return "; ".join(_LOCAL.sub("SET LOCAL ", statement) for statement in self._set_up)

    def _set_up_for(self, sql: str) -> Any:
        """Return a query with the set-up of its own transaction before it, where the session has none."""
        if not self.pooled or self.in_transaction:
            return sql
        *_, (last, _) = self.dialect.joined(self.raw.cursor(), [(self._local_set_up, ()), (sql, ())])
        return last

    @property
    def lock_doubt(self) -> str | None:
        """Why session locks would not keep two runs apart; None where they do."""
        if self.relayed:
            return "a pooler or proxy is between us and the server, which has sessions of its own"
        return self.dialect.lock_doubt(self.raw_query, self.raw)

    @property
    def session_setup(self) -> list[str]:
        """The statements that every session of the run is set up with, the role's and schema's aside."""
        return [statement for statement in self._set_up if "ROLE" not in statement]

    def wire(self) -> Wire:
        """Return a connection of its own, which the caller closes; it is given up together with this one."""
        wire = Wire(self.database)
        self._wires.add(wire)
        return wire

    def beside(self) -> Wire:
        """Return a connection beside this one, set up in the same way; the caller closes it.

        What it commits does not depend on what becomes of this one's transactions. Raises as `connect`.
        """
        wire = self.wire()
        try:
            self._prepare(wire.connection)
        except BaseException:
            wire.close()
            raise
        return wire

    def cancel(self) -> bool:
        """Cancel the statement that this session is running; called from another thread.

        Returns whether the server is still at it. Sessions whose connections were given up are ended.
        """
        if not self.dialect.has_sessions:
            self.raw.interrupt()
            return False
        if self.relayed:
            self.raw.cancel()  # the way that a pooler knows; the id is that of a session which others use too
            return True
        if self._lost is not None:
            return self._end_lost(self._lost)
        if self.session_id is None:  # it is being set up: nothing to cancel yet, but is the server there?
            self.wire().close()
            return False
        return self._ask_of(self.session_id, self.dialect.cancel)

    def _end_lost(self, sessions: list[str]) -> bool:
        wire = self.wire()
        try:
            while sessions:
                with contextlib.suppress(Exception):  # it has ended already
                    self.dialect.end(wire.query, sessions.pop())
        finally:
            wire.close()
        return False

    def is_at_work(self) -> bool:
        """Tell whether the server is at a statement of this session; called from another thread."""
        session = self.session_id
        known = self.dialect.has_sessions and not self.relayed and session is not None
        return known and self._ask_of(session or "", lambda _query, _session: None)

    def _ask_of(self, session: str, what: Callable[[Query, str], None]) -> bool:
        wire = self.wire()
        try:
            what(wire.query, session)
            return self.dialect.is_at_work(wire.query, session)
        finally:
            wire.close()

    def abandon(self, answering: bool) -> None:
        """Break all connections of the run, for whoever waits for an answer; called from another thread.

        Unless the server is `answering` on new ones, none is opened any more.
        """
        self._silent = not answering
        wires = list(self._wires)
        self._lost = [session for session in (self.session_id, *(wire.session for wire in wires)) if session]
        for wire in wires:
            wire.cut()
        cut(self.raw)

    @property
    def exists(self) -> bool:
        """Whether there is anything to read: False for a SQLite file that was not made yet.

        Raises UnknownDatabaseError for a path at which there can be no such file.
        """
        if self.dialect.engine is not Engine.SQLITE:
            return True
        name = str(self.database.database)
        return self.in_memory or name.startswith("file:") or _is_file(name)

    @property
    def in_memory(self) -> bool:
        """Whether no other connection can see the database."""
        return self.dialect.engine is Engine.SQLITE and str(self.database.database) == MEMORY

    def connect(self) -> None:
        """Open the connection once. Raises the driver's error, wrapped by Peewee, and ConnectionLostError."""
        if self._silent:
            raise ConnectionLostError("The server does not answer, and its connections were given up.")
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
        session_id = self._id_of(cursor)
        self.relayed = session_id is not None and self.dialect.is_relayed(connection, session_id)
        if self.relayed and self.dialect.engine is Engine.POSTGRES:
            self.pooled = self.pooled or self._changes_sessions(cursor)
        if self.pooled:
            self._do_without_session(connection)
        else:
            statements = [*self._set_up, *split_statements(self.settings.session_sql or "")]
            # PostgreSQL takes them all in one round trip.
            for statement in ["; ".join(statements)] if self.dialect.engine is Engine.POSTGRES else statements:
                cursor.execute(statement)
        cursor.close()
        return session_id

    # ── behind a pooler ──

    def _id_of(self, cursor: Any) -> str | None:
        if not self.dialect.session_query:
            return None
        cursor.execute(self.dialect.session_query)
        return str(cursor.fetchone()[0])

    def _changes_sessions(self, cursor: Any) -> bool:
        """Tell whether the pooler gives this client's server session to others between its transactions.

        While this client is connected, nobody else can get its session unless it is given away.
        """
        other = self.wire()
        try:
            for _ in range(_PROBES):
                mine = self._id_of(cursor)
                other.query("BEGIN")
                theirs = str(other.query(self.dialect.session_query or "")[0][0])
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
        self._stop.bounds_statements(self.settings.statement_timeout)
        if hasattr(connection, "prepare_threshold"):
            connection.prepare_threshold = None  # psycopg 3 would prepare statements in sessions that it loses
