"""The lock that keeps two runs apart: a server's session lock, or a file that the system frees.

A run holds two locks. The first, on a connection of its own, is polled for, so that a waiter never sits
in a statement or a transaction. The second belongs to the working session: when a runner is killed, its
last statement may go on in the server, and its session then still holds the second lock; a new holder of
the first waits for it. It also fences: while the working session holds it, nobody else can have begun.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from smalls.database import Wire, WorkSession
from smalls.dialects.base import Holder, message_of
from smalls.errors import ConnectionLostError, LockLostError, LockTimeoutError, PermissionDeniedError, SmallsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalls.clock import Clock
    from smalls.events import Emit
    from smalls.stop import Stop

_FIRST_PAUSE, _LONGEST_PAUSE = 0.025, 1.0
_REMIND_EVERY = 30.0
_KEEP_ALIVE_EVERY = 10.0


class Lock(Protocol):
    """One lock that can be tried, given back, and asked who has it."""

    name: str

    def try_acquire(self) -> bool:
        """Take it if it is free."""

    def release(self) -> None:
        """Give it back."""

    def holder(self) -> Holder | None:
        """Return who has it."""

    def token(self) -> str:
        """Return what a child may show to prove that its parent has it."""

    def check(self) -> None:
        """Raise LockLostError if it is no longer ours."""


class AdvisoryLock:
    """A server's session lock on a connection of its own, kept alive by a thread."""

    name = "advisory"

    def __init__(self, work: WorkSession, key: str, emit: Emit) -> None:
        self._dialect = work.dialect
        self._key = key
        self._emit = emit
        self._wire = Wire(work.database)
        for statement in work.session_setup:
            self._wire.query(statement)
        self._session = self._dialect.session_id(self._wire.query) or ""
        self._stopped = threading.Event()
        self._lost: str | None = None

    def try_acquire(self) -> bool:
        """Take it if it is free, and keep its connection alive from then on."""
        if not self._dialect.try_lock(self._wire.query, self._key):
            return False
        threading.Thread(target=self._keep_alive, daemon=True, name="smalls-lock").start()
        return True

    def _keep_alive(self) -> None:
        while not self._stopped.wait(_KEEP_ALIVE_EVERY):
            try:
                self._wire.query("SELECT 1")
            except Exception as error:
                if not self._stopped.is_set():
                    self._lost = message_of(error)
                    self._emit("lock.lost", f"The lock's session broke: {self._lost}.", lock=self.name)
                return

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
        """Return the session's id, which the server confirms as the holder's."""
        return self._session

    def check(self) -> None:
        """Raise LockLostError if the lock's session broke."""
        if self._lost:
            raise LockLostError(f"The lock's session broke ({self._lost}); the run stopped before its next commit.")


class FileLock:
    """A file beside a SQLite database, locked with flock(2), which the system frees when the process dies."""

    name = "file"

    def __init__(self, database: str, run_id: str, label: str) -> None:
        self.path = Path(database).resolve().with_name(Path(database).name + ".smalls-lock")
        self._run_id = run_id
        self._label = label
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise PermissionDeniedError(
                f"The lock file {self.path} cannot be opened: {error.strerror}.",
                hint="SQLite and smalls both need a folder that they may write to.",
            ) from None

    def try_acquire(self) -> bool:
        """Take it if it is free, and write down who has it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._write({"session": self._run_id, "program": self._label, "host": os.uname().nodename})
        return True

    def _write(self, holder: dict[str, str]) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(holder).encode() if holder else b"", 0)

    def release(self) -> None:
        """Give it back; the file stays, since taking it away would race with a waiter."""
        with contextlib.suppress(OSError):
            self._write({})
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)

    def holder(self) -> Holder | None:
        """Return who has it, as the holder wrote it down."""
        try:
            known = json.loads(os.pread(self._descriptor, 4096, 0) or b"{}")
            return Holder(**known) if known else None
        except (ValueError, TypeError, OSError):
            return None

    def token(self) -> str:
        """Return the run's id, which stands in the file while it is locked."""
        return self._run_id

    def check(self) -> None:
        """Do nothing: a file's lock cannot be lost while the process lives."""


