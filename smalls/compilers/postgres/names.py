"""The names that PostgreSQL itself gives to what a table leaves unnamed.

A compiler that knows them can drop and rename such objects, and can let them follow when a table or a column is
renamed. The rule that everything here keeps: after every operation, unnamed objects have the names that
`auto_names` gives for the state, which are those that a fresh CREATE TABLE would have given.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from smalls.compilers.postgres.text import LIMIT
from smalls.schema import Check, ForeignKey, Unique, fit
from smalls.sqltokens import meaning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.schema import Column, Constraint, Table

Tag: TypeAlias = Hashable
"""What stands for one object of a table, whatever its name."""


@dataclass(frozen=True, slots=True)
class Owned:
    """An object that a table owns and PostgreSQL named; `what` is "primary key", "constraint" or "sequence".

    `item` is the constraint itself, None for anything else. Which of several with one `group` has which number at
    the end of its name is chance: the order in which they came to be. Only the set of their names is certain.
    """

    what: str
    tag: Tag
    group: tuple[str, str]
    name: str
    item: Constraint | None = None


def object_name(first: str, second: str, label: str) -> str:
    """Return `first_second_label` cut to the limit as the server does it: the longer part gives way.

    It follows makeObjectName() in the server's src/backend/commands/indexcmds.c and its like.
    """
    one, two = fit(first, LIMIT), second
    size_one, size_two = len(one.encode()), len(two.encode())
    room = LIMIT - len(label) - 1 - (1 if second else 0)
    while size_one + size_two > room:
        if size_one > size_two:
            size_one -= 1
        else:
            size_two -= 1
    return "_".join(part for part in (fit(one, size_one), fit(two, size_two), label) if part)


def joined(columns: Iterable[str]) -> str:
    """Return the columns' names as the server joins them for a key's or an index's name."""
    text = ""
    for column in columns:
        if len(text.encode()) > LIMIT:
            break
        text = f"{text}_{column}" if text else column
    return text


def mentioned(sql: str, table: Table) -> tuple[str, ...]:
    """Return the columns of `table` that the expression `sql` names, each once."""
    found = meaning(sql)
    names = {
        token.name if token.kind == "name" else token.text.lower()
        for token, after in zip(found, [*found[1:], None], strict=True)
        if token.kind in ("name", "word") and (after is None or after.text != "(")
    }
    return tuple(name for name in table.column_names if name in names)


def is_unique_word(extra: str) -> bool:
    """Tell whether a verbatim column constraint is the bare word UNIQUE."""
    return extra.strip().upper() == "UNIQUE"


def sequenced(column: Column) -> bool:
    """Tell whether the column owns a sequence that PostgreSQL named."""
    return column.type.automatic or bool(column.identity)


def owned(table: Table) -> list[Owned]:
    """Return what `table` owns and PostgreSQL named, in the order in which CREATE TABLE would name it."""
    taken = {fit(item.name, LIMIT) for item in table.constraints if item.name}
    found = []
    for what, tag, group, item in _unnamed(table):
        name = _free(*group, table.name, taken)
        taken.add(name)
        found.append(Owned(what, tag, group, name, item))
    return found


def auto_name(table: Table, tag: Tag) -> str:
    """Return the name, in the database, of the object of `table` that `tag` stands for."""
    return next(item.name for item in owned(table) if item.tag == tag)


def _free(stem: str, label: str, table: str, taken: set[str]) -> str:
    number = 0
    while (name := object_name(table, stem, f"{label}{number or ''}")) in taken:
        number += 1
    return name


def _unnamed(table: Table) -> Iterator[tuple[str, Tag, tuple[str, str], Constraint | None]]:
    """Yield kind, tag, group and constraint of everything that has no name of its own."""
    for column in table.columns:
        if sequenced(column):
            yield "sequence", ("sequence", column.name), (column.name, "seq"), None
    if table.primary_key:
        yield "primary key", "primary key", ("", "pkey"), None
    for column in table.columns:
        yield from _of_column(table, column)
    for item in table.constraints:
        if not item.name:
            yield "constraint", item, _group(table, item), item


def _of_column(table: Table, column: Column) -> Iterator[tuple[str, Tag, tuple[str, str], Constraint]]:
    items: list[Constraint] = [Check(sql) for sql in column.checks]
    items += [Unique(column.name) for extra in column.extra if is_unique_word(extra)]
    for number, item in enumerate(items):
        tag = ("check" if isinstance(item, Check) else "unique", column.name, item, number)
        yield "constraint", tag, _group(table, item), item


def _group(table: Table, item: Constraint) -> tuple[str, str]:
    if isinstance(item, ForeignKey):
        return joined(item.columns), "fkey"
    if isinstance(item, Unique):
        return joined(item.columns), "key"
    return _check_stem(table, item.sql), "check"


def _check_stem(table: Table, sql: str) -> str:
    """Return the column in a check's name: there is one if the check is about a single column."""
    columns = mentioned(sql, table)
    return columns[0] if len(columns) == 1 else ""
