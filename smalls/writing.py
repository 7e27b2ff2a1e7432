"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

_MODE = 0o644  # whoever collects it is seldom the user who wrote it


def write_whole(path: str, data: bytes) -> None:
    """Put `data` where `path` says: readers see the old content or the new, never a part; also after a crash.

    What is no regular file (a pipe, a device) is written to as it is, without waiting for a reader.
    Raises OSError, and leaves nothing behind.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not stat.S_ISREG(target.stat().st_mode):
        _write_through(target, data)
        return
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, _MODE)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _write_through(target: Path, data: bytes) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_NONBLOCK)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)
