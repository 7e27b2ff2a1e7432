"""One question to the database, with its driver alone: the history, and what the journal has left unfinished.

Each engine's own bound keeps the question short: what takes longer is no quick look, and the full way waits.
"""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from smalls.quick.plain import Place

    Row: TypeAlias = tuple[str, str | None, str | None, object]
    """A name, its recorded checksums, its kind, and anything that is strange about it."""

UNFINISHED = (
    "started",
    "failed",
    "step",
    "statement",
    "undo_started",
    "undo_step",
    "undo_statement",
    "undo_failed",
)
# Each migration's last entry, as `smalls.dialects` has it.
_GROUPS = "id IN (SELECT last FROM (SELECT MAX(id) AS last FROM smalls_journal GROUP BY migration) AS ends)"
_ENTRY = "SELECT entry.id FROM smalls_journal AS entry"
_LAST = "ORDER BY entry.migration DESC, entry.id DESC LIMIT 1"
_OWN = "SELECT own.migration FROM smalls_journal AS own WHERE own.id = ends.id LIMIT 1"
_WALK = (
    f"WITH RECURSIVE ends (id) AS (SELECT ({_ENTRY} {_LAST}) UNION SELECT "
    f"({_ENTRY} WHERE entry.migration < ({_OWN}) {_LAST}) FROM ends WHERE ends.id IS NOT NULL) SELECT id FROM ends"
)
_JOURNAL = f"SELECT migration, NULL, NULL, event FROM smalls_journal WHERE event IN {UNFINISHED!r} AND "
_HISTORY = "SELECT name, checksum, kind, CASE WHEN id IS NULL OR migrated_at IS NULL THEN 'odd' END"
_QUESTION = f"{_HISTORY} FROM migration_history UNION ALL {_JOURNAL}"
# A column of SQLite may hold anything, and the full way refuses some of it; what is no text at all the driver does.
_INTEGERS, _TEXTS = ("id", "version", "duration_ms"), ("image_version", "min_version", "applied_by")
_ODD = " OR ".join(
    [
        "id IS NULL OR migrated_at IS NULL",
        *(f"typeof({name}) NOT IN ('integer', 'null')" for name in _INTEGERS),
        *(f"typeof({name}) = 'blob'" for name in _TEXTS),
    ]
)
_SQLITE_HISTORY = (
    f"SELECT name, checksum, kind, CASE WHEN {_ODD} THEN 'odd' END, migrated_at, applied_at, {', '.join(_TEXTS)} "
    "FROM migration_history"
)
_SECONDS = 2
# As `smalls.database` has them, and bounds for this one transaction, which a pooler does not leave to others:
# https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
_POSTGRES = {
    "connect_timeout": _SECONDS,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 6,
    "tcp_user_timeout": 90_000,
}
_BOUNDS = f"SET LOCAL lock_timeout = '{_SECONDS}s'; SET LOCAL statement_timeout = '{_SECONDS}s'"
_OLDEST_POSTGRES = 150_000
_READS = 1  # psycopg2's POLL_READ; POLL_OK is 0
_MYSQL_PORT = 3306
_HANDSHAKE, _CLIENT_SSL = 10, 0x0800


class _Unused:
    """In place of two modules that PyMySQL needs for what goes wrong and for option files only."""

    RawConfigParser = object


# What makes a third of PyMySQL's import. Not there at all: for passwords without TLS, for a URL without a user, for
# hashes that Python has itself.
_SPARED = {
    "cryptography": None,
    "getpass": None,
    "_hashlib": None,
    "traceback": _Unused,
    "configparser": _Unused,
}


def ask(place: Place, label: str) -> tuple[list[Row], int]:
    """Return what is recorded, and the milliseconds until the database was connected.

    The session is named `label`, where sessions have names. Raises whatever the driver raises, and ValueError for
    a server that only the full way knows.
    """
    return {"sqlite": _ask_sqlite, "postgresql": _ask_postgres, "mysql": _ask_mysql}[place.engine](place, label)


def _since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)


