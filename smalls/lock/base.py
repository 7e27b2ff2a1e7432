"""What every lock is, and the lock that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from smalls.dialects.base import Holder, Query


class Lock(Protocol):
    """One lock that can be tried, given back, and asked who has it.

    `has_second` is whether the working session takes a lock of its own beside it.
    """

    name: str
    has_second: bool

    def try_acquire(self) -> bool:
        """Take it if it is free."""

    def release(self) -> None:
        """Give it back."""

    def holder(self) -> Holder | None:
        """Return who has it."""

    def token(self) -> str:
        """Return what a child may show to prove that its parent has it."""

    def is_held_with(self, token: str) -> bool:
        """Tell whether the run that holds it gave this token."""

    def check(self, query: Query) -> None:
        """Raise LockLostError unless it is still ours; `query` runs in the transaction about to be committed."""


class NoLock:
    """No lock at all, by choice (SMALLS_LOCK=none) or for a database in memory."""

    name = "none"
    has_second = False

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

    def is_held_with(self, token: str) -> bool:  # noqa: ARG002
        """Tell that nobody holds it."""
        return False

    def check(self, query: Query) -> None:
        """Do nothing."""


class InheritedLock(NoLock):
    """The parent run's lock, which this run does not own; its working session takes the second lock."""

    name = "inherited"
    has_second = True
