"""Process 1 of a container: hands signals on to the run, and takes in the processes that nobody else waits for.

A process whose parent ends becomes a child of process 1. In the run itself there is no telling such an orphan from
a child that a migration's own code waits for, so the run is a child, and only process 1 waits for everything.
"""

from __future__ import annotations

import contextlib
import os
import signal

_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_HEARD = {*_PASSED_ON, signal.SIGCHLD}
_KILLED = 128  # what shells and container engines add to a signal's number


def split() -> None:
    """Return in a child that is to do the work; this process does nothing but look after it, and ends as it does.

    Signals are taken one by one by waiting for them: a handler could miss the one that comes just before the wait.
    Whatever still runs when the child has ended is ended by the kernel, with process 1.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    child = os.fork()
    if not child:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    while True:
        number = signal.sigwait(_HEARD)
        if number == signal.SIGCHLD:
            _take_in(child)
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)


def _take_in(child: int) -> None:
    """Wait for all that have ended, and end if `child` is among them."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = ended
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                os._exit(code if code >= 0 else _KILLED - code)
