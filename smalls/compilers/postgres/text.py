"""PostgreSQL's SQL text for names, values, columns, constraints and indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.compilers.postgres.types import declared
from smalls.compilers.refusals import POSTGRES, refusal
from smalls.schema import Check, ForeignKey, Sql, fit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.operations import Value
    from smalls.schema import Column, Constraint, Index, TableKey

LIMIT = 63
"""Bytes of an identifier: https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS"""

VIRTUAL_SINCE = 18
"""https://www.postgresql.org/docs/18/ddl-generated-columns.html"""


def quote(name: str) -> str:
    """Return `name` as an identifier, cut to the limit as the server would."""
    return '"' + fit(name, LIMIT).replace('"', '""') + '"'


def listed(names: Iterable[str]) -> str:
    """Return names as identifiers with commas between them."""
    return ", ".join(map(quote, names))


def relation(key: TableKey) -> str:
    """Return a table's name, with its schema where it has one."""
    return f"{quote(key.schema)}.{quote(key.name)}" if key.schema else quote(key.name)


def beside(key: TableKey, name: str) -> str:
    """Return the name of something in the schema of the table: an index, a sequence."""
    return f"{quote(key.schema)}.{quote(name)}" if key.schema else quote(name)


def string(text: str) -> str:
    """Return `text` as a literal; backslashes are plain under standard_conforming_strings."""
    return "'" + text.replace("'", "''") + "'"


def literal(value: Value) -> str:
    """Return a value as SQL."""
    if isinstance(value, Sql):
        return value.text
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'::bytea"
    return string(value) if isinstance(value, str) else repr(value)


def column_definition(column: Column, *, default: str | None = None, version: int = 15) -> str:
    """Return a column as CREATE TABLE and ADD COLUMN take it, without its checks.

    `default` stands in for the column's own for as long as the statement runs.
    """
    if column.unindexed:
        raise refusal("unindexed", POSTGRES, column.name)
    parts = [quote(column.name), declared(column.type)]
    parts += [f"COLLATE {column.collation}"] if column.collation else []
    parts += ["NOT NULL"] if not column.null else []
    parts += _filling(column, column.default if default is None else default, version)
    return " ".join([*parts, *column.extra])


def _filling(column: Column, default: str | None, version: int) -> list[str]:
    if column.generated is not None:
        if not column.generated.stored and version < VIRTUAL_SINCE:
            raise refusal("virtual-generated", POSTGRES, column.name)
        return [
            f"GENERATED ALWAYS AS ({column.generated.sql}) {'STORED' if column.generated.stored else 'VIRTUAL'}"
        ]
    if column.identity:
        return [f"GENERATED {column.identity.upper()} AS IDENTITY"]
    if column.sequence:
        return [f"DEFAULT {nextval(column)}"]
    return [f"DEFAULT {default}"] if default is not None else []


def nextval(column: Column) -> str:
    """Return the default of a column that a sequence of the project's own fills."""
    return f"nextval({string(column.sequence)})"


def default_of(column: Column) -> str | None:
    """Return the default that ALTER COLUMN can set and drop; None if there is none."""
    return nextval(column) if column.sequence else column.default


def constraint_definition(item: Constraint) -> str:
    """Return a constraint as ADD CONSTRAINT takes it, without its name."""
    if isinstance(item, Check):
        return f"CHECK ({item.sql})"
    if not isinstance(item, ForeignKey):
        return f"UNIQUE ({listed(item.columns)}){deferred(item.deferrable)}"
    actions = [
        f" ON {word} {action}"
        for word, action in (("DELETE", item.on_delete), ("UPDATE", item.on_update))
        if action
    ]
    return (
        f"FOREIGN KEY ({listed(item.columns)}) REFERENCES {relation(item.ref_table)} ({listed(item.ref_columns)})"
        f"{''.join(actions)}{deferred(item.deferrable)}"
    )


def deferred(words: str) -> str:
    """Return the words of a constraint that say when it is checked."""
    if not words:
        return ""
    return f" {words}" if "DEFERRABLE" in words.upper() else f" DEFERRABLE {words}"


def index_statement(key: TableKey, index: Index, *, concurrently: bool = False) -> str:
    """Return CREATE INDEX, or the project's own statement."""
    if index.sql:
        return index.sql
    parts = [part.text if isinstance(part, Sql) else quote(part) for part in index.parts]
    words = ["CREATE", "UNIQUE INDEX" if index.unique else "INDEX", "CONCURRENTLY" if concurrently else ""]
    words += [quote(index.name), "ON", relation(key), f"USING {index.method}" if index.method else ""]
    words += [f"({', '.join(parts)})", _nulls(index.nulls_distinct), f"WHERE {index.where}" if index.where else ""]
    return " ".join(word for word in words if word)


def _nulls(distinct: bool | None) -> str:
    return "" if distinct is None else f"NULLS {'' if distinct else 'NOT '}DISTINCT"
