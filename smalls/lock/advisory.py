"""A server's session lock, on a connection of its own."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

from smalls.dialects.base import message_of
from smalls.errors import LockLostError
from smalls.lock.base import InheritedLock

if TYPE_CHECKING:
    from smalls.dialects.base import Bound, Holder, Query
    from smalls.events import Emit
    from smalls.lock.base import Lock
    from smalls.session import WorkSession

_KEEP_ALIVE_EVERY = 5.0


class AdvisoryLock:
    """A server's session lock on a connection of its own, kept alive by a thread."""

    name = "advisory"
    has_second = True

    def __init__(self, work: WorkSession, key: str, emit: Emit) -> None:
        self._dialect = work.dialect
        self._key = key
        self._emit = emit
        self._wire = work.wire()
        try:
            for statement in work.session_setup:
                self._wire.query(statement)
            self._session = str(self._wire.query(self._dialect.session_query or "")[0][0])
            self._wire.session = self._session
        except BaseException:
            self._wire.close()
            raise
        self._stopped = threading.Event()
        self.lost: str | None = None

    def try_acquire(self) -> bool:
        """Take it if it is free, and keep its connection alive from then on."""
        if not self._dialect.try_lock(self._wire.query, self._key):
            return False
        threading.Thread(target=self._keep_alive, daemon=True, name="smalls-lock").start()
        return True

    def _keep_alive(self) -> None:
        while not self._stopped.wait(_KEEP_ALIVE_EVERY) and not self.lost:
            self._ask()

    def _ask(self) -> None:
        """Ask the server for a sign of life: while the session lives, the lock is its own."""
        try:
            self._wire.query("SELECT 1")
        except Exception as error:
            self._lose(message_of(error))

    def _lose(self, why: str) -> None:
        if not self.lost and not self._stopped.is_set():
            self.lost = why
            self._emit("lock.lost", f"The lock's session broke: {why.rstrip('.')}.", lock=self.name)

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

    def inherit(self, token: str) -> Lock | None:
        """Return the parent's lock if the session that holds this one also holds the one that the token names."""
        parent = self._dialect.holder(self._wire.query, f"{self._key}:{token}")
        holder = self.holder()
        if parent is None or holder is None or parent.session != holder.session:
            return None
        self.release()
        return InheritedLock()

    def check(self, query: Query) -> None:
        """Raise LockLostError unless the lock's session still has it, as the server tells the working session.

        Asked in the transaction that is about to be committed. Another run that took the lock since would still
        wait for the working session's own, so that nothing can come between the answer and the commit.
        """
        if not self.lost and not self._dialect.holds_lock(query, self._key, self._session):
            self._lose("the server says that it has the lock no more")
        if self.lost:
            raise self._lost_error()

    def fencing(self) -> Bound | None:
        """Return the server's own way to refuse the commit, in the message that asks for it."""
        return self._dialect.fencing(self._key, self._session)

    def denies(self, error: BaseException) -> LockLostError | None:
        """Return what the refusal means."""
        if not self._dialect.denies_lock(error):
            return None
        self._lose("the server says that it has the lock no more")
        return self._lost_error()

    def _lost_error(self) -> LockLostError:
        return LockLostError(f"The lock's session broke ({self.lost}); the run stopped before its next commit.")
