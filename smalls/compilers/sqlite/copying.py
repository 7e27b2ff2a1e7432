"""How a value of one type becomes one of another when SQLite copies rows.

A column's affinity converts numbers and text by itself, without loss or not at all
(https://www.sqlite.org/datatype3.html#type_affinity); only where Peewee keeps values of the two types in
different ways is there something to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smalls.schema import Type

_WHOLE = {"smallint", "integer", "bigint", "boolean"}
_FRACTIONS = {"real", "double", "decimal"}
_STRINGS = {"char", "varchar", "text", "json"}
_BYTES = {"blob", "binary_uuid"}
_MOMENTS = {"datetime", "timestamptz"}


# `unhex` is there from SQLite 3.41, or given by the executor: https://www.sqlite.org/lang_corefunc.html#unhex
_FORMS = (
    (_FRACTIONS, _WHOLE, "CASE typeof({0}) WHEN 'real' THEN CAST(round({0}) AS INTEGER) ELSE {0} END"),
    ({"uuid"}, _BYTES, "unhex(replace({0}, '-', ''))"),
    ({"binary_uuid"}, _STRINGS | {"uuid"}, "lower(hex({0}))"),
    (_STRINGS, _BYTES, "CAST({0} AS BLOB)"),
    ({"blob"}, _STRINGS, "CAST({0} AS TEXT)"),
    ({"jsonb"}, _STRINGS, "CASE typeof({0}) WHEN 'blob' THEN json({0}) ELSE {0} END"),
    (_MOMENTS, {"date"}, "substr({0}, 1, 10)"),
    (_MOMENTS, {"time"}, "substr({0}, 12)"),
    ({"date"}, _MOMENTS, "{0} || ' 00:00:00'"),
)


def converted(value: str, old: Type, new: Type) -> str:
    """Return the expression that makes a `new` of the expression `value`, an `old`."""
    forms = (form for olds, news, form in _FORMS if old.kind in olds and new.kind in news)
    return next(forms, "{0}").replace("{0}", value)
