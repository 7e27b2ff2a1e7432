"""An answer typed on the terminal."""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smalls.stop import Stop

_LOOK_AGAIN = 0.2


def answer_to(question: str, stop: Stop) -> str:
    """Ask on the terminal and return the line that was typed, without the space around it; "" at its end.

    Raises Stopped when the run is asked to stop, also by a signal that comes just before reading begins: that one
    would not end a read that waits, https://man7.org/linux/man-pages/man2/select.2.html#DESCRIPTION.
    """
    print(f"{question} ", end="", file=sys.__stderr__, flush=True)
    with stop.interruptible():
        while not select.select([sys.stdin], [], [], _LOOK_AGAIN)[0]:
            stop.check()
        return sys.stdin.readline().strip()
