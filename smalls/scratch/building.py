"""Building a schema from nothing on a connected database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smalls.compiling import compiler_for
from smalls.differ import diff
from smalls.program import prepare
from smalls.schema import Schema
from smalls.steps import execute

if TYPE_CHECKING:
    from smalls.program import Program


def program_for(database: Any, schema: Schema) -> Program:
    """Return the steps that make every table of `schema`."""
    return prepare(compiler_for(database), diff(Schema(), schema).operations, Schema(), together=True)


def build(database: Any, schema: Schema) -> None:
    """Make every table of `schema`, in the transaction that is open."""
    execute(program_for(database, schema), database, {})


def query_of(database: Any) -> Any:
    """Return what runs SQL on the database's own connection and returns all rows."""

    def query(sql: str, params: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        cursor = database.connection().cursor()
        cursor.execute(sql, *([params] if params else []))
        rows = list(cursor.fetchall()) if cursor.description else []
        cursor.close()
        return rows

    return query
