"""The operations that migrations are made of: frozen, comparable values that carry old and new state.

Each applies to a `Schema`, has an exact inverse, and says whether it destroys data (`destructive`), what it may
lose (`loss`) and whether it must run outside a transaction (`non_transactional`). SQL is the compilers'
business. `to_dict` and `from_dict` keep operations as versioned JSON-able data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smalls.codec import sealed, unsealed
from smalls.operations.base import Operation, Value, apply_all, reverse
from smalls.operations.columns import AddColumn, AlterColumn, DropColumn, RenameColumn
from smalls.operations.constraints import AddConstraint, ChangePrimaryKey, DropConstraint
from smalls.operations.free import Backfill, RawSQL, RunPython, StateOnly
from smalls.operations.indexes import AddIndex, DropIndex, RenameIndex
from smalls.operations.loss import type_loss
from smalls.operations.tables import (
    AddTable,
    ChangeComment,
    ChangeOptions,
    DropTable,
    MoveTable,
    RenameTable,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "AddColumn",
    "AddConstraint",
    "AddIndex",
    "AddTable",
    "AlterColumn",
    "Backfill",
    "ChangeComment",
    "ChangeOptions",
    "ChangePrimaryKey",
    "DropColumn",
    "DropConstraint",
    "DropIndex",
    "DropTable",
    "MoveTable",
    "Operation",
    "RawSQL",
    "RenameColumn",
    "RenameIndex",
    "RenameTable",
    "RunPython",
    "StateOnly",
    "Value",
    "apply_all",
    "from_dict",
    "reverse",
    "to_dict",
    "type_loss",
]


def to_dict(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return operations as plain, versioned, JSON-able data, in order."""
    return sealed("operations", list(operations))


def from_dict(data: dict[str, Any]) -> tuple[Operation, ...]:
    """Return the operations that `to_dict` wrote; raises `FormatError` for anything else."""
    operations: tuple[Operation, ...] = unsealed("operations", data)
    return operations
