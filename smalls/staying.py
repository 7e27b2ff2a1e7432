"""The project's code in this process, which it may not end behind our back: nobody would say how the run ended."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def staying() -> Iterator[None]:
    """Within the block, `os._exit()` is to this thread what `sys.exit()` is.

    Children that were forked still end by it, and so does the process where another thread gives the run up.
    """
    process, thread, leave = os.getpid(), threading.get_ident(), os._exit

    def stay(status: int) -> NoReturn:
        if (os.getpid(), threading.get_ident()) != (process, thread):
            leave(status)
        raise SystemExit(status)

    os._exit = stay
    try:
        yield
    finally:
        os._exit = leave
