"""A declarative migration compiled: its steps, and which of them a transaction may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smalls.compilers.base import Batches, Call, Compiled, Statement, Step, compile_all
from smalls.operations import AddTable, RunPython

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from smalls.compilers.base import Compiler
    from smalls.operations import Operation
    from smalls.schema import Schema


@dataclass(frozen=True, slots=True)
class Program:
    """A migration's steps in order; `models` maps the number of each `Call` to the schema that it works with.

    `apart` is whether it does long work on tables that were there before it, whose rows others want to write:
    then each step had better stand alone, although a transaction could hold them all.
    """

    steps: tuple[Step, ...]
    models: Mapping[int, Schema]
    apart: bool = False

    @property
    def wrappable(self) -> bool:
        """Whether all of it may run in one transaction."""
        return all(getattr(step, "transactional", not isinstance(step, Batches)) for step in self.steps)

    @property
    def holdable(self) -> bool:
        """Whether a transaction can hold all of it, backfills in one piece."""
        return all(getattr(step, "transactional", True) for step in self.steps)

    @property
    def transactional(self) -> bool:
        """Whether all of it is to run in one transaction, unless the file says otherwise; else each step alone."""
        return self.wrappable and not self.apart


def prepare(
    compiler: Compiler, operations: Iterable[Operation], before: Schema, *, together: bool = False
) -> Program:
    """Compile a migration's operations, which may be its reverse, on the schema `before` them.

    `together` asks for one transaction, also where steps that stand alone would hold nobody up.
    Raises UnsupportedError for what the engine cannot do, and StateError for what does not fit: before
    anything is run.
    """
    listed = tuple(operations)
    found: list[Schema] = []
    schema = before
    for operation in listed:
        if isinstance(operation, RunPython) and operation.forward:
            found.append(schema)
        schema = operation.apply(schema)
    compiled = compile_all(compiler, listed, before, together=together)
    steps = tuple(step for item in compiled for step in item.steps)
    calls = [number for number, step in enumerate(steps) if isinstance(step, Call)]
    return Program(steps, dict(zip(calls, found, strict=True)), apart=stands_apart(compiled) and not together)


def stands_apart(compiled: Iterable[Compiled]) -> bool:
    """Tell whether any step that should stand alone works on a table that the same migration does not make."""
    items = tuple(compiled)
    made = {op.table.key for item in items for op in item.operations if isinstance(op, AddTable)}
    return any(
        getattr(step, "alone", False) and any(getattr(op, "table", None) not in made for op in item.operations)
        for item in items
        for step in item.steps
    )


def clears(step: Step) -> bool:
    """Tell whether the step only makes way for the next one, and is done again with it."""
    return isinstance(step, Statement) and step.clears
