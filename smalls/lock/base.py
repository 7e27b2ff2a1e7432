"""What every lock is, and the lock that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from smalls.dialects.base import Bound, Holder, Query
    from smalls.errors import LockLostError


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

    def inherit(self, token: str) -> Lock | None:
        """Return the lock as a child of its holder has it; None unless the holder gave this token."""

    @property
    def lost(self) -> str | None:
        """Why it is known to be lost, without asking anybody; None while nothing is known against it."""

    def check(self, query: Query) -> None:
        """Raise LockLostError unless it is still ours; `query` runs in the transaction about to be committed."""

    def fencing(self) -> Bound | None:
        """Return a statement for that transaction that fails as `check` does; None where only `check` can tell."""

    def denies(self, error: BaseException) -> LockLostError | None:
        """Return what an error of that statement means; None for another error."""


class Asked:
    """A part of locks about which only `check` can tell."""

    def fencing(self) -> Bound | None:
        """Return no statement."""
        return None

    def denies(self, error: BaseException) -> LockLostError | None:  # noqa: ARG002 -- as the others that are called alike take it
        """Return nothing: no statement was given."""
        return None


class NoLock(Asked):
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

    def inherit(self, token: str) -> Lock | None:  # noqa: ARG002 -- as the others that are called alike take it
        """Return nothing: nobody holds it."""
        return None

    @property
    def lost(self) -> str | None:
        """Nothing: what was never had cannot be lost."""
        return None

    def check(self, query: Query) -> None:
        """Do nothing."""


class InheritedLock(NoLock):
    """The parent run's lock, which this run does not own; its working session takes the second lock."""

    name = "inherited"
    has_second = True
