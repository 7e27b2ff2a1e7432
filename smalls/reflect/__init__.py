"""Reading live catalogues, one module an engine."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from smalls.reflect.base import Catalogue, LiveColumn, LiveTable, differences
from smalls.urls import Engine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.reflect.base import Query

__all__ = ["Catalogue", "LiveColumn", "LiveTable", "differences", "read"]

_MODULES = {Engine.POSTGRES: "postgres", Engine.SQLITE: "sqlite", Engine.MYSQL: "mysql"}


def read(engine: Engine, query: Query, *, without: Iterable[str] = ()) -> Catalogue:
    """Return the live catalogue, but for the tables named in `without`."""
    module = importlib.import_module(f"smalls.reflect.{_MODULES[engine]}")
    found: Catalogue = module.read(query, without=without)
    return found
