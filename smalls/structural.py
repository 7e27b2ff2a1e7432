"""Which operations are structure alone: made of names, numbers and known words, without SQL of anybody's own.

Operations that come from the history table, unsigned, may have been written by whoever can write that table.
Compiled by this image, structure can say no more than its own operations do: names are quoted, comments and
values are literals, words are those listed here. Every field of every plain class has its rule, so that a
field to come is refused until somebody has thought about it.
"""

from __future__ import annotations

import re
from dataclasses import fields
from math import isfinite
from typing import TYPE_CHECKING, Any

from smalls.attrs import Attrs
from smalls.codec import default_of, is_plain
from smalls.operations import Operation, RawSQL, RunPython
from smalls.schema import types
from smalls.schema.names import TableKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from dataclasses import Field

    Rule = Callable[[Any], bool]

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_SAFE_DEFAULT = re.compile(
    r"NULL|TRUE|FALSE|CURRENT_(?:TIMESTAMP|DATE|TIME)|[-+]?[0-9]{1,40}(?:\.[0-9]{1,40})?|'(?:[^'\\]|''){0,2000}'",
    re.IGNORECASE,
)
_ACTIONS = ("", "CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION")
_DEFERRABLE = (
    "",
    "DEFERRABLE",
    "NOT DEFERRABLE",
    "INITIALLY DEFERRED",
    "INITIALLY IMMEDIATE",
    "DEFERRABLE INITIALLY DEFERRED",
    "DEFERRABLE INITIALLY IMMEDIATE",
)
_METHODS = ("", "BTREE", "HASH", "GIN", "GIST", "SPGIST", "BRIN", "FULLTEXT", "SPATIAL")
_COUNTED = ("length", "precision", "scale", "dimensions")
_KINDS = frozenset(
    name
    for name, held in vars(types).items()
    if callable(held) and getattr(held, "__module__", "") == types.__name__ and name.islower()
) - {"of", "raw", "item_of", "_shared"}


def _flag(value: object) -> bool:
    return type(value) is bool


def _name(value: object) -> bool:
    return type(value) is str and "\0" not in value


def _word(value: object) -> bool:
    return value == "" or (type(value) is str and _WORD.fullmatch(value) is not None)


def _one_of(words: Iterable[str]) -> Rule:
    allowed = frozenset(words)
    return lambda value: type(value) is str and value.upper() in allowed


def _number(value: object) -> bool:
    return type(value) is int and 0 <= value <= 2**31


def _value(value: object) -> bool:
    return value is None or type(value) in (bool, int, str, bytes) or (type(value) is float and isfinite(value))


def _default(value: object) -> bool:
    return value is None or (type(value) is str and _SAFE_DEFAULT.fullmatch(value) is not None)


def _names(value: object) -> bool:
    return type(value) is tuple and all(_name(item) for item in value)


def _key(value: object) -> bool:
    return type(value) is TableKey and all(_name(part) for part in value)


def _kind(value: object) -> bool:
    return type(value) is str and value in _KINDS


def _params(value: object) -> bool:
    if not isinstance(value, Attrs):
        return False
    rules: dict[str, Rule] = dict.fromkeys(_COUNTED, _number)
    rules |= {"unsigned": _flag, "item": _kind, "item_params": _params}
    return all(name in rules and rules[name](held) for name, held in value.items())


def _ignored(_value: object) -> bool:
    return True  # read by Python alone; `kept` leaves it out


def _nested(*classes: str) -> frozenset[str]:
    return frozenset(classes)


