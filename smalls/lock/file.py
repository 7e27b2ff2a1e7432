"""A lock for SQLite: a file that the operating system frees when the process dies."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from smalls.dialects.base import Holder
from smalls.errors import PermissionDeniedError

if TYPE_CHECKING:
    from smalls.dialects.base import Query


class FileLock:
    """A file beside a SQLite database, locked with flock(2), which the system frees when the process dies."""

    name = "file"
    has_second = False

    def __init__(self, database: str, run_id: str, label: str) -> None:
        file = Path(database).resolve()  # through links, or two names of one database would have two locks
        self.path = file.with_name(file.name + ".smalls-lock")
        self._run_id = run_id
        self._label = label
        self._held = False
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise PermissionDeniedError(
                f"The lock file {self.path} cannot be opened: {error.strerror}.",
                hint="SQLite and smalls both need a folder that they may write to.",
            ) from None

    def try_acquire(self) -> bool:
        """Take it if it is free, and write down who has it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._held = True
        self._write({"session": self._run_id, "program": self._label, "host": os.uname().nodename})
        return True

    def _write(self, holder: dict[str, str]) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(holder).encode() if holder else b"", 0)

    def release(self) -> None:
        """Give it back, or the try for it; the file stays, since taking it away would race with a waiter."""
        with contextlib.suppress(OSError):
            if self._held:  # else the note is the holder's
                self._write({})
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)

    def holder(self) -> Holder | None:
        """Return who has it, as the holder wrote it down."""
        try:
            known = json.loads(os.pread(self._descriptor, 4096, 0) or b"{}")
            return Holder(**known) if known else None
        except (ValueError, TypeError, OSError):
            return None

    def token(self) -> str:
        """Return the run's id, which stands in the file while it is locked."""
        return self._run_id

    def is_held_with(self, token: str) -> bool:
        """Tell whether the holder wrote this run's id into the file."""
        holder = self.holder()
        return holder is not None and holder.session == token

    def check(self, query: Query) -> None:
        """Do nothing: a file's lock cannot be lost while the process lives."""
