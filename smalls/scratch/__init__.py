"""What the migrations promise, built beside the live schema on the same server, and both catalogues read.

Only the server itself knows how it writes a type, a default or a check; two catalogues in its own words can be
compared to the letter. What is built is gone afterwards, also where the process dies meanwhile: it is rolled back
(PostgreSQL), in memory (SQLite), or in temporary tables (MySQL and MariaDB).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from smalls.schema import ForeignKey, Schema
from smalls.urls import Engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalls.reflect import Catalogue

__all__ = ["catalogues"]

_MODULES = {Engine.POSTGRES: "postgres", Engine.SQLITE: "sqlite", Engine.MYSQL: "mysql"}


def catalogues(
    engine: Engine, database: Any, schema: Schema, begin: Callable[[], None]
) -> tuple[Catalogue, Catalogue]:
    """Return the catalogue that `schema` would have on the database, and the one that there is.

    `begin` sets a transaction of ours up. A foreign key to a table that is not in `schema` is in neither. Raises
    what the server raises where its user may not build anything.
    """
    module = importlib.import_module(f"smalls.scratch.{_MODULES[engine]}")
    promised, live = module.catalogues(database, _closed(schema), begin)
    return promised, live


def _closed(schema: Schema) -> Schema:
    """Return the schema without foreign keys that lead out of it."""
    return Schema(
        table.with_(
            constraints=tuple(
                item
                for item in table.constraints
                if not (isinstance(item, ForeignKey) and item.ref_table not in schema.tables)
            )
        )
        for table in schema.tables.values()
    )
