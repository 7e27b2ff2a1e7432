"""Column types by what they mean for a database, whatever engine: `varchar(200)`, `decimal(10, 2)`, `auto()`.

Each function returns a `Type`, whose `kind` is the function's name and whose `params` are the arguments
that were given; a compiler turns kinds into an engine's words. The classes of a project never appear here: a custom
field class is kept as the kind it stands for, or as `raw("CITEXT")`, so that it may be deleted later.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from smalls.attrs import NO_ATTRS, Attrs, attrs
from smalls.codec import plain


@plain("type")
@dataclass(frozen=True, slots=True)
class Type:
    """A type: `kind`, and `params` such as length, precision, scale, unsigned, item, dimensions, ddl."""

    kind: str
    params: Attrs = NO_ATTRS

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", attrs(self.params))

    def get(self, name: str, default: Any = None) -> Any:
        """Return the parameter `name`, or `default`."""
        return self.params.get(name, default)

    @property
    def automatic(self) -> bool:
        """Whether the database numbers the rows itself (serial, AUTO_INCREMENT, INTEGER PRIMARY KEY)."""
        return self.kind in ("auto", "bigauto")


def of(kind: str, **params: Any) -> Type:
    """Return the type of that kind; parameters that are None or False are left out."""
    return _shared(kind, tuple((name, held) for name, held in params.items() if held not in (None, False)))


@lru_cache(maxsize=1024)  # a thousand tables have the same dozen types
def _shared(kind: str, params: tuple[tuple[str, Any], ...]) -> Type:
    return Type(kind, Attrs(dict(params)))


def auto() -> Type:
    """An integer key that the database numbers."""
    return of("auto")


def bigauto() -> Type:
    """A 64-bit integer key that the database numbers."""
    return of("bigauto")


def smallint(*, unsigned: bool = False) -> Type:
    """A 16-bit integer."""
    return of("smallint", unsigned=unsigned)


def integer(*, unsigned: bool = False) -> Type:
    """A 32-bit integer."""
    return of("integer", unsigned=unsigned)


def bigint(*, unsigned: bool = False) -> Type:
    """A 64-bit integer."""
    return of("bigint", unsigned=unsigned)


def boolean() -> Type:
    """True or false."""
    return of("boolean")


def real() -> Type:
    """A floating-point number of an engine's usual size (Peewee's FloatField)."""
    return of("real")


def double() -> Type:
    """A floating-point number of double precision."""
    return of("double")


def decimal(precision: int = 10, scale: int = 5) -> Type:
    """An exact number of `precision` digits, `scale` of them after the point."""
    return _shared("decimal", (("precision", precision), ("scale", scale)))


def char(length: int) -> Type:
    """A string of exactly `length` characters, padded."""
    return of("char", length=length)


def varchar(length: int = 255) -> Type:
    """A string of at most `length` characters."""
    return of("varchar", length=length)


def text() -> Type:
    """A string of any length."""
    return of("text")


def blob() -> Type:
    """Bytes."""
    return of("blob")


def uuid() -> Type:
    """A UUID, in the engine's own type where it has one, else as text."""
    return of("uuid")


def binary_uuid() -> Type:
    """A UUID as sixteen bytes."""
    return of("binary_uuid")


def date() -> Type:
    """A day."""
    return of("date")


def time() -> Type:
    """A time of day."""
    return of("time")


def datetime() -> Type:
    """A date with a time, without a zone."""
    return of("datetime")


def timestamptz() -> Type:
    """A moment, with a time zone."""
    return of("timestamptz")


def interval() -> Type:
    """A span of time."""
    return of("interval")


def json() -> Type:
    """A JSON document as the engine stores it by default (Peewee's JSONField)."""
    return of("json")


def jsonb() -> Type:
    """A JSON document in the engine's binary form."""
    return of("jsonb")


def hstore() -> Type:
    """PostgreSQL's pairs of key and value."""
    return of("hstore")


def tsvector() -> Type:
    """PostgreSQL's text search document."""
    return of("tsvector")


def array(item: Type, dimensions: int = 1) -> Type:
    """PostgreSQL's array of `item`; `params` hold the item's kind and, where it has any, its parameters."""
    return of("array", item=item.kind, item_params=item.params or None, dimensions=dimensions)


def item_of(type_: Type) -> Type:
    """Return the type of an array's items."""
    return Type(type_.params["item"], type_.get("item_params", NO_ATTRS))


def raw(ddl: str) -> Type:
    """A type in the engine's own words, such as `CITEXT` or `VECTOR(3)`."""
    return of("raw", ddl=ddl)
