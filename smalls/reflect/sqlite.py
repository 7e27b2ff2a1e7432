"""SQLite's catalogue: its pragmas, and for what they leave out (checks, collations, …) the statements it keeps.

https://www.sqlite.org/pragma.html#pragma_table_xinfo, https://www.sqlite.org/schematab.html
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from smalls.reflect.base import Catalogue, LiveColumn, LiveTable
from smalls.sqltokens import Token, canonical, meaning, with_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from smalls.reflect.base import Query

_CONSTRAINTS = {"constraint", "primary", "unique", "check", "foreign"}
_TRAITS = {"constraint", "primary", "not", "null", "unique", "check", "default", "collate", "references"}
_TRAITS |= {"generated", "as"}
# words that begin a trait elsewhere, after these belong to the one before
_AFTER = {("not", "null"), ("set", "null"), ("set", "default"), ("default", "null"), ("always", "as")}
_TOLD = {"not", "null", "default", "primary"}  # the pragma tells of these


def read(query: Query, *, without: Iterable[str] = ()) -> Catalogue:
    """Return the catalogue of the main database, but for the tables in `without` and SQLite's own."""
    left_out = set(without)
    rows = query("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
    tables = {name: sql for kind, name, _, sql in rows if kind == "table" and not name.startswith("sqlite_")}
    return Catalogue({name: _table(query, name, sql, rows) for name, sql in tables.items() if name not in left_out})


def _table(query: Query, name: str, sql: str, rows: Iterable[Any]) -> LiveTable:
    items, rest = _body(meaning(sql))
    traits = {item[0].name: _traits(item[1:]) for item in items if not _is_constraint(item)}
    columns = query('SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)', (name,))
    virtual = meaning(sql)[1].name.lower() == "virtual"
    return LiveTable(
        columns={row[0]: _column(row, [] if virtual else traits.get(row[0], [])) for row in columns},
        primary_key=tuple(row[0] for row in sorted(columns, key=lambda row: row[4]) if row[4]),
        indexes=_statements(rows, "index", name),
        constraints={} if virtual else dict(_constraints(items, traits)),
        triggers=_statements(rows, "trigger", name),
        options=canonical(meaning(sql)) if virtual else " ".join(sorted(canonical([t]) for t in rest)),
    )


def _statements(rows: Iterable[Any], wanted: str, table: str) -> dict[str, str]:
    found = {name: sql for kind, name, on, sql in rows if kind == wanted and on == table}
    return {name: canonical(meaning(with_numbers(sql))) for name, sql in found.items()}


def _body(found: list[Token]) -> tuple[list[list[Token]], list[Token]]:
    """Split CREATE TABLE into what stands in its parentheses, at the commas, and what follows them."""
    items: list[list[Token]] = [[]]
    depth = 0
    for at, token in enumerate(found):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text == ")":
            return items, found[at + 1 :]
        if depth == 1 and token.text == ",":
            items.append([])
        elif depth > 1 or (depth == 1 and items != [[]]) or (depth == 1 and token.text != "("):
            items[-1].append(token)
    return items, []


def _is_constraint(item: list[Token]) -> bool:
    return item[0].kind == "word" and item[0].text.lower() in _CONSTRAINTS


def _constraints(items: list[list[Token]], traits: dict[str, list[list[Token]]]) -> Iterator[tuple[str, str]]:
    """Yield the table's constraints; one that a column was given is the table's too, if it could be."""
    yield from map(_constraint, filter(_is_constraint, items))
    for column, told in traits.items():
        for trait in filter(_is_shared, told):
            unique = trait[-1].text.lower() == "unique"
            yield _constraint([*trait, *meaning('("' + column.replace('"', '""') + '")')] if unique else trait)


def _is_shared(trait: list[Token]) -> bool:
    """Whether a column's constraint says no more than one of its table would."""
    words = [token.text.lower() for token in trait if token.kind == "word"]
    return words[:1] == ["unique"] == words or (words[:1] == ["constraint"] and "references" not in words)


def _constraint(item: list[Token]) -> tuple[str, str]:
    """Return a constraint's name and definition; one without a name goes by its definition."""
    if item[0].text.lower() == "constraint":
        return item[1].name, canonical(item[2:])
    return canonical(item), canonical(item)


def _traits(item: list[Token]) -> list[list[Token]]:
    """Split what follows a column's name into its constraints; its type is left out."""
    traits: list[list[Token]] = []
    depth = 0
    for before, token in pairwise([Token("sign", ""), *item]):
        word = token.text.lower() if token.kind == "word" and not depth else ""
        named = bool(traits) and len(traits[-1]) == 2 and traits[-1][0].text.lower() == "constraint"  # noqa: PLR2004 - and its name
        if word in _TRAITS and (before.text.lower(), word) not in _AFTER and not named:
            traits.append([])
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if traits:
            traits[-1].append(token)
    return traits


def _column(row: Any, traits: list[list[Token]]) -> LiveColumn:
    _, type_, not_null, default, *_ = row
    told = list(_told(traits))
    return LiveColumn(
        type=canonical(meaning(type_)),
        null=not not_null,
        default=None if default is None else canonical(meaning(default)),
        generated=next((text for text in told if text.startswith(("generated", "as"))), ""),
        collation=next((text for text in told if text.startswith("collate")), ""),
        extra=", ".join(sorted(t for t in told if not t.startswith(("generated", "as", "collate")))),
    )


def _told(traits: list[list[Token]]) -> Iterator[str]:
    for trait in traits:
        first = trait[0].text.lower()
        if first == "primary" and any(token.text.lower() == "autoincrement" for token in trait):
            yield "autoincrement"
        elif first in ("generated", "as"):
            yield _generated(canonical(trait))
        elif first not in _TOLD and not _is_shared(trait):
            yield canonical(trait)


def _generated(text: str) -> str:
    """Return a generated column's clause without the words that go without saying."""
    return f"generated {text.removeprefix('generated always ').removesuffix(' virtual')}"