_FREE = object()
_TABLE, _COLUMN, _INDEX, _OPTIONS = _nested("Table"), _nested("Column"), _nested("Index"), _nested("Options")
_CONSTRAINT = _nested("ForeignKey", "Unique", "Check")
_OPERATION = frozenset(cls.__name__ for cls in Operation.__subclasses__())
RULES: dict[tuple[str, str], Any] = {
    ("*", "table"): _key,
    ("*", "column"): _name,
    ("*", "concurrently"): _flag,
    ("*", "backfill"): _value,
    ("*", "reverse_backfill"): _value,
    ("*", "using"): _FREE,
    ("*", "reverse_using"): _FREE,
    ("*", "name"): _name,
    ("*", "schema"): _name,
    ("*", "comment"): _name,
    ("*", "python"): _ignored,
    ("*", "columns"): _names,
    ("*", "deferrable"): _one_of(_DEFERRABLE),
    ("*", "sql"): _FREE,
    ("*", "index"): _INDEX,
    ("*", "constraint"): _CONSTRAINT,
    ("*", "operations"): _OPERATION,
    ("AddTable", "table"): _TABLE,
    ("DropTable", "table"): _TABLE,
    ("AddColumn", "column"): _COLUMN,
    ("DropColumn", "column"): _COLUMN,
    ("AlterColumn", "old"): _COLUMN,
    ("AlterColumn", "new"): _COLUMN,
    ("RenameColumn", "old"): _name,
    ("RenameColumn", "new"): _name,
    ("RenameIndex", "old"): _name,
    ("RenameIndex", "new"): _name,
    ("RenameTable", "new"): _name,
    ("MoveTable", "new"): _name,
    ("ChangeComment", "old"): _name,
    ("ChangeComment", "new"): _name,
    ("ChangeOptions", "old"): _OPTIONS,
    ("ChangeOptions", "new"): _OPTIONS,
    ("ChangePrimaryKey", "old"): _names,
    ("ChangePrimaryKey", "new"): _names,
    ("RawSQL", "forward"): _FREE,
    ("RawSQL", "reverse"): _FREE,
    ("RawSQL", "state"): _OPERATION,
    ("RawSQL", "transactional"): _flag,
    ("RunPython", "forward"): _FREE,
    ("RunPython", "reverse"): _FREE,
    ("RunPython", "transactional"): _flag,
    ("Backfill", "value"): _value,
    ("Backfill", "where"): _FREE,
    ("Backfill", "batch"): _number,
    ("Table", "columns"): _COLUMN,
    ("Table", "primary_key"): _names,
    ("Table", "indexes"): _INDEX,
    ("Table", "constraints"): _CONSTRAINT,
    ("Table", "options"): _OPTIONS,
    ("Options", "without_rowid"): _flag,
    ("Options", "strict"): _flag,
    ("Options", "temporary"): _flag,
    ("Options", "module"): _FREE,
    ("Options", "settings"): _FREE,
    ("Options", "extra"): _FREE,
    ("Column", "type"): _nested("Type"),
    ("Column", "null"): _flag,
    ("Column", "default"): _default,
    ("Column", "collation"): _word,
    ("Column", "checks"): _FREE,
    ("Column", "extra"): _FREE,
    ("Column", "generated"): _FREE,
    ("Column", "identity"): _one_of(("", "BY DEFAULT", "ALWAYS")),
    ("Column", "sequence"): _word,
    ("Column", "unindexed"): _flag,
    ("Type", "kind"): _kind,
    ("Type", "params"): _params,
    ("Generated", "stored"): _flag,
    ("Index", "parts"): _names,
    ("Index", "unique"): _flag,
    ("Index", "method"): _one_of(_METHODS),
    ("Index", "where"): _FREE,
    ("Index", "nulls_distinct"): lambda value: value is None or _flag(value),
    ("ForeignKey", "ref_table"): _key,
    ("ForeignKey", "ref_columns"): _names,
    ("ForeignKey", "on_delete"): _one_of(_ACTIONS),
    ("ForeignKey", "on_update"): _one_of(_ACTIONS),
    ("Sql", "text"): _FREE,
}
"""The rule of each field, by class and name; "*" is any class that has no rule of its own for the name."""


def rule_of(cls: str, field: str) -> Any:
    """Return the rule of a field; raises `KeyError` where nobody has thought about it yet."""
    return RULES.get((cls, field)) or RULES["*", field]


def beyond_structure(operations: Iterable[Any]) -> list[str]:
    """Return what is more than structure in `operations`, as `AddTable.table.options.settings`; [] for nothing."""
    return list(_beyond(tuple(operations), _OPERATION, ""))


def _beyond(value: Any, classes: frozenset[str], place: str) -> Iterator[str]:
    if type(value) is tuple:
        for item in value:
            yield from _beyond(item, classes, place)
        return
    cls = type(value).__name__
    place = place or cls
    if not is_plain(value) or cls not in classes or isinstance(value, RunPython):
        yield place
    elif not (isinstance(value, RawSQL) and not (value.forward or value.reverse or value.state)):
        for item in fields(value):
            yield from _beyond_field(value, item, f"{place}.{item.name}")


def _beyond_field(value: Any, item: Field[Any], place: str) -> Iterator[str]:
    held, rule = getattr(value, item.name), rule_of(type(value).__name__, item.name)
    if isinstance(rule, frozenset):
        yield from _beyond(held, rule, place)
    elif not (_is_default(held, item) if rule is _FREE else rule(held)):
        yield place


def _is_default(held: Any, item: Field[Any]) -> bool:
    default = default_of(item)
    return type(held) is type(default) and held == default
