"""Schema values and operations as Python expressions, and the names that these need to be imported."""

from __future__ import annotations

from dataclasses import MISSING, fields
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from smalls import operations, schema
from smalls.attrs import Attrs
from smalls.codec import default_of, is_plain
from smalls.operations import AddTable, DropTable, Operation
from smalls.render.layout import Group, Node, quote, quote_bytes
from smalls.schema import Column, Sql, TableKey, Type, types

if TYPE_CHECKING:
    from collections.abc import Callable

_POSITIONAL = {"columns", "parts"}
_TYPE_ARGUMENTS = ("precision", "scale", "length", "ddl", "dimensions")


class Expressions:
    """Turns values into expressions; `imports` collects the names they use, by module."""

    def __init__(self) -> None:
        self.imports: dict[str, set[str]] = {}

    def statement(self, operation: Operation) -> Node:
        """Return the manager's method call that makes `operation`."""
        opening = f"manager.{operation.name}("
        held = operation.table if isinstance(operation, (AddTable, DropTable)) else operation
        return Group(opening, self._arguments(held), ")")

    def value(self, value: Any) -> Node:
        """Return the expression whose value is `value`."""
        if isinstance(value, Type):
            return self._type(value)
        if is_plain(value):
            return Group(f"{self._import(type(value))}(", self._arguments(value), ")")
        if isinstance(value, TableKey):
            return self._table(value)
        if isinstance(value, tuple):
            # a column a line: the next change of the table is then one line in review
            spread = len(value) > 1 and all(isinstance(item, Column) for item in value)
            return Group("[", tuple(("", self.value(item)) for item in value), "]", spread)
        if isinstance(value, Attrs):
            return Group("{", tuple((f"{quote(k)}: ", self.value(v)) for k, v in value.items()), "}")
        return _literal(value)

    def _table(self, key: TableKey) -> Node:
        if not key.schema:
            return quote(key.name)
        return Group("(", (("", quote(key.schema)), ("", quote(key.name))), ")")

    def _arguments(self, value: Any) -> tuple[tuple[str, Node], ...]:
        """Return the constructor's arguments: required ones in place, others by name if not the default."""
        arguments = []
        parameters = signature(type(value)).parameters
        for item in fields(value):
            held, default = getattr(value, item.name), default_of(item)
            in_place = parameters[item.name].kind is Parameter.POSITIONAL_OR_KEYWORD and (
                default is MISSING or item.name in _POSITIONAL
            )
            if held != default or default is MISSING:
                arguments.append(("" if in_place else f"{item.name}=", self._member(held)))
        return tuple(arguments)

    def _member(self, held: Any) -> Node:
        """Return a field's value; a single name stands for a list of one, as constructors allow."""
        one = isinstance(held, tuple) and not isinstance(held, TableKey) and len(held) == 1
        return self.value(held[0] if one and isinstance(held[0], (str, Sql)) else held)

    def _type(self, type_: Type) -> Node:
        make: Callable[..., Type] | None = getattr(types, type_.kind, None)
        arguments = self._type_arguments(type_)
        if make is None or not _makes(make, type_):
            self._import(Type)
            params = (("", self.value(type_.params)),) if type_.params else ()
            return Group("Type(", (("", quote(type_.kind)), *params), ")")
        self.imports.setdefault("smalls.schema", set()).add("types")
        return Group(f"types.{type_.kind}(", arguments, ")")

    def _type_arguments(self, type_: Type) -> tuple[tuple[str, Node], ...]:
        if type_.kind == "array":
            dimensions = type_.get("dimensions")
            more = (("", repr(dimensions)),) if dimensions != 1 else ()
            return (("", self.value(types.item_of(type_))), *more)
        placed = [("", self.value(type_.get(name))) for name in _TYPE_ARGUMENTS if name in type_.params]
        named = [(f"{k}=", self.value(v)) for k, v in type_.params.items() if k not in _TYPE_ARGUMENTS]
        return (*placed, *named)

    def _import(self, cls: type) -> str:
        module = schema if hasattr(schema, cls.__name__) else operations
        self.imports.setdefault(module.__name__, set()).add(cls.__name__)
        return cls.__name__


def _literal(value: Any) -> str:
    if isinstance(value, bytes):
        return quote_bytes(value)
    return quote(value) if isinstance(value, str) else repr(value)


def _makes(make: Callable[..., Type], type_: Type) -> bool:
    """Whether the function of that kind, given the parameters, makes the very type."""
    if type_.kind == "array":
        return type_ == types.array(types.item_of(type_), type_.get("dimensions"))
    try:
        return type_ == make(**type_.params)
    except TypeError:
        return False
