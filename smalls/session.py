"""The working session of a run, in which migrations run; other threads may cancel it and cut it off."""

from __future__ import annotations

import contextlib
import threading
import weakref
from typing import TYPE_CHECKING, Any

from smalls.database import cut, open_bounded
from smalls.dialects.base import Session
from smalls.errors import ConnectionLostError
from smalls.sessionsetup import SetUp
from smalls.sqlitefile import is_file
from smalls.urls import MEMORY, Engine
from smalls.wire import Wire, ask, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from smalls.dialects.base import Bound, Dialect, Query
    from smalls.settings import Settings
    from smalls.stop import Stop


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
        self._stop = stop
        self.raw: Any = None
        self._wires: weakref.WeakSet[Wire] = weakref.WeakSet()
        self._lost: list[str] | None = None
        self._silent = False
        self._set_up = SetUp(dialect, Session(settings, label), stop)
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
        return ask(self.raw, sql, params)

    def send(self, *statements: Bound) -> None:
        """Run statements past everything, none after one that fails; in one round trip where driver and server can.

        Raises the driver's errors.
        """
        with self._stop.statement():
            send(self.raw, self.dialect, statements)

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
        if not statement or self.database.is_closed() or self._set_up.pooled:
            return False
        self.raw_query(statement)
        return True

    def set_up_transaction(self) -> None:
        """Set the open transaction up, where the session cannot be."""
        if self._set_up.pooled:
            self.raw_query(self._set_up.local)

    def _set_up_for(self, sql: str) -> Any:
        """Return a query with the set-up of its own transaction before it, where the session has none."""
        if not self._set_up.pooled or self.in_transaction:
            return sql
        *_, (last, _) = self.dialect.joined(self.raw.cursor(), [(self._set_up.local, ()), (sql, ())])
        return last

    @property
    def relayed(self) -> bool:
        """Whether a proxy or pooler speaks to the server in sessions of its own."""
        return self._set_up.relayed

    @property
    def lock_doubt(self) -> str | None:
        """Why session locks would not keep two runs apart; None where they do."""
        if self.relayed:
            return "a pooler or proxy is between us and the server, which has sessions of its own"
        return self.dialect.lock_doubt(self.raw_query, self.raw)

    @property
    def session_setup(self) -> list[str]:
        """The statements that every session of the run is set up with, the role's and schema's aside."""
        return [statement for statement in self._set_up.statements if "ROLE" not in statement]

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
            self._set_up.prepare(wire.connection, self.wire)
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
        return self.in_memory or name.startswith("file:") or is_file(name)

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
            self._set_up.prepare(connection, self.wire)
            return
        self.raw = connection
        self.session_id = self._set_up.prepare(connection, self.wire)
        if self.on_reconnect:
            self.on_reconnect()
