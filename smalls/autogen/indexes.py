"""The indexes that `create_tables` makes of a model: of its fields, and of Meta.indexes in all its forms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import peewee
from peewee import Field

from smalls.autoerrors import ModelError
from smalls.autogen.clauses import unquote
from smalls.schema import Index, Part, Sql

if TYPE_CHECKING:
    from smalls.autogen.rendering import Words

_CREATE = re.compile(
    r"""\s*CREATE\s+(?P<unique>UNIQUE\s+)?(?:[A-Z]+\s+)?INDEX\s+(?:CONCURRENTLY\s+)?(?:IF\s+NOT\s+EXISTS\s+)?
    (?:(?:"[^"]+"|`[^`]+`|\w+)\s*\.\s*)?(?P<name>"[^"]+"|`[^`]+`|\w+)\s+(?:USING\s+\w+\s+)?ON\b""",
    re.IGNORECASE | re.VERBOSE,
)


def indexes_of(model: Any, words: Words) -> list[Index]:
    """Return the model's indexes, in Peewee's order; one for a field that is both `index` and `unique`.

    One that the model says twice, of a field and in Meta, is one. Raises `ModelError` for one without a name, which
    could never be found again, and for two that differ under one name, of which Peewee would make the first only.
    """
    found: dict[str, Index] = {}
    for node in model._meta.fields_to_index():
        index = _index(node, model, words)
        if found.setdefault(index.name, index) != index:
            raise ModelError(
                f"{model.__name__}: two indexes that differ have the name {index.name}.",
                hint="Take one of them away (index= or unique= of a field, Meta.indexes), or name one otherwise.",
            )
    return list(found.values())


def _index(node: Any, model: Any, words: Words) -> Index:
    where = f"{model.__name__}.Meta.indexes"
    if not isinstance(node, peewee.Index):
        return _whole(words.statement(node, where), where)
    if not _is_own(node, model):
        return _whole(words.statement(node.safe(False), where), where)
    held = vars(node)
    return Index(
        held["_name"],
        [_part(part, model, words, where) for part in held["_expressions"]],
        unique=bool(held["_unique"]),
        method=held["_using"] or "",
        where=words.expression(held["_where"], where) if held["_where"] is not None else "",
        nulls_distinct=held["_nulls_distinct"],
    )


def _is_own(node: Any, model: Any) -> bool:
    """Whether the index is on the model's own table: a plain `Index` names one itself."""
    table = vars(node)["_table"]
    return isinstance(table, peewee.Table) and table.__name__ == model._meta.table_name


def _part(part: Any, model: Any, words: Words, where: str) -> Part:
    if isinstance(part, Field):
        return str(part.column_name)
    if isinstance(part, str):
        return part if part in model._meta.columns else Sql(part)
    return Sql(words.expression(part, where))


def _whole(text: str, where: str) -> Index:
    found = _CREATE.match(text)
    if found is None:
        raise ModelError(
            f"{where}: {text!r} is not a CREATE INDEX with a name.",
            hint="Name the index, so that it can be found and dropped again: CREATE INDEX post_title ON post (…).",
        )
    return Index(unquote(found["name"]), unique=bool(found["unique"]), sql=text.rstrip("; \n"))
