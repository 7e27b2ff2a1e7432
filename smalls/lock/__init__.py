"""The lock that keeps two runs apart: a server's session lock, or a file that the system frees.

A run holds two locks. The first, on a connection of its own, is polled for, so that a waiter never sits
in a statement or a transaction. The second belongs to the working session: when a runner is killed, its
last statement may go on in the server, and its session then still holds the second lock; a new holder of
the first waits for it. It also fences: while the working session holds it, nobody else can have begun.
"""

from smalls.lock.base import Lock
from smalls.lock.choice import first_lock
from smalls.lock.held import HeldLocks
from smalls.lock.waiting import Waiter, acquire

__all__ = ["HeldLocks", "Lock", "Waiter", "acquire", "first_lock"]
