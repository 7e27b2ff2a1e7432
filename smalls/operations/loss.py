"""What an altered column's type may lose: pure knowledge of types, cautious where it knows nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smalls.schema import Type

_WHOLE = {"smallint": 2, "integer": 4, "auto": 4, "bigint": 8, "bigauto": 8}
_STRINGS = ("char", "varchar", "text")
_WIDENS = {
    "boolean": {"smallint", "integer", "bigint", "decimal", "real", "double"},
    "smallint": {"real", "double"},
    "integer": {"double"},
    "real": {"double"},
    "date": {"datetime", "timestamptz"},
    "datetime": {"timestamptz"},
    "timestamptz": {"datetime"},
    "json": {"jsonb"},
    "jsonb": {"json"},
    "uuid": {"binary_uuid"},
    "binary_uuid": {"uuid"},
}


def type_loss(old: Type, new: Type) -> str:
    """Return what values of `old` may lose as `new`, as a phrase; "" when every value survives."""
    if old == new:
        return ""
    if new.kind in _STRINGS:
        return _string_loss(old, new)
    if old.kind in _WHOLE and new.kind in _WHOLE:
        return _whole_loss(old, new)
    if new.kind == "decimal" and (old.kind == "decimal" or old.kind in _WHOLE):
        return _decimal_loss(old, new)
    if old.kind == "array" == new.kind or new.kind in _WIDENS.get(old.kind, ()):
        return ""
    return f"values that {new.kind} cannot hold or that do not convert from {old.kind}"


def _string_loss(old: Type, new: Type) -> str:
    limit = new.get("length")
    length = old.get("length") if old.kind in ("char", "varchar") else None
    if limit is None or (length is not None and length <= limit):
        return ""
    if old.kind in _WHOLE and limit >= 20:  # noqa: PLR2004 - the digits and sign of 64 bits
        return ""
    return f"values longer than {limit} characters"


def _whole_loss(old: Type, new: Type) -> str:
    if bool(old.get("unsigned")) != bool(new.get("unsigned")):
        return "numbers out of the new type's range"
    return "numbers out of the new type's range" if _WHOLE[new.kind] < _WHOLE[old.kind] else ""


def _decimal_loss(old: Type, new: Type) -> str:
    before = (_WHOLE[old.kind] * 3, 0) if old.kind in _WHOLE else (old.get("precision"), old.get("scale"))
    if new.get("scale") < before[1]:
        return f"digits beyond {new.get('scale')} after the point"
    if new.get("precision") - new.get("scale") < before[0] - before[1]:
        return "numbers out of the new type's range"
    return ""
