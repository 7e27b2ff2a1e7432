"""SQLite's database file: whether it is there, and made where it is not."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from stat import S_ISREG

from smalls.errors import UnknownDatabaseError


def is_file(name: str) -> bool:
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


def make_file(name: str) -> None:
    """Make a SQLite file that is not there yet, empty, so that the umask says who may write it.

    SQLite itself makes it 0644 at most (https://www.sqlite.org/compile.html#default_file_permissions), and its
    journals as the file is. A file that is there is not opened: closing it would free SQLite's locks on it.
    """
    with contextlib.suppress(OSError):  # it is there; or SQLite says better what is wrong
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
