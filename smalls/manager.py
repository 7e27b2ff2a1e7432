"""What a declarative migration's `migrate()` returns: the operations it is made of, one method for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from smalls.autoerrors import StateError
from smalls.operations import (
    AddColumn,
    AddConstraint,
    AddIndex,
    AddTable,
    AlterColumn,
    Backfill,
    ChangeComment,
    ChangeOptions,
    ChangePrimaryKey,
    DropColumn,
    DropConstraint,
    DropIndex,
    DropTable,
    MoveTable,
    Operation,
    RawSQL,
    RenameColumn,
    RenameIndex,
    RenameTable,
    RunPython,
    StateOnly,
    Value,
    apply_all,
    reverse,
)
from smalls.schema import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from smalls.schema import Column, Constraint, Index, Options, Schema, TableRef


class TableParts(TypedDict, total=False):
    """What a table may have beside columns; see `smalls.schema.Table`."""

    primary_key: str | Iterable[str]
    indexes: Iterable[Index]
    constraints: Iterable[Constraint]
    options: Options
    comment: str
    schema: str
    python: Mapping[str, Any]


class MigrationManager:
    """Collects operations in the order in which they run. A table is `"name"` or `("schema", "name")`.

    The way back is derived: `rollback_operations` are the inverses, last first. Two managers are equal when
    their operations are.
    """

    def __init__(self, operations: Iterable[Operation] = ()) -> None:
        self._operations = list(operations)
        self.functions: dict[str, Callable[..., object]] = {}
        """The functions that `run_python` was given, by name."""

    def __eq__(self, other: object) -> bool:
        return self.operations == other.operations if isinstance(other, MigrationManager) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it can grow

    def __repr__(self) -> str:
        return f"MigrationManager({list(self.operations)!r})"

    # what it holds

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations, in order."""
        return tuple(self._operations)

    @property
    def rollback_operations(self) -> tuple[Operation, ...]:
        """The operations that undo it, in order; raises `IrreversibleError` if one has no reverse."""
        return reverse(self._operations)

    @property
    def reversible(self) -> bool:
        """Whether all of it can be undone."""
        return all(operation.reversible for operation in self._operations)

    @property
    def destructive(self) -> bool:
        """Whether any of it destroys data."""
        return any(operation.destructive for operation in self._operations)

    @property
    def non_transactional(self) -> bool:
        """Whether any of it must run outside a transaction."""
        return any(operation.non_transactional for operation in self._operations)

    def apply(self, schema: Schema) -> Schema:
        """Return `schema` after all operations; raises `StateError` when one does not fit."""
        return apply_all(self._operations, schema)

    def add(self, operation: Operation) -> None:
        """Append any operation."""
        self._operations.append(operation)

    # tables

    def add_table(self, name: str, columns: Iterable[Column], **parts: Unpack[TableParts]) -> None:
        """Create a table with its indexes and constraints."""
        self.add(AddTable(Table(name, columns, **parts)))

    def drop_table(self, name: str, columns: Iterable[Column], **parts: Unpack[TableParts]) -> None:
        """Drop a table, given whole so that it can be made again."""
        self.add(DropTable(Table(name, columns, **parts)))

    def rename_table(self, table: TableRef, new: str) -> None:
        """Rename a table within its schema."""
        self.add(RenameTable(table, new))

    def move_table(self, table: TableRef, new: str) -> None:
        """Move a table to the schema `new`, "" for the connection's own."""
        self.add(MoveTable(table, new))

    def change_comment(self, table: TableRef, old: str, new: str) -> None:
        """Change the comment on a table."""
        self.add(ChangeComment(table, old, new))

    def change_options(self, table: TableRef, old: Options, new: Options) -> None:
        """Change how a table is kept."""
        self.add(ChangeOptions(table, old, new))

    def change_primary_key(self, table: TableRef, old: str | Iterable[str], new: str | Iterable[str]) -> None:
        """Change the columns of the primary key; [] is no key."""
        self.add(ChangePrimaryKey(table, old, new))

    # columns

    def add_column(self, table: TableRef, column: Column, *, backfill: Value = None) -> None:
        """Add a column; rows that are there get `backfill`, a plain value or `Sql(...)`."""
        self.add(AddColumn(table, column, backfill=backfill))

    def drop_column(self, table: TableRef, column: Column, *, reverse_backfill: Value = None) -> None:
        """Drop a column, given whole so that it can be made again; rows then get `reverse_backfill`."""
        self.add(DropColumn(table, column, reverse_backfill=reverse_backfill))

    def rename_column(self, table: TableRef, old: str, new: str) -> None:
        """Rename a column, and in whatever names it."""
        self.add(RenameColumn(table, old, new))

    def alter_column(
        self,
        table: TableRef,
        old: Column,
        new: Column,
        *,
        using: str = "",
        backfill: Value = None,
        reverse_using: str = "",
        reverse_backfill: Value = None,
    ) -> None:
        """Change a column in any way but its name; see `smalls.operations.AlterColumn`."""
        self.add(
            AlterColumn(
                table,
                old,
                new,
                using=using,
                backfill=backfill,
                reverse_using=reverse_using,
                reverse_backfill=reverse_backfill,
            )
        )

    # indexes and constraints

    def add_index(self, table: TableRef, index: Index, *, concurrently: bool = False) -> None:
        """Create an index, without blocking writers if `concurrently` and the engine can."""
        self.add(AddIndex(table, index, concurrently=concurrently))

    def drop_index(self, table: TableRef, index: Index, *, concurrently: bool = False) -> None:
        """Drop an index, given whole so that it can be made again."""
        self.add(DropIndex(table, index, concurrently=concurrently))

    def rename_index(self, table: TableRef, old: str, new: str) -> None:
        """Rename an index."""
        self.add(RenameIndex(table, old, new))

    def add_constraint(self, table: TableRef, constraint: Constraint) -> None:
        """Add a `Check`, a `Unique` or a `ForeignKey`."""
        self.add(AddConstraint(table, constraint))

    def drop_constraint(self, table: TableRef, constraint: Constraint) -> None:
        """Drop a constraint, given whole so that it can be made again."""
        self.add(DropConstraint(table, constraint))

    # a free hand

    def run_sql(
        self,
        forward: str | Iterable[str],
        reverse: str | Iterable[str] | None = None,
        *,
        state: Iterable[Operation] = (),
        transactional: bool = True,
    ) -> None:
        """Run SQL statements; "" as `reverse` says that nothing is to undo, None that it can't be undone."""
        self.add(RawSQL(forward, reverse, state=state, transactional=transactional))

    def run_python(
        self,
        forward: Callable[..., object] | str,
        reverse: Callable[..., object] | str | None = None,
        *,
        transactional: bool = True,
    ) -> None:
        """Call a function of this file, or one by that name; `reverse` as for `run_sql`."""
        back = None if reverse is None else self._named(reverse)
        self.add(RunPython(self._named(forward), back, transactional))

    def _named(self, function: Callable[..., object] | str) -> str:
        if isinstance(function, str):
            return function
        name = getattr(function, "__qualname__", "<none>")
        if "<" in name:
            raise StateError(f"run_python needs a function with a name of its own in the file, not {name}")
        self.functions[name] = function
        return name

    def backfill(self, table: TableRef, column: str, value: Value, *, where: str = "", batch: int = 1000) -> None:
        """Set a column in the rows that `where` selects, `batch` at a time, committing as it goes."""
        self.add(Backfill(table, column, value, where=where, batch=batch))

    def state_only(self, operations: Iterable[Operation]) -> None:
        """Change the declared state and nothing in the database."""
        self.add(StateOnly(operations))
