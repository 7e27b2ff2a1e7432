"""Connections: a Peewee database from a location, waiting until it answers, and set-up sessions."""

from __future__ import annotations

import contextlib
import copy
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smalls.dialects.base import Session, Trouble, driver_error, message_of
from smalls.errors import (
    ConfigError,
    CredentialsRefusedError,
    PermissionDeniedError,
    SmallsError,
    UnknownDatabaseError,
    UnreachableError,
)
from smalls.statements import split_statements
from smalls.urls import MEMORY, Engine, Location

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from smalls.clock import Clock
    from smalls.dialects.base import Dialect
    from smalls.events import Emit
    from smalls.settings import Settings
    from smalls.stop import Stop

_CONNECT_TIMEOUT = 4  # no signal is heard meanwhile, and a stop is promised within 5 s
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
# What drivers raise, outside their own tree of errors, for an option that they cannot use.
_OPTION_ERRORS = (TypeError, ValueError, LookupError, AttributeError, FileNotFoundError)
_NUMBERS = {
    "connect_timeout",
    "read_timeout",
    "write_timeout",
    "max_allowed_packet",
    "timeout",
    "cached_statements",
}
_SWITCHES = {"ssl_verify_cert", "ssl_verify_identity", "ssl_disabled", "local_infile", "uri", "check_same_thread"}
# What of a project's own parameters its children need to get in as well.
_WAYS_IN = ("unix_socket", "ssl", "hostaddr", "options", "target_session_attrs", "channel_binding", "gssencmode")


# ── Peewee objects ──────────────────────────────────────────────────────────────────────────────────────


def parameters(location: Location) -> dict[str, Any]:
    """Return the keyword arguments that the driver takes for a location."""
    if location.engine is Engine.SQLITE:
        return {key: _coerced(key, text) for key, text in location.options}
    found: dict[str, Any] = {"host": location.host, "port": location.port, "user": location.user}
    found["password"] = _password(location)
    found |= {key: _coerced(key, text) for key, text in location.options}
    return {key: value for key, value in found.items() if value is not None}


def _password(location: Location) -> str | bytes | None:
    """Return the password as the driver takes it; PyMySQL would send text as Latin-1, servers keep UTF-8."""
    text = location.password
    plain = text is None or text.isascii() or location.engine is not Engine.MYSQL
    return text if plain else (text or "").encode()


def _coerced(key: str, text: str) -> Any:
    if key in _NUMBERS and text.isdecimal():
        return int(text)
    if key in _SWITCHES:
        return text.lower() in {"1", "true", "yes", "on"}
    return text


def make_database(location: Location) -> Any:
    """Return an unconnected Peewee database for a location."""
    if location.engine is Engine.SQLITE:
        from peewee import SqliteDatabase

        return SqliteDatabase(location.name, pragmas={"foreign_keys": 1}, **parameters(location))
    if location.engine is Engine.POSTGRES:
        return _postgres_class(location.scheme)(location.name, **parameters(location))
    from peewee import MySQLDatabase

    return MySQLDatabase(location.name, **parameters(location))


def _postgres_class(scheme: str) -> Any:
    if scheme == "cockroachdb":
        from playhouse.cockroachdb import CockroachDatabase

        return CockroachDatabase
    if scheme == "psycopg3":
        from playhouse.postgres_ext import Psycopg3Database

        return Psycopg3Database
    if scheme == "postgresext":
        from playhouse.postgres_ext import PostgresqlExtDatabase

        return PostgresqlExtDatabase
    from peewee import PostgresqlDatabase

    return PostgresqlDatabase


def spare(database: Any) -> Any:
    """Return another database object with the same settings and no connection in common."""
    twin = copy.copy(database)
    for hook in ("_initialize_connection", "cursor", "connection"):
        twin.__dict__.pop(hook, None)
    twin._state = type(database._state)()  # noqa: SLF001 -- Peewee has no other way to a second connection
    twin._lock = threading.Lock()  # noqa: SLF001
    return twin


def engine_of(database: Any) -> Engine | None:
    """Return the engine of a Peewee database object, None for one that is not supported."""
    import peewee

    for kind, engine in (
        (peewee.SqliteDatabase, Engine.SQLITE),
        (peewee.PostgresqlDatabase, Engine.POSTGRES),
        (peewee.MySQLDatabase, Engine.MYSQL),
    ):
        if isinstance(database, kind):
            return engine
    return None


def location_of(database: Any, engine: Engine) -> Location:
    """Return where a project's own database object points, by Peewee's own parameters."""
    known = database.connect_params
    host, port = known.get("host"), known.get("port")
    password = known.get("password") or known.get("passwd")
    options = {key: text for key, text in known.items() if key.startswith(_WAYS_IN) and isinstance(text, str)}
    return Location(
        engine,
        engine.value,
        str(database.database),
        host=str(host) if host else None,
        port=int(port) if port else None,
        user=known.get("user"),
        password=password.decode(errors="replace") if isinstance(password, bytes) else password,
        options=tuple(options.items()),
    )


