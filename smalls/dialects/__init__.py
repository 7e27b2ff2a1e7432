"""What differs between engines, one module each; `dialect_for` chooses by a location's or object's engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.urls import Engine

if TYPE_CHECKING:
    from smalls.dialects.base import Dialect


def dialect_for(engine: Engine) -> Dialect:
    """Return the dialect of an engine; only its module is imported."""
    if engine is Engine.SQLITE:
        from smalls.dialects.sqlite import SqliteDialect

        return SqliteDialect()
    if engine is Engine.POSTGRES:
        from smalls.dialects.postgres import PostgresDialect

        return PostgresDialect()
    from smalls.dialects.mysql import MysqlDialect

    return MysqlDialect()
