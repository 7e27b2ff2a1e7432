"""`smalls` and `python -m smalls`."""

from __future__ import annotations

import gc
import os
import signal
import sys

from smalls.quick import nothing_to_do

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_INTERRUPTED, _TERMINATED = 130, 143


def _leave(_number: int, _frame: object) -> NoReturn:
    sys.exit(_TERMINATED)


def _open_missing_streams() -> None:
    """Open a null device for what was closed by whoever started us: a connection must not get its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one's
            os.set_inheritable(descriptor, True)
            stream = os.fdopen(descriptor, mode, encoding="utf-8")
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def main() -> None:
    """Run the command line and exit with its code.

    A `migrate` with nothing to do is done the quick way: see `smalls.quick`. As process 1 of a container all else
    is done in a child: see `smalls.reaper`. Before the run listens for itself SIGTERM ends the process; once the
    code is decided signals are ignored, or they would make it another one than the log says.
    """
    _open_missing_streams()
    signal.signal(signal.SIGTERM, _leave)
    try:
        if nothing_to_do(sys.argv[1:], os.environ):
            os._exit(0)  # nothing is open or buffered, and to take Python apart takes longer than the answer
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    if os.getpid() == 1:
        from smalls.reaper import split

        split()
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
    gc.freeze()  # what is left goes with the process; to walk through it first takes longer than many a run
    sys.exit(code)


if __name__ == "__main__":
    main()
