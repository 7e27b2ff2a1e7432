"""What the project's own code prints, as log events: stdout is for results, stderr for whole JSON lines."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalls.events import Emit


@contextlib.contextmanager
def printed(emit: Emit, migration: str | None = None) -> Iterator[None]:
    """Within the block, log what is printed to stdout and stderr, a line each: a migration's, or the project's."""
    out, err = _Lines(emit, migration, "stdout"), _Lines(emit, migration, "stderr")
    before = sys.stdout, sys.stderr
    try:
        sys.stdout, sys.stderr = out, err
        yield
    finally:
        sys.stdout, sys.stderr = before
        out.flush_rest()
        err.flush_rest()


@contextlib.contextmanager
def children_on_stderr() -> Iterator[None]:
    """Within the block, let what child processes print to stdout go to stderr: it is no result of ours."""
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


class _Lines(io.TextIOBase):
    """A text stream whose lines become events."""

    encoding = "utf-8"

    def __init__(self, emit: Emit, migration: str | None, stream: str) -> None:
        self._emit = emit
        self._migration = migration
        self._stream = stream
        self._rest = ""

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def write(self, text: str) -> int:
        """Log every whole line."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            event = "migration.output" if self._migration else "project.output"
            self._emit(event, line, migration=self._migration, stream=self._stream)
        return len(text)

    def flush_rest(self) -> None:
        """Log what has no line end."""
        if self._rest:
            self.write("\n")
