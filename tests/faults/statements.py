"""Kill a run at a statement of SQLite, which has no wire that a proxy could watch: at the driver's own calls.

Installed in a child before it becomes smalls; smalls is not touched.
"""

import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

DURING = 20  # of SQLite's own instructions
_connect = sqlite3.connect


def install(*, trace: str, at: int = -1, moment: str = "") -> None:
    """Note each statement in the file `trace` before it begins, and kill this process at one of them."""
    watch = Watch(Path(trace), at, moment)

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = _connect(*args, **{**options, "factory": Watched})
        connection.watch = watch
        return connection

    sqlite3.connect = sqlite3.dbapi2.connect = connect


class Watch:
    """Counts statements."""

    def __init__(self, trace: Path, at: int, moment: str) -> None:
        self._trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        self._at, self._moment, self._count = at, moment, -1

    def run(self, connection: sqlite3.Connection, sql: str, call: Any) -> Any:
        """Make a driver's call, or die of it."""
        self._count += 1
        deadly = self._moment if self._count == self._at else ""
        if deadly == "before":
            _die()
        os.write(self._trace, sql.encode() + b"\0")
        if deadly == "during":
            connection.set_progress_handler(_die, DURING)
        try:
            return call()
        finally:
            if deadly:
                _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class WatchedCursor(sqlite3.Cursor):
    def execute(self, sql: str, *args: Any) -> Any:
        return self.connection.watch.run(
            self.connection, sql, lambda: super(WatchedCursor, self).execute(sql, *args)
        )


class Watched(sqlite3.Connection):
    watch: Watch

    def cursor(self, *_: Any) -> sqlite3.Cursor:
        return super().cursor(WatchedCursor)

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        return self.cursor().execute(sql, *args)

    def commit(self) -> None:
        if self.in_transaction:
            self.watch.run(self, "COMMIT", super().commit)

    def rollback(self) -> None:
        if self.in_transaction:
            self.watch.run(self, "ROLLBACK", super().rollback)