def _ask_postgres(place: Place, label: str) -> tuple[list[Row], int]:
    parameters = {"host": place.host, "port": place.port, "user": place.user, "password": place.password}
    parameters = {name: value for name, value in parameters.items() if value}
    # libpq has a TLS of its own; psycopg2 only looks whether Python's is there, to leave the set-up to it.
    driver = _import_with("psycopg2", {"ssl": None})
    driver.extensions.set_wait_callback(_wait)
    started = time.monotonic()
    connection = None
    try:
        connection = driver.connect(
            dbname=place.name, **parameters, **(_POSTGRES | place.options | {"application_name": label})
        )
        waited = _since(started)
        if connection.server_version < _OLDEST_POSTGRES:
            raise ValueError
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"{_BOUNDS}; {_QUESTION}id = ANY (ARRAY({_WALK}))")
        return cursor.fetchall(), waited
    finally:
        driver.extensions.set_wait_callback(None)
        if connection is not None:
            connection.close()


def _wait(connection: Any) -> None:
    """Wait for a server as libpq does, which would hear no signal meanwhile, and wait for ever for one that hangs.

    https://www.psycopg.org/docs/advanced.html#support-for-coroutine-libraries
    """
    import select

    while state := connection.poll():
        ends = [connection.fileno()]
        reads, writes = (ends, []) if state == _READS else ([], ends)
        if not any(select.select(reads, writes, [], _SECONDS)):
            raise TimeoutError


def _ask_sqlite(place: Place, _label: str) -> tuple[list[Row], int]:
    import os
    import sqlite3

    started = time.monotonic()
    if place.name.startswith("file:") or not os.path.getsize(place.name):
        raise ValueError
    connection = sqlite3.connect(place.name, timeout=_SECONDS, isolation_level=None)
    waited = _since(started)
    try:
        rows = [row[:4] for row in connection.execute(_SQLITE_HISTORY)]
        return [*rows, *connection.execute(f"{_JOURNAL}id IN ({_WALK})")], waited
    finally:
        connection.close()


# ── MySQL and MariaDB ───────────────────────────────────────────────────────────────────────────────────


def _ask_mysql(place: Place, label: str) -> tuple[list[Row], int]:
    """Ask as PyMySQL would be asked by the full way, with TLS wherever the server has it.

    Whether it has, it says first of all. Only then is Python's TLS imported, which with the system's certificates
    takes as long as all the rest, and which PyMySQL would not verify by anyway.
    """
    import socket

    started = time.monotonic()
    host: Any = place.host.encode()  # which spares the codec for names of other scripts
    opened = socket.create_connection((host, int(place.port or _MYSQL_PORT)), _SECONDS)
    try:
        driver, tls = _with_tls() if _offers_tls(opened.recv(4096, socket.MSG_PEEK)) else (_without_tls(), {})
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = driver.connect(
            host=place.host,
            user=place.user or None,
            password=place.password,
            database=place.name,
            charset="utf8mb4",
            autocommit=None,
            read_timeout=_SECONDS,
            program_name=label,
            defer_connect=True,
            **tls,
        )
        connection.connect(opened)
        waited = _since(started)
        cursor = connection.cursor()
        cursor.execute(f"{_QUESTION}{_GROUPS}")
        rows = list(cursor.fetchall())
        connection.close()
        return rows, waited
    finally:
        opened.close()
        _forget("pymysql", "hashlib")


def _offers_tls(greeting: bytes) -> bool:
    """Tell what the server's first packet says of TLS. Raises for one that is no greeting.

    https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html
    """
    if greeting[4] != _HANDSHAKE:
        raise ValueError
    after_version = greeting.index(b"\0", 5) + 1
    capabilities = after_version + 4 + 8 + 1  # a thread's number, a part of the salt, a filler
    return bool((greeting[capabilities] | greeting[capabilities + 1] << 8) & _CLIENT_SSL)


def _with_tls() -> tuple[Any, dict[str, Any]]:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # as PyMySQL without a word about certificates
    return _import_with("pymysql", _SPARED), {"ssl": context}


def _without_tls() -> Any:
    return _import_with("pymysql", {**_SPARED, "ssl": None})


def _import_with(driver: str, instead: dict[str, Any]) -> Any:
    """Import a driver with something else in place of modules; None is for one that is not there."""
    there = {name: sys.modules.get(name) for name in instead}
    sys.modules |= instead
    try:
        return __import__(driver)
    finally:
        for name, module in there.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module


def _forget(*packages: str) -> None:
    """Let the next import of what remembers that something was not there begin anew."""
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]