# ── a wire: one raw connection, for locks and cancels ───────────────────────────────────────────────────


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


# ── the working session ─────────────────────────────────────────────────────────────────────────────────


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
        session_sql = split_statements(self.settings.session_sql or "")
        if self.dialect.engine is Engine.POSTGRES:
            cursor.execute("; ".join([*self._set_up, *session_sql, "SELECT pg_backend_pid()"]))
        else:
            for statement in (*self._set_up, *session_sql):
                cursor.execute(statement)
            if self.dialect.has_sessions:
                cursor.execute("SELECT CONNECTION_ID()")
        session_id = str(cursor.fetchone()[0]) if self.dialect.has_sessions else None
        cursor.close()
        return session_id


# ── waiting ─────────────────────────────────────────────────────────────────────────────────────────────


def bound_connect_time(database: Any, engine: Engine) -> None:
    """Let no single attempt to connect hang for minutes, unless the project said how long it may."""
    if engine is not Engine.SQLITE:
        database.connect_params.setdefault("connect_timeout", _CONNECT_TIMEOUT)


def open_bounded(database: Any) -> None:
    """Open a connection, unless it is open, and let no server that accepts and says nothing hold it up.

    PyMySQL's connect_timeout ends with the TCP connect; what follows is bounded by `read_timeout` only,
    which would bound every statement too if it stayed.
    """
    params = database.connect_params
    if not database.is_closed() or "read_timeout" in params or not _uses_pymysql(database):
        database.connect(reuse_if_open=True)
        return
    params["read_timeout"] = params.get("connect_timeout", _CONNECT_TIMEOUT)
    try:
        database.connect()
    finally:
        del params["read_timeout"]
    database.connection()._read_timeout = None  # noqa: SLF001 -- there is no other way to lift it


def _uses_pymysql(database: Any) -> bool:
    import peewee

    usual: Any = peewee.MySQLDatabase
    driver = getattr(peewee, "mysql", None)
    return type(database)._connect is usual._connect and getattr(driver, "__name__", None) == "pymysql"  # noqa: SLF001


def wait_for(work: WorkSession, location: Location, emit: Emit, clock: Clock, stop: Stop) -> None:
    """Connect, trying again until SMALLS_WAIT_TIMEOUT is over.

    Logs at every change of the reason, not at every try. Raises CredentialsRefusedError or
    UnknownDatabaseError at once, since waiting does not mend them, and UnreachableError at the bound.
    """
    start = clock.monotonic()
    deadline = start + work.settings.wait_timeout
    pause, told = _FIRST_PAUSE, None
    while True:
        try:
            with stop.interruptible():
                work.connect()
        except Exception as error:
            trouble = work.dialect.trouble(error)
            _give_up(trouble, error, location)
            if clock.monotonic() >= deadline:
                raise _unreachable(trouble, error, location, work.settings.wait_timeout) from None
            if trouble is not told:
                emit(
                    "database.waited",
                    f"Waiting for {location.shown}: {trouble.value}.",
                    reason=trouble.name.lower(),
                )
                told = trouble
        else:
            waited = int((clock.monotonic() - start) * 1000)
            emit("database.connected", f"Connected to {location.shown}.", waited_ms=waited)
            return
        stop.sleep(min(pause, max(0.0, deadline - clock.monotonic())))
        pause = min(pause * 2, _LONGEST_PAUSE)


def _give_up(trouble: Trouble, error: Exception, location: Location) -> None:
    words = message_of(error)
    if isinstance(error, SmallsError):
        raise error
    if trouble is Trouble.BAD_OPTION or isinstance(driver_error(error), _OPTION_ERRORS):
        raise ConfigError(f"The driver does not take these options for {location.shown}: {words}.") from None
    if trouble is Trouble.CREDENTIALS:
        raise CredentialsRefusedError(f"{location.shown} refused us: {words}.") from None
    if trouble is Trouble.NO_DATABASE:
        raise UnknownDatabaseError(f"{location.shown} cannot be opened: {words}.", hint=_hint(location)) from None
    if trouble is Trouble.PERMISSION:
        raise PermissionDeniedError(f"{location.shown} refused the session's set-up: {words}.") from None


def _hint(location: Location) -> str | None:
    if location.engine is Engine.SQLITE:
        return "Is it a SQLite file, in a folder that exists and that the user smalls runs as may write?"
    return None


def _unreachable(trouble: Trouble, error: Exception, location: Location, waited: float) -> UnreachableError:
    bound = f"within {waited:g} s" if waited else "at the first try (SMALLS_WAIT_TIMEOUT is 0)"
    return UnreachableError(
        f"{location.shown} could not be reached {bound}: {trouble.value}. The last answer was: {message_of(error)}."
    )
