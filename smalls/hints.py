"""What the differ asks, and the hints that answer beforehand: `blog.Post.titel=title`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from smalls.autoerrors import HintError
from smalls.schema import Sql

if TYPE_CHECKING:
    from smalls.operations import Value
    from smalls.schema import Table


@dataclass(frozen=True, slots=True)
class Question:
    """Something that only a person can know.

    `kind` is "rename_table" or "rename_column" (is `name` one of `options` under a new name? Answer with that
    option, or None) or "backfill" (which value do existing rows of `table`.`name` get? Answer with a value,
    or None). `hint` is the flag that answers it without a terminal.
    """

    kind: str
    table: str
    name: str
    options: tuple[str, ...]
    hint: str


Ask: TypeAlias = Callable[[Question], "Value"]
"""Answers a `Question`; None is always an answer."""


@dataclass(frozen=True, slots=True)
class DiffWarning:
    """What the differ took for granted; `hint` says how to have it otherwise."""

    code: str
    message: str
    hint: str


def label(table: Table) -> str:
    """Return what a person calls the table: its model's name, or its own."""
    model: str = table.python.get("model") or table.name
    return model


@dataclass(frozen=True, slots=True)
class Path:
    """What a hint is about: `[app.]Table[.column]`; Table may be a model's or a table's name."""

    parts: tuple[str, ...]

    def means_table(self, table: Table, app: str, *called: Callable[[Table], str]) -> bool:
        """Whether the path is `table` itself, by one of the ways to call it (its own name, its model's)."""
        return self._is(self.parts, table, app, called)

    def means_column(self, table: Table, name: str, app: str) -> bool:
        """Whether the path is the column `name` of `table`, by its own name or by its field's."""
        column = table.find(name)
        fields = {name, column.python.get("attribute") if column else None}
        return len(self.parts) > 1 and self.parts[-1] in fields and self._is(self.parts[:-1], table, app)

    @staticmethod
    def _is(parts: tuple[str, ...], table: Table, app: str, called: Iterable[Callable[[Table], str]] = ()) -> bool:
        known = {call(table) for call in called} or {table.name, label(table)}
        within = {app, table.schema} - {""}
        return parts[-1] in known and (not parts[:-1] or parts[:-1] in {(prefix,) for prefix in within})


@dataclass(frozen=True, slots=True)
class Hints:
    """Answers given beforehand: renames as (path, new name), backfills as (path, value)."""

    renames: tuple[tuple[Path, str], ...] = ()
    backfills: tuple[tuple[Path, Value], ...] = ()

    @classmethod
    def parse(cls, renames: Iterable[str] = (), backfills: Iterable[str] = ()) -> Hints:
        """Read hints as flags give them.

        A rename is `app.Model.old=new` or `app.Model=NewModel`, in names of tables and columns or of models
        and fields; the app may be left out. A backfill is `app.Model.column=value`, where value is a JSON
        number, boolean or string, `sql:EXPRESSION`, or else plain text. Raises `HintError`.
        """
        return cls(
            tuple(_split(text) for text in renames),
            tuple((path, parse_value(value)) for path, value in map(_split, backfills)),
        )


NO_HINTS = Hints()


def _split(text: str) -> tuple[Path, str]:
    path, sign, value = text.partition("=")
    parts = tuple(part.strip() for part in path.split("."))
    if not (sign and value.strip() and all(parts)):
        raise HintError(f"not a hint: {text!r}")
    return Path(parts), value.strip()


def parse_value(text: str) -> Value:
    """Return the value that a flag, or an answer, means: JSON, `sql:EXPRESSION`, or else the text itself."""
    if text.startswith("sql:"):
        return Sql(text.removeprefix("sql:").strip())
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (bool, int, float, str)) else text
