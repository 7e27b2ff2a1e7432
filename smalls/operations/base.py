"""What every operation can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from smalls.schema import Sql

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.schema import Schema

Value: TypeAlias = bool | int | float | str | bytes | Sql | None
"""What rows are filled with: a plain value, or `Sql("lower(title)")` over the row itself; None = nothing."""


class Operation(ABC):
    """One change of a schema: a frozen, comparable value that carries the old state and the new.

    `name` is its lasting name, in JSON, and the name of the manager's method that makes it.
    """

    __slots__ = ()
    name: ClassVar[str]

    @abstractmethod
    def apply(self, schema: Schema) -> Schema:
        """Return the schema after the operation; raises `StateError` when it does not fit `schema`."""

    @abstractmethod
    def inverse(self) -> Operation:
        """Return the operation that undoes this one; raises `IrreversibleError` when there is none."""

    @abstractmethod
    def describe(self) -> str:
        """Return what it does as a short phrase, such as `add column post.title`."""

    @property
    def reversible(self) -> bool:
        """Whether `inverse` returns."""
        return True

    @property
    def destructive(self) -> bool:
        """Whether data in the database goes for certain, if there is any."""
        return False

    @property
    def loss(self) -> str:
        """What is lost, or may be, as a sentence's end ("values longer than 20 characters"); "" for nothing."""
        return ""

    @property
    def non_transactional(self) -> bool:
        """Whether it must run outside a transaction, on every engine."""
        return False


def apply_all(operations: Iterable[Operation], schema: Schema) -> Schema:
    """Return `schema` after all of `operations`, in order."""
    for operation in operations:
        schema = operation.apply(schema)
    return schema


def reverse(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Return the operations that undo `operations`: the inverses, last first."""
    return tuple(operation.inverse() for operation in reversed(tuple(operations)))