class NoLock:
    """No lock at all, by choice (SMALLS_LOCK=none) or for a database in memory."""

    name = "none"

    def try_acquire(self) -> bool:
        """Succeed."""
        return True

    def release(self) -> None:
        """Do nothing."""

    def holder(self) -> Holder | None:
        """Return nobody."""
        return None

    def token(self) -> str:
        """Return nothing."""
        return ""

    def check(self) -> None:
        """Do nothing."""


class Waiter:
    """Polls for a lock with back-off and jitter up to a bound, and logs who holds it meanwhile."""

    def __init__(self, emit: Emit, clock: Clock, stop: Stop, timeout: float) -> None:
        self._emit = emit
        self._clock = clock
        self._stop = stop
        self._timeout = timeout
        self._started = clock.monotonic()

    @property
    def waited_ms(self) -> int:
        """Milliseconds since the waiter was made."""
        return int((self._clock.monotonic() - self._started) * 1000)

    def wait(self, name: str, attempt: Callable[[], bool], holder: Callable[[], Holder | None]) -> None:
        """Return once `attempt` succeeds. Raises LockTimeoutError, naming the holder, at the bound.

        All waits of one waiter share its bound.
        """
        pause, told, told_at = _FIRST_PAUSE, "", self._started
        deadline = self._started + self._timeout
        while not attempt():
            now = self._clock.monotonic()
            current = holder()
            if current and (current.session != told or now - told_at >= _REMIND_EVERY):
                self._tell(name, current)
                told, told_at = current.session, now
            if now >= deadline:
                raise self._timed_out(name, current)
            self._stop.sleep(min(pause * random.uniform(0.5, 1.0), max(0.0, deadline - now)))  # noqa: S311 -- jitter
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _tell(self, name: str, holder: Holder) -> None:
        self._emit(
            "lock.waiting",
            f"Waiting for the {name} lock: {holder} holds it.",
            lock=name,
            holder=holder.as_dict(),
            waited_ms=self.waited_ms,
        )

    def _timed_out(self, name: str, holder: Holder | None) -> LockTimeoutError:
        who = str(holder) if holder else "a session that the server does not name"
        return LockTimeoutError(
            f"The {name} lock was not free within {self._timeout:g} s: {who} holds it.",
            holder=holder.as_dict() if holder else None,
        )


class HeldLocks:
    """Both locks of a run, once acquired."""

    def __init__(self, first: Lock, work: WorkSession | None, key: str) -> None:
        self.first = first
        self._work = work if work and work.dialect.has_sessions and first.name != "none" else None
        self._key = f"{key}:work"

    def wait_for_second(self, waiter: Waiter) -> None:
        """Take the working session's lock; an orphaned statement of a killed runner is waited for here."""
        work = self._work
        if not work:
            return
        waiter.wait(
            "working session's",
            lambda: work.dialect.try_lock(work.query, self._key),
            lambda: work.dialect.holder(work.query, self._key),
        )
        work.on_reconnect = self._retake

    def _retake(self) -> None:
        work = self._work
        if work and not work.dialect.try_lock(work.raw_query, self._key):
            raise LockLostError("The working session was reopened, and another run has its lock.")

    def check(self) -> None:
        """Raise LockLostError if the first lock is gone."""
        self.first.check()

    def release(self) -> None:
        """Give both back."""
        if self._work:
            self._work.on_reconnect = None
            with contextlib.suppress(Exception):
                self._work.dialect.unlock(self._work.raw_query, self._key)
        self.first.release()


def acquire(first: Lock, waiter: Waiter, emit: Emit, *, token: str | None) -> Lock:
    """Take the first lock, or the parent's where `token` proves that a parent run has it.

    Raises LockTimeoutError at the bound, and ConnectionLostError where the server goes away meanwhile.
    """
    if token:
        holder = first.holder()
        if holder and holder.session == token:
            first.release()
            emit("lock.inherited", "The parent run holds the lock for this one.", lock=first.name)
            return NoLock()
    try:
        waiter.wait("run", first.try_acquire, first.holder)
    except BaseException as error:
        first.release()
        if isinstance(error, SmallsError) or not isinstance(error, Exception):
            raise
        raise ConnectionLostError(
            f"The server went away while we waited for the lock: {message_of(error)}."
        ) from None
    emit("lock.acquired", f"Acquired the {first.name} lock.", lock=first.name, waited_ms=waiter.waited_ms)
    return first
