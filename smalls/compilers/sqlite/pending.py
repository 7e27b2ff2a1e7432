"""Changes of one table that wait for a rebuild: how it is now, how it is to be, where its rows come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from smalls.compilers.base import Rebuild, Statement
from smalls.compilers.refusals import SQLITE, refusal
from smalls.compilers.sqlite.copying import converted
from smalls.compilers.sqlite.ddl import create_index, create_table, dotted, literal, quote, quoted
from smalls.operations import AddColumn, AlterColumn, DropColumn
from smalls.schema import Sql, TableKey

if TYPE_CHECKING:
    from smalls.operations import Operation
    from smalls.schema import Column, Schema, Table


@dataclass
class Pending:
    """Collects operations on the table `before`; `copy` maps its new columns to SQL over the old ones."""

    before: Table
    operations: list[Operation] = field(default_factory=list)
    copy: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.copy = {column.name: quote(column.name) for column in self.before.columns if not column.generated}

    def takes(self, operation: Operation) -> bool:
        """Tell whether the operation can join: its SQL over columns must mean them as they are on disk."""
        textual = isinstance(operation, AlterColumn) and bool(operation.using)
        if isinstance(operation, (AddColumn, AlterColumn)):
            textual = textual or isinstance(operation.backfill, Sql)
        steady = {name: quote(name) for name in self.before.column_names}
        return not textual or all(steady.get(name) == value for name, value in self.copy.items())

    def add(self, operation: Operation) -> None:
        """Take an operation in."""
        self.operations.append(operation)
        if isinstance(operation, AddColumn):
            self._put(operation.column, _filling(operation))
        elif isinstance(operation, DropColumn):
            self.copy.pop(operation.column.name, None)
        elif isinstance(operation, AlterColumn):
            self._put(operation.new, self._altered(operation))

    def _put(self, column: Column, value: str) -> None:
        if value and not column.generated:
            self.copy[column.name] = value
        else:
            self.copy.pop(column.name, None)

    def _altered(self, operation: AlterColumn) -> str:
        old, new = operation.old, operation.new
        there = quote(old.name) if old.generated else self.copy.get(old.name, "")
        value = operation.using or (there and converted(there, old.type, new.type))
        if operation.backfill is None:
            return value
        return f"COALESCE({value}, {literal(operation.backfill)})" if value else literal(operation.backfill)

    def rebuild(self, schema: Schema) -> Rebuild:
        """Return the step that brings the table to what it is in `schema`.

        https://www.sqlite.org/lang_altertable.html#otheralter; steps 1, 2, 3, 8 (triggers), 9, 10, 11 and 12
        are the executor's.
        """
        after = schema.table(self.before.key)
        if after.options.module or self.before.options.module:
            raise refusal("virtual", SQLITE, after.key)
        if after.options.temporary != self.before.options.temporary:
            raise refusal("temporary", SQLITE, after.key)
        copy = tuple((column.name, self.copy[column.name]) for column in after.columns if column.name in self.copy)
        return Rebuild(self.before, after, tuple(_statements(self.before, after, copy, schema)), copy)


def _filling(operation: AddColumn) -> str:
    """Return what rows get in a new column; "" leaves it to the column's default."""
    if operation.backfill is not None:
        return literal(operation.backfill)
    return "ROW_NUMBER() OVER ()" if operation.column.type.automatic and not operation.column.null else ""


def _statements(before: Table, after: Table, copy: tuple[tuple[str, str], ...], schema: Schema) -> list[Statement]:
    new = _free(after.key, schema)
    statements = [create_table(after, new.name)]
    if _autoincrement(before) and _autoincrement(after):
        # numbers that were given to rows since deleted are not given again
        held = f"SELECT {literal(new.name)}, seq FROM sqlite_sequence WHERE name = {literal(after.name)}"
        statements.append(f"INSERT INTO sqlite_sequence (name, seq) {held}")
    if copy:
        values = ", ".join(value for _, value in copy)
        names = quoted(name for name, _ in copy)
        statements.append(f"INSERT INTO {dotted(new)} ({names}) SELECT {values} FROM {dotted(after.key)}")
    statements += [
        f"DROP TABLE {dotted(after.key)}",
        # the legacy form changes no text but the table's own: views and triggers are not held against it, and
        # keys of other tables go on meaning this one
        "PRAGMA legacy_alter_table = ON",
        f"ALTER TABLE {dotted(new)} RENAME TO {quote(after.name)}",
        "PRAGMA legacy_alter_table = OFF",
        *(create_index(index, after) for index in after.indexes),
    ]
    return [Statement(sql, rewrites=sql.startswith("INSERT INTO " + dotted(new))) for sql in statements]


def _free(key: TableKey, schema: Schema) -> TableKey:
    taken = {other.name.casefold() for other in schema.tables}
    name = f"{key.name}_smalls_new"
    while name.casefold() in taken:
        name += "_"
    return key._replace(name=name)


def _autoincrement(table: Table) -> bool:
    return any(word.upper() == "AUTOINCREMENT" for column in table.columns for word in column.extra)
