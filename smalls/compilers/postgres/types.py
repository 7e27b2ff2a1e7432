"""PostgreSQL's words for the types, and how a value of one becomes a value of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.compilers.refusals import POSTGRES, refusal
from smalls.schema import types

if TYPE_CHECKING:
    from smalls.schema import Type

# What Peewee's `PostgresqlDatabase.field_types` makes of its fields; a JSONField is kept as JSONB: https://www.postgresql.org/docs/current/datatype.html
WORDS = {
    "auto": "INTEGER",
    "bigauto": "BIGINT",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "boolean": "BOOLEAN",
    "real": "REAL",
    "double": "DOUBLE PRECISION",
    "decimal": "NUMERIC",
    "char": "CHAR",
    "varchar": "VARCHAR",
    "text": "TEXT",
    "blob": "BYTEA",
    "uuid": "UUID",
    "binary_uuid": "BYTEA",
    "date": "DATE",
    "time": "TIME",
    "datetime": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "interval": "INTERVAL",
    "json": "JSONB",
    "jsonb": "JSONB",
    "hstore": "HSTORE",
    "tsvector": "TSVECTOR",
}
SERIALS = {"auto": "SERIAL", "bigauto": "BIGSERIAL"}

WHOLE = frozenset({"auto", "bigauto", "smallint", "integer", "bigint"})
NUMBERS = WHOLE | {"decimal", "real", "double"}
STRINGS = frozenset({"char", "varchar", "text"})
BYTES = frozenset({"blob", "binary_uuid"})
DOCUMENTS = frozenset({"json", "jsonb"})

# Moments without a zone are taken for UTC, whatever the session's zone is, so that a way and back is exact.
_ASSIGNED = "{}"
_CASTS = {
    ("uuid", "binary_uuid"): "uuid_send({})",
    ("binary_uuid", "uuid"): "encode({}, 'hex')::uuid",
    ("blob", "uuid"): "encode({}, 'hex')::uuid",
    ("date", "datetime"): _ASSIGNED,
    ("date", "timestamptz"): "{}::timestamp AT TIME ZONE 'UTC'",
    ("datetime", "date"): _ASSIGNED,
    ("datetime", "time"): _ASSIGNED,
    ("datetime", "timestamptz"): "{} AT TIME ZONE 'UTC'",
    ("timestamptz", "datetime"): "{} AT TIME ZONE 'UTC'",
    ("timestamptz", "date"): "({} AT TIME ZONE 'UTC')::date",
    ("timestamptz", "time"): "({} AT TIME ZONE 'UTC')::time",
    ("time", "interval"): _ASSIGNED,
    ("interval", "time"): _ASSIGNED,
    ("tsvector", "array"): "tsvector_to_array({})",
}


def word(type_: Type) -> str:
    """Return the type as PostgreSQL writes it in ALTER TABLE; raises UnsupportedError for unsigned integers."""
    kind = type_.kind
    if kind == "raw":
        return str(type_.params["ddl"])
    if kind == "array":
        return word(types.item_of(type_)) + "[]" * int(type_.get("dimensions", 1))
    if type_.get("unsigned"):
        raise refusal("unsigned", POSTGRES, kind)
    return WORDS[kind] + _modifiers(type_)


def _modifiers(type_: Type) -> str:
    if type_.kind == "decimal":
        return f"({type_.params['precision']}, {type_.params['scale']})"
    length = type_.get("length")
    return f"({length})" if length is not None else ""


def declared(type_: Type) -> str:
    """Return the type as CREATE TABLE has it: SERIAL for what the database numbers."""
    return SERIALS.get(type_.kind) or word(type_)


def same(old: Type, new: Type) -> bool:
    """Tell whether the two are one type to PostgreSQL."""
    return word(old) == word(new)


def conversion(old: Type, new: Type, column: str) -> str:
    """Return the expression for USING that makes a new value of the old one in `column`.

    "" where the assignment cast does it. Assignment is preferred, because it fails on a string that is
    too long, where an explicit cast cuts it. Raises UnsupportedError where no value has an obvious
    counterpart: https://www.postgresql.org/docs/current/sql-createcast.html
    """
    found = _conversion(old, new)
    if found is None:
        raise refusal("conversion", POSTGRES, f"{column} from {old.kind} to {new.kind}")
    return "" if found == _ASSIGNED else found.format(column)


def _conversion(old: Type, new: Type) -> str | None:
    kinds = old.kind, new.kind
    if kinds in _CASTS or "raw" in kinds:
        return _CASTS.get(kinds, f"{{}}::{word(new)}")
    if new.kind in STRINGS:
        return _to_string(old)
    if old.kind in STRINGS:
        return _from_string(new)
    if old.kind == "array" or new.kind == "array":
        return _with_array(old, new)
    if _alike(*kinds):
        return _ASSIGNED
    return _with_boolean(old, new) or _with_document(old, new)


def _alike(one: str, other: str) -> bool:
    return one == other or any(one in group and other in group for group in (NUMBERS, BYTES, DOCUMENTS))


def _to_string(old: Type) -> str:
    if old.kind == "binary_uuid":
        return "encode({}, 'hex')::uuid::text"
    return "convert_from({}, 'UTF8')" if old.kind == "blob" else _ASSIGNED


def _from_string(new: Type) -> str:
    if new.kind == "binary_uuid":
        return "uuid_send({}::uuid)"
    return "convert_to({}, 'UTF8')" if new.kind == "blob" else f"{{}}::{word(new)}"


def _with_array(old: Type, new: Type) -> str | None:
    if old.kind == new.kind:
        inner = _conversion(types.item_of(old), types.item_of(new))
        return _ASSIGNED if inner == _ASSIGNED else f"{{}}::{word(new)}" if inner else None
    if new.kind == "array" and new.get("dimensions") == 1 and old.kind not in DOCUMENTS:
        inner = _conversion(old, types.item_of(new))
        return (
            None if inner is None else f"CASE WHEN {{0}} IS NOT NULL THEN ARRAY[{inner.replace('{}', '{0}')}] END"
        )
    return "to_jsonb({})" if new.kind in DOCUMENTS else None


def _with_boolean(old: Type, new: Type) -> str | None:
    if old.kind == "boolean" and new.kind in NUMBERS:
        return f"{{}}::integer::{word(new)}"
    return "{} <> 0" if new.kind == "boolean" and old.kind in NUMBERS else None


def _with_document(old: Type, new: Type) -> str | None:
    if new.kind in DOCUMENTS and old.kind not in BYTES:
        return "to_jsonb({})"
    numbers = NUMBERS | {"boolean"}
    return f"{{}}::{word(new)}" if old.kind in DOCUMENTS and new.kind in numbers else None


def rewrites(old: Type, new: Type) -> bool:
    """Tell whether a change of type copies the table.

    It does not where the stored bytes stay the same: https://www.postgresql.org/docs/current/sql-altertable.html
    """
    if same(old, new):
        return False
    if old.kind == "varchar" and new.kind in ("varchar", "text"):
        return bool(new.kind == "varchar" and _shorter(new, old))
    if old.kind == new.kind == "decimal":
        scale, precision = (new.params[name] - old.params[name] for name in ("scale", "precision"))
        return bool(scale) or precision < 0
    return True


def _shorter(new: Type, old: Type) -> bool:
    limit, before = new.get("length"), old.get("length")
    return limit is not None and (before is None or limit < before)
