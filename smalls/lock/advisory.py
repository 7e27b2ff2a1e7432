"""A server's session lock, on a connection of its own."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

from smalls.dialects.base import message_of
from smalls.errors import LockLostError
from smalls.session import Wire, WorkSession

if TYPE_CHECKING:
    from smalls.dialects.base import Holder, Query
    from smalls.events import Emit

_KEEP_ALIVE_EVERY = 10.0


class AdvisoryLock:
    """A server's session lock on a connection of its own, kept alive by a thread."""

    name = "advisory"
    has_second = True

    def __init__(self, work: WorkSession, key: str, emit: Emit) -> None:
        self._dialect = work.dialect
        self._key = key
        self._emit = emit
        self._wire = Wire(work.database)
        try:
            for statement in work.session_setup:
                self._wire.query(statement)
        except BaseException:
            self._wire.close()
            raise
        self._stopped = threading.Event()
        self._lost: str | None = None

    def try_acquire(self) -> bool:
        """Take it if it is free, and keep its connection alive from then on."""
        if not self._dialect.try_lock(self._wire.query, self._key):
            return False
        threading.Thread(target=self._keep_alive, daemon=True, name="smalls-lock").start()
        return True

    def _keep_alive(self) -> None:
        while not self._stopped.wait(_KEEP_ALIVE_EVERY) and not self._lost:
            self._ask()

    def _ask(self) -> None:
        """Ask the server for a sign of life: while the session lives, the lock is its own."""
        try:
            self._wire.query("SELECT 1")
        except Exception as error:
            if not self._lost and not self._stopped.is_set():
                self._lost = message_of(error)
                self._emit("lock.lost", f"The lock's session broke: {self._lost}.", lock=self.name)

    def release(self) -> None:
        """Give it back; closing the connection would do as well."""
        self._stopped.set()
        with contextlib.suppress(Exception):
            self._dialect.unlock(self._wire.query, self._key)
        self._wire.close()

    def holder(self) -> Holder | None:
        """Return who has it, as the server tells."""
        return self._dialect.holder(self._wire.query, self._key)

    def token(self) -> str:
        """Return a secret that names another lock of the holder's session.

        The session's id would not do: servers use ids again, and two servers use the same ones.
        """
        secret = os.urandom(8).hex()
        self._dialect.try_lock(self._wire.query, f"{self._key}:{secret}")
        return secret

    def is_held_with(self, token: str) -> bool:
        """Tell whether the lock that the token names is held by the session that holds this one."""
        parent = self._dialect.holder(self._wire.query, f"{self._key}:{token}")
        holder = self.holder()
        return parent is not None and holder is not None and parent.session == holder.session

    def check(self, query: Query) -> None:  # noqa: ARG002
        """Raise LockLostError if the lock's session broke, as the server tells now."""
        if not self._lost:
            self._ask()
        if self._lost:
            raise LockLostError(f"The lock's session broke ({self._lost}); the run stopped before its next commit.")
