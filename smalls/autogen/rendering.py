"""Peewee's nodes as the SQL text that `create_tables` would send, with values written into it.

Names are in double quotes and booleans are words, whatever the database, so that a state is the same wherever it
is made; compilers put them in their engine's words.
"""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from enum import Enum
from typing import Any

import peewee
from peewee import SCOPE_VALUES, Context, Database, Proxy

from smalls.autoerrors import ModelError

_BASE: dict[str, str] = vars(peewee)["FIELD"]
_MARK = "\x00"
"""Stands in the text where Peewee would have a parameter; no SQL has it."""


class Words:
    """Renders nodes in the words of one database; of no certain one (a proxy without one) in standard SQL."""

    def __init__(self, database: Any = None) -> None:
        while isinstance(database, Proxy):
            database = database.obj
        self.database = database if isinstance(database, Database) else None
        self.family = _family(self.database)
        # a driver that has parameters in its own % takes %% for one of them
        self._doubled = self.database is not None and self.database.param == "%s"
        self._retyped = _retyped(self.database)

    def context(self, **options: Any) -> Any:
        """Return a fresh context, as Peewee's schema manager has it but for the quotes of names."""
        options = {"scope": SCOPE_VALUES, "param": _MARK, "quote": '""', **options}
        return Context(**options) if self.database is None else self.database.get_sql_context(**options)

    def statement(self, node: Any, where: str) -> str:
        """Return the text of `node` in the very words of the database: a whole statement stays as it is."""
        own = {} if self.database is None else {"quote": self.database.quote}
        return self._finished(self.context(**own).sql(node), where)

    def retypes(self, field_type: str) -> bool:
        """Whether this very database was told to have another type for such fields than its engine has."""
        return field_type in self._retyped

    def text(self, node: Any, where: str) -> str:
        """Return the text of `node`; raises `ModelError` for values that cannot stand in it."""
        return self._finished(self.context().sql(node), where)

    def expression(self, node: Any, where: str) -> str:
        """Return the text of a part of an index."""
        context = self.context()
        with context.scope_values(subquery=True):
            context.sql(node)
        return self._finished(context, where)

    def _finished(self, context: Any, where: str) -> str:
        sql, values = context.query()
        parts = sql.split(_MARK)
        if len(parts) != len(values) + 1:
            raise ModelError(
                f"{where}: an SQL() with parameters cannot be part of a schema.",
                hint="Write the values into its text: databases keep such definitions without parameters.",
            )
        if self._doubled:
            parts = [part.replace("%%", "%") for part in parts]
        literals = [*(self._literal(value, where) for value in values), ""]
        return "".join(text for pair in zip(parts, literals, strict=True) for text in pair).strip()

    def _literal(self, value: Any, where: str) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int | float | decimal.Decimal):
            return str(value)
        if isinstance(value, Enum):
            return self._literal(value.value, where)
        if isinstance(value, str | dt.date | dt.time | uuid.UUID):
            quoted = str(value).replace("'", "''")
            return f"'{quoted}'" if self.family != "mysql" else f"'{quoted}'".replace("\\", "\\\\")
        raise ModelError(
            f"{where}: {value!r} cannot be written as SQL.", hint="Say it in SQL: SQL(\"status = 'open'\")."
        )


def _family(database: Any) -> str:
    """Return sqlite, postgres or mysql, "" where it is not known."""
    names = {base.__name__ for base in type(database).__mro__}
    known = {"SqliteDatabase": "sqlite", "PostgresqlDatabase": "postgres", "MySQLDatabase": "mysql"}
    return next((family for name, family in known.items() if name in names), "")


def _retyped(database: Any) -> frozenset[str]:
    if database is None:
        return frozenset()
    usual = type(database).field_types
    own = database._field_types
    return frozenset(name for name, text in own.items() if text != usual.get(name, _BASE.get(name)))
