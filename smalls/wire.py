"""Wires: driver connections of their own, and what any driver's connection is asked and sent."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from smalls.database import cut, open_bounded, spare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalls.dialects.base import Bound, Dialect


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
            return ask(self._connection, sql, params)

    def send(self, dialect: Dialect, *statements: Bound) -> None:
        """Run statements, none after one that fails; in one round trip where driver and server can."""
        with self._mutex:
            send(self._connection, dialect, statements)

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


def ask(connection: Any, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Run one statement on a driver's connection, and return its rows."""
    cursor = connection.cursor()
    try:
        cursor.execute(sql, *([tuple(params)] if params else []))
        return list(cursor.fetchall()) if cursor.description else []
    finally:
        cursor.close()


def send(connection: Any, dialect: Dialect, statements: Sequence[Bound]) -> None:
    """Run statements, none after one that fails; in one round trip where driver and server can."""
    cursor = connection.cursor()
    try:
        for sql, params in dialect.joined(cursor, statements):
            cursor.execute(sql, *([tuple(params)] if params else []))
    finally:
        cursor.close()
