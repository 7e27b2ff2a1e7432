"""What a migration's code may not leave behind, looked for before it is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.guard import BadOutcomeError, EndedPastError, RolledBackError

if TYPE_CHECKING:
    from smalls.guard import Guard

_SHOWN_VIOLATIONS = 5


def inspect_outcome(guard: Guard, *, proven: bool = True) -> None:
    """Raise BadOutcomeError or RolledBackError for what the code left behind and must not be recorded.

    Unless it is to be `proven` here, that the transaction is still ours is left to the commit, which fails in
    another, as long as nothing went past the tap.
    """
    if guard.rolled_back:
        raise RolledBackError(guard.rolled_back)
    if guard.given_up():
        raise BadOutcomeError("the code went on after an error, at which the server gave the transaction up")
    if guard.inside and (proven or guard.doubtful) and not guard.still_ours():
        raise EndedPastError
    if guard.left_open():
        raise BadOutcomeError("the code left a transaction of its own open")
    if guard.inside and (broken := guard.keys.newly_broken()):
        shown = "; ".join(str(violation) for violation in broken[:_SHOWN_VIOLATIONS])
        more = f" and {len(broken) - _SHOWN_VIOLATIONS} more" if len(broken) > _SHOWN_VIOLATIONS else ""
        raise BadOutcomeError(f"foreign keys are broken: {shown}{more}")
