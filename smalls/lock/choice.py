"""Which lock a run takes first: by SMALLS_LOCK, and by what its server's session locks are worth."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from smalls.lock.advisory import AdvisoryLock
from smalls.lock.base import NoLock
from smalls.lock.file import FileLock
from smalls.lock.lease import LeaseLock
from smalls.specs import LockKind

if TYPE_CHECKING:
    from smalls.events import Emit
    from smalls.lock.base import Lock
    from smalls.session import WorkSession


def first_lock(work: WorkSession, key: str, run_id: str, emit: Emit) -> Lock:
    """Return the first lock of a run, not taken yet, on a connected session."""
    if work.settings.lock is LockKind.NONE:
        emit("lock.skipped", "SMALLS_LOCK is none: nothing keeps two runs apart.")
        return NoLock()
    if work.dialect.has_sessions:
        if _wants_lease(work, emit):
            return LeaseLock(work, key, f"{run_id}@{os.uname().nodename}", emit)
        return AdvisoryLock(work, key, emit)
    return NoLock() if work.in_memory else FileLock(str(work.database.database), run_id, f"pid {os.getpid()}")


def _wants_lease(work: WorkSession, emit: Emit) -> bool:
    if work.settings.lock is LockKind.LEASE:
        return True
    doubt = work.lock_doubt
    if not doubt:
        return False
    if work.settings.lock is LockKind.ADVISORY:
        message = f"SMALLS_LOCK is advisory, and such a lock may let two runs in at once: {doubt}."
        emit("lock.doubted", message, reason=doubt)
        return False
    emit("lock.changed", f"The lock is a lease: {doubt}.", lock="lease", reason=doubt)
    return True
