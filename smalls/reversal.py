"""The way back of a migration whose file is not here: from its kept operations, or why there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from smalls.autoerrors import IrreversibleError
from smalls.errors import SmallsError
from smalls.operations import AddColumn, AlterColumn, Backfill, DropColumn, RawSQL, RunPython, StateOnly, reverse
from smalls.structural import beyond_structure

if TYPE_CHECKING:
    from smalls.kept import Kept
    from smalls.operations import Operation

_SHOWN = 3


def way_back(kept: Kept) -> tuple[Operation, ...]:
    """Return the operations that undo what is kept, in order.

    They carry nothing that only undoing them again would run. Raises IrreversibleError, saying why, where they
    cannot be had from here: without a way back, with a function of the file's own, or with more than structure
    where no key vouches for it; and for values that no migration can have.
    """
    try:
        return _way_back(kept)
    except SmallsError:
        raise
    except Exception as error:
        raise IrreversibleError(f"what is kept of it cannot be meant ({error})") from None


def _way_back(kept: Kept) -> tuple[Operation, ...]:
    if kept.back != "derived":
        why = {"none": "it says reversible = False", "own": "its file has a rollback() of its own"}
        raise IrreversibleError(why.get(kept.back, f"its way back is of an unknown kind, {kept.back!r}"))
    operations = tuple(_disarmed(operation) for operation in reverse(kept.operations))
    if calls := [item.forward for item in operations if isinstance(item, RunPython)]:
        raise IrreversibleError(f"it ran Python, {calls[0]}(), which is in its file only")
    require_trust(kept, operations)
    return operations


def require_trust(kept: Kept, operations: tuple[Operation, ...]) -> None:
    """Raise IrreversibleError where `operations` say more than structure, and no key vouches for what is kept."""
    if kept.signed:
        return
    beyond = beyond_structure(operations)
    if beyond:
        more = ", …" if len(beyond) > _SHOWN else ""
        raise IrreversibleError(
            f"it holds SQL of its own ({', '.join(beyond[:_SHOWN])}{more}), and no key that is set here signed it"
        )


def lasting(kept: Kept) -> tuple[Operation, ...]:
    """Return what is kept as far as it says what the schema is afterwards, without what was only run."""
    return tuple(_lasting(operation) for operation in kept.operations)


def _lasting(operation: Operation) -> Operation:
    match operation:
        case AddColumn():
            return replace(operation, backfill=None)
        case AlterColumn():
            return replace(operation, using="", backfill=None, reverse_using="", reverse_backfill=None)
        case RawSQL():
            return StateOnly(operation.state)
        case Backfill() | RunPython():
            return StateOnly(())
    return _disarmed(operation)


def _disarmed(operation: Operation) -> Operation:
    """Return an inverse without what its own inverse would run."""
    match operation:
        case AlterColumn():
            return replace(operation, reverse_using="", reverse_backfill=None)
        case DropColumn():
            return replace(operation, reverse_backfill=None)
        case RawSQL():
            return replace(operation, reverse=None)
        case RunPython(forward=""):
            return StateOnly(())
    return operation
