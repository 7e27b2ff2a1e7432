"""Plain, JSON-able dictionaries from the core's frozen dataclasses and back, without loss.

A value of a class that is registered with `@plain("column")` becomes `{"is": "column", …}` with those fields
that differ from their defaults; tuples become lists; `Attrs` become dictionaries without a tag; bytes become
`{"is": "bytes", "hex": …}`.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from smalls.attrs import TAG, Attrs
from smalls.autoerrors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT = 1
"""The version of the JSON form; readers refuse a higher one."""

T = TypeVar("T")
_BY_TAG: dict[str, type[Any]] = {}
_TAGS: dict[type[Any], str] = {}
_BYTES = "bytes"


def plain(tag: str) -> Callable[[type[T]], type[T]]:
    """Register a dataclass under `tag`, its lasting name in JSON."""

    def register(cls: type[T]) -> type[T]:
        _BY_TAG[tag] = cls
        _TAGS[cls] = tag
        return cls

    return register


def is_plain(value: object) -> bool:
    """Tell whether `value` is of a registered class."""
    return type(value) in _TAGS


def default_of(item: Field[Any]) -> Any:
    """Return the default of a dataclass field, or `MISSING`."""
    if item.default_factory is not MISSING:
        return item.default_factory()
    return item.default


def encode(value: Any) -> Any:
    """Return the JSON-able form of `value`: fields in declared order, defaults left out."""
    if is_plain(value):
        encoded = {TAG: _TAGS[type(value)]}
        for item in fields(value):
            held = getattr(value, item.name)
            if held != default_of(item):
                encoded[item.name] = encode(held)
        return encoded
    if isinstance(value, Attrs):
        return {name: encode(held) for name, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(held) for held in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return {TAG: _BYTES, "hex": value.hex()}
    raise TypeError(f"not a plain value: {value!r} ({type(value).__name__})")


def decode(data: Any) -> Any:
    """Return the value whose JSON-able form `data` is; raises `FormatError` for what is unknown here."""
    if isinstance(data, list):
        return tuple(decode(held) for held in data)
    if not isinstance(data, dict):
        return data
    if TAG not in data:
        return Attrs({name: decode(held) for name, held in data.items()})
    if data[TAG] == _BYTES and "hex" in data:
        return bytes.fromhex(data["hex"])
    cls = _BY_TAG.get(data[TAG])
    if cls is None:
        raise FormatError(f"unknown kind of value: {data[TAG]!r}")
    try:
        return cls(**{name: decode(held) for name, held in data.items() if name != TAG})
    except TypeError as error:
        raise FormatError(f"{data[TAG]} cannot be read: {error}") from error


def sealed(key: str, value: Any) -> dict[str, Any]:
    """Wrap `value` under `key` with the format's version."""
    return {"format": FORMAT, key: encode(value)}


def unsealed(key: str, data: dict[str, Any]) -> Any:
    """Return what `sealed` wrapped; raises `FormatError` when it is of a later version or something else."""
    if data.get("format") != FORMAT or key not in data:
        raise FormatError(f"not {key} in format {FORMAT}: format {data.get('format')!r}, keys {sorted(data)}")
    return decode(data[key])
