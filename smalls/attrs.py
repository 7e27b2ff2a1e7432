"""Immutable, comparable mappings of plain values: what the pure core keeps where keys are open-ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

TAG = "is"
"""The key that names a value's class in JSON (see `smalls.codec`); no `Attrs` may use it."""


class Attrs(Mapping[str, Any]):
    """A frozen mapping from names to plain values: None, booleans, numbers, strings, bytes, tuples, `Attrs`.

    Lists become tuples and dictionaries `Attrs`, all the way down, so that two equal values are
    interchangeable and hashable. Order does not count. Raises `TypeError` for anything else.
    """

    __slots__ = ("_values",)
    _values: dict[str, Any]

    def __init__(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        merged = {**(values or {}), **more}
        if TAG in merged or not all(isinstance(name, str) for name in merged):
            raise TypeError(f"keys must be strings other than {TAG!r}: {sorted(map(str, merged))}")
        self._values = {name: freeze(merged[name]) for name in sorted(merged)}

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return self._values == other._values if isinstance(other, Attrs) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self._values.items()))

    def __repr__(self) -> str:
        return f"Attrs({self._values!r})"


NO_ATTRS = Attrs()
_PLAIN = (bool, int, str, bytes, Attrs)
_BARE: dict[type[Any], Callable[[Any], Any]] = {
    int: int.__int__,
    float: float.__float__,
    str: str.__str__,
    bytes: bytes.__bytes__,
}
"""What a subclass of each says by itself, whatever it overrides."""


def attrs(values: Mapping[str, Any]) -> Attrs:
    """Return `values` as `Attrs`: itself where it is that already, and always the same where it is empty."""
    if not values:
        return NO_ATTRS
    return values if type(values) is Attrs else Attrs(values)


def freeze(value: Any) -> Any:
    """Return `value` as an immutable plain value; raises `TypeError` for what is none.

    A member of an enumeration that is a number or a string is that number or string.
    """
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError(f"neither JSON nor Python has a literal for {value!r}")
    for plain, bare in _BARE.items():
        if isinstance(value, plain):
            return bare(value)
    if isinstance(value, (list, tuple)):
        return tuple(freeze(item) for item in value)
    if isinstance(value, Mapping):
        return attrs(value)
    raise TypeError(f"not a plain value: {value!r} ({type(value).__name__})")
