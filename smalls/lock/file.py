"""A lock for SQLite: a file that the operating system frees when the process dies."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from smalls.dialects.base import Holder
from smalls.errors import FullDatabaseError, PermissionDeniedError
from smalls.lock.base import Asked, InheritedLock

if TYPE_CHECKING:
    from smalls.dialects.base import Query
    from smalls.lock.base import Lock

_NEEDED = "SQLite and smalls both need a file, and a folder around it, that they may write to."


def _require_writable(file: Path) -> None:
    """Raise PermissionDeniedError for a database that cannot be written, before a migration is blamed for it."""
    for path in (file, file.parent):
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionDeniedError(f"{path} cannot be written.", hint=_NEEDED)


class FileLock(Asked):
    """A file beside a SQLite database, locked with flock(2), which the system frees when the process dies."""

    name = "file"
    has_second = False

    def __init__(self, database: str, run_id: str, label: str) -> None:
        file = Path(database).resolve()  # through links, or two names of one database would have two locks
        self.path = file.with_name(file.name + ".smalls-lock")
        self._run_id = run_id
        self._label = label
        self._held = False
        _require_writable(file)
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            message = f"The lock file {self.path} cannot be opened: {error.strerror}."
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise FullDatabaseError(message) from None
            raise PermissionDeniedError(message, hint=_NEEDED) from None

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
        """Write the note, which tells others who has the lock; on a full disk it is held without."""
        with contextlib.suppress(OSError):
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

    def inherit(self, token: str) -> Lock | None:
        """Return the parent's lock if the holder wrote this run's id into the file."""
        holder = self.holder()
        if holder is None or holder.session != token:
            return None
        self.release()
        return InheritedLock()

    @property
    def lost(self) -> str | None:
        """Nothing: a file's lock cannot be lost while the process lives."""
        return None

    def check(self, query: Query) -> None:
        """Do nothing: a file's lock cannot be lost while the process lives."""
