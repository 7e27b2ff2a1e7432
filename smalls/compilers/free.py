"""Steps of operations that are the same on engines that have no words of their own for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.compilers.base import Batches, Call, Statement, Step
from smalls.operations import Backfill, Operation, RawSQL, RunPython

if TYPE_CHECKING:
    from smalls.schema import Schema


def free_steps(operation: Operation, before: Schema) -> list[Step]:
    """Return the steps of RawSQL, RunPython and Backfill; none for any other, StateOnly above all."""
    if isinstance(operation, RawSQL):
        return [Statement(sql, transactional=operation.transactional) for sql in operation.forward]
    if isinstance(operation, RunPython):
        return [Call(operation.forward, operation.transactional)] if operation.forward else []
    return [Batches(operation, before.table(operation.table))] if isinstance(operation, Backfill) else []
