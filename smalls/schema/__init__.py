"""The schema as immutable plain data: what the models, or the sum of the migrations, promise of a database.

A `Schema` maps a `TableKey` to a `Table`; a table has columns (each with a `Type` from `types`), a primary
key, indexes and constraints. All are frozen, comparable and hashable. What only Python knows is kept apart, under
`python`, and does not count in comparisons; `Schema.to_dict` and `from_dict` keep it with all the rest.
"""

from __future__ import annotations

from smalls.schema import types
from smalls.schema.columns import Column, Generated
from smalls.schema.constraints import Check, Constraint, ForeignKey, Unique, columns_of
from smalls.schema.indexes import Index, Part
from smalls.schema.names import Sql, TableKey, TableRef, fit, table_key
from smalls.schema.state import Schema
from smalls.schema.tables import NO_OPTIONS, Options, Table
from smalls.schema.types import Type

__all__ = [
    "NO_OPTIONS",
    "Check",
    "Column",
    "Constraint",
    "ForeignKey",
    "Generated",
    "Index",
    "Options",
    "Part",
    "Schema",
    "Sql",
    "Table",
    "TableKey",
    "TableRef",
    "Type",
    "Unique",
    "columns_of",
    "fit",
    "table_key",
    "types",
]
