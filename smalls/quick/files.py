"""The migration files of a quick look: each one's checksum, and no more of it."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SHORTEST = 4  # of a migration's number
# Python's own first, of 3.12 and of 3.11: OpenSSL's library takes longer to load than 300 files to hash.
_HASHES = ("_sha2", "_sha256", "hashlib")


def checksums(folder: str) -> dict[str, str]:
    """Return each migration's SHA-256 by its name. Raises ValueError for what the full way may have a word on."""
    found: dict[str, str] = {}
    numbers = set()
    sha256 = _sha256()
    for file in os.listdir(folder):
        if not file.endswith(".py") or not file[0].isdecimal():
            continue
        name = file[:-3]
        number = name[: len(name) - len(name.lstrip("0123456789"))]
        if len(number) < _SHORTEST or not name.isascii() or int(number) in numbers:
            raise ValueError(name)
        numbers.add(int(number))
        found[name] = sha256(contents(f"{folder}/{file}")).hexdigest()
    return found


def _sha256() -> Any:
    for module in _HASHES:
        try:
            return __import__(module).sha256
        except ImportError:
            continue
    raise ImportError


def contents(path: str) -> bytes:
    """Return what is in a file. Raises ValueError for a pipe or a device, which can be read once or not at all."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        data = os.read(descriptor, status.st_size + 1) if stat.S_ISREG(status.st_mode) else b""
    finally:
        os.close(descriptor)
    if len(data) != status.st_size or not stat.S_ISREG(status.st_mode):
        raise ValueError(path)
    return data
