"""`smalls` and `python -m smalls`."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

_TERMINATED = 143


def _leave(_number: int, _frame: object) -> NoReturn:
    sys.exit(_TERMINATED)


def main() -> None:
    """Run the command line and exit with its code.

    Before the run listens for itself SIGTERM ends the process, which as PID 1 has no default for it; once
    the code is decided signals are ignored, or they would make it another one than the log says.
    """
    signal.signal(signal.SIGTERM, _leave)
    from smalls.cli.main import main as run

    code = run()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            # Whoever read it is gone, which must not become the exit code (120) when Python flushes at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    # Python waits for threads that the project's code started; a signal ends that wait, with the code as it is.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(code))
    sys.exit(code)


if __name__ == "__main__":
    main()
