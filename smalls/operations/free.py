"""Operations with a free hand: SQL and Python of the project's own, backfills, and changes of state alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from smalls.autoerrors import IrreversibleError
from smalls.codec import plain
from smalls.operations.base import Operation, Value, apply_all, reverse
from smalls.operations.tables import DropTable
from smalls.schema import Schema, TableKey, table_key
from smalls.schema.names import names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.schema import TableRef


def _statements(given: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(statement for statement in names(given) if statement.strip())


@plain("run_sql")
@dataclass(frozen=True, slots=True)
class RawSQL(Operation):
    """Run the statements `forward`; undo by `reverse`, () if nothing is to undo, None if it can't be undone.

    `state` are the operations that say what the statements do to the schema; they run no SQL. Statements
    that refuse to run in a transaction need `transactional=False`.
    """

    name: ClassVar[str] = "run_sql"
    forward: tuple[str, ...]
    reverse: tuple[str, ...] | None = None
    state: tuple[Operation, ...] = ()
    transactional: bool = True

    def __init__(
        self,
        forward: str | Iterable[str],
        reverse: str | Iterable[str] | None = None,
        *,
        state: Iterable[Operation] = (),
        transactional: bool = True,
    ) -> None:
        object.__setattr__(self, "forward", _statements(forward))
        object.__setattr__(self, "reverse", None if reverse is None else _statements(reverse))
        object.__setattr__(self, "state", tuple(state))
        object.__setattr__(self, "transactional", transactional)

    def apply(self, schema: Schema) -> Schema:
        return apply_all(self.state, schema)

    def inverse(self) -> Operation:
        if self.reverse is None:
            raise IrreversibleError(f"SQL without a reverse: {self.describe()}")
        back = reverse(self.state)
        return RawSQL(self.reverse, self.forward, state=back, transactional=self.transactional)

    def describe(self) -> str:
        return f"run SQL: {'; '.join(' '.join(text.split()) for text in self.forward)[:80]}"

    @property
    def reversible(self) -> bool:
        return self.reverse is not None

    @property
    def non_transactional(self) -> bool:
        return not self.transactional


@plain("run_python")
@dataclass(frozen=True, slots=True)
class RunPython(Operation):
    """Call the function of the migration's file named `forward`; undo by `reverse`.

    `reverse` is "" if nothing is to undo, None if it can't be undone. The functions get the database and the
    models as of this migration from whoever runs them.
    """

    name: ClassVar[str] = "run_python"
    forward: str
    reverse: str | None = None
    transactional: bool = True

    def apply(self, schema: Schema) -> Schema:
        return schema

    def inverse(self) -> Operation:
        if self.reverse is None:
            raise IrreversibleError(f"{self.forward}() has no reverse")
        return RunPython(self.reverse, self.forward, self.transactional)

    def describe(self) -> str:
        return f"run {self.forward}()" if self.forward else "run nothing"

    @property
    def reversible(self) -> bool:
        return self.reverse is not None

    @property
    def non_transactional(self) -> bool:
        return not self.transactional


@plain("backfill")
@dataclass(frozen=True, slots=True)
class Backfill(Operation):
    """Set `column` to `value` in every row that `where` selects ("" = all), `batch` rows at a time.

    It commits as it goes and resumes by primary key, so no lock is held for long. There is nothing to undo.
    """

    name: ClassVar[str] = "backfill"
    table: TableKey
    column: str
    value: Value
    where: str = ""
    batch: int = 1000

    def __init__(self, table: TableRef, column: str, value: Value, *, where: str = "", batch: int = 1000) -> None:
        object.__setattr__(self, "table", table_key(table))
        object.__setattr__(self, "column", column)
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "where", where)
        object.__setattr__(self, "batch", batch)

    def apply(self, schema: Schema) -> Schema:
        schema.table(self.table).column(self.column)
        return schema

    def inverse(self) -> Operation:
        return StateOnly(())

    def describe(self) -> str:
        return f"backfill {self.table}.{self.column}"

    @property
    def non_transactional(self) -> bool:
        return True


@plain("state_only")
@dataclass(frozen=True, slots=True)
class StateOnly(Operation):
    """Change the declared state by `operations`, and nothing in the database.

    A table may be dropped from the state while foreign keys refer to it: it stays in the database.
    """

    name: ClassVar[str] = "state_only"
    operations: tuple[Operation, ...]

    def __init__(self, operations: Iterable[Operation]) -> None:
        object.__setattr__(self, "operations", tuple(operations))

    def apply(self, schema: Schema) -> Schema:
        for item in self.operations:
            schema = item.forget(schema) if isinstance(item, DropTable) else item.apply(schema)
        return schema

    def inverse(self) -> Operation:
        return StateOnly(reverse(self.operations))

    def describe(self) -> str:
        return f"state only: {', '.join(item.describe() for item in self.operations) or 'nothing'}"

    @property
    def reversible(self) -> bool:
        return all(item.reversible for item in self.operations)
