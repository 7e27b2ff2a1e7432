"""Peewee database objects: made from a location, read, doubled, and opened within a bound."""

from __future__ import annotations

import contextlib
import copy
import os
import socket
import threading
from typing import Any

from smalls.errors import ConfigError
from smalls.sqlitefile import make_file
from smalls.urls import MEMORY, Engine, Location

_CONNECT_TIMEOUT = 4  # no signal is heard meanwhile, and a stop is promised within 5 s
# Probes that keep an idle connection in the tables of routers and balancers, and find a peer that is gone, in
# seconds and milliseconds: https://www.postgresql.org/docs/current/libpq-connect.html
_KEEP_ALIVE = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 6,
    "tcp_user_timeout": 90_000,
}
# The same by socket(7) and tcp(7), where the driver has no options for it.
_SOCKET_OPTIONS = (
    ("TCP_KEEPIDLE", 30),
    ("TCP_KEEPINTVL", 10),
    ("TCP_KEEPCNT", 6),
    ("TCP_USER_TIMEOUT", 90_000),
)
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
    """Return an unconnected Peewee database for a location. Raises ConfigError for an option that is refused."""
    if location.engine is Engine.SQLITE:
        from peewee import ImproperlyConfigured, SqliteDatabase

        try:
            return SqliteDatabase(location.name, pragmas={"foreign_keys": 1}, **parameters(location))
        except ImproperlyConfigured as error:
            raise ConfigError(f"Peewee does not take these options for {location.shown}: {error}") from None
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


def bound_connect_time(database: Any, engine: Engine) -> None:
    """Let no single attempt to connect hang for minutes, unless the project said how long it may."""
    if engine is not Engine.SQLITE:
        database.connect_params.setdefault("connect_timeout", _CONNECT_TIMEOUT)
    if engine is Engine.POSTGRES:
        for name, value in _KEEP_ALIVE.items():
            database.connect_params.setdefault(name, value)


def open_bounded(database: Any) -> None:
    """Open a connection, unless it is open, and let no server that accepts and says nothing hold it up.

    PyMySQL's connect_timeout ends with the TCP connect; what follows is bounded by `read_timeout` only,
    which would bound every statement too if it stayed.
    """
    if database.is_closed():
        _make_file(database)
    params = database.connect_params
    if not database.is_closed() or "read_timeout" in params or not _uses_pymysql(database):
        database.connect(reuse_if_open=True)
        return
    params["read_timeout"] = params.get("connect_timeout", _CONNECT_TIMEOUT)
    try:
        database.connect()
    finally:
        del params["read_timeout"]
    connection = database.connection()
    connection._read_timeout = None  # noqa: SLF001 -- there is no other way to lift it
    _keep_alive(connection._sock)  # noqa: SLF001 -- nor to its options


def _keep_alive(connected: Any) -> None:
    if connected.family != socket.AF_UNIX:
        for name, value in _SOCKET_OPTIONS:
            if hasattr(socket, name):
                connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def cut(connection: Any) -> None:
    """Break a driver's connection below it, whatever it does: who waits for an answer, in C too, finds its end."""
    with contextlib.suppress(Exception):  # it is closed already, or not to a server
        duplicate = os.dup(getattr(connection, "_sock", connection).fileno())
        with socket.socket(fileno=duplicate) as below:
            below.shutdown(socket.SHUT_RDWR)


def _make_file(database: Any) -> None:
    import peewee

    name = str(database.database)
    if isinstance(database, peewee.SqliteDatabase) and name and not name.startswith(("file:", MEMORY)):
        make_file(name)


def _uses_pymysql(database: Any) -> bool:
    import peewee

    usual: Any = peewee.MySQLDatabase
    driver = getattr(peewee, "mysql", None)
    return type(database)._connect is usual._connect and getattr(driver, "__name__", None) == "pymysql"  # noqa: SLF001
