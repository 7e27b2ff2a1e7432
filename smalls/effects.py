"""What a schema change leaves behind, read off its text: enough to look for it in a catalogue, or None."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smalls.sqltokens import meaning

if TYPE_CHECKING:
    from smalls.sqltokens import Token

_INDEX_KINDS = {"unique", "fulltext", "spatial"}
_NO_COLUMN = {"primary", "foreign", "check", "partition", "period", "system", "exclude"}


@dataclass(frozen=True, slots=True)
class Effect:
    """A table, column, index or constraint that is there once the statement took effect, or is not any more.

    `table` is "" where the statement does not name it.
    """

    kind: str
    table: str
    name: str
    present: bool

    def __str__(self) -> str:
        where = f"{self.table}." if self.table and self.kind != "table" else ""
        return f"{self.kind} {where}{self.name}"


def effect_of(sql: str) -> Effect | None:
    """Return the first thing that a schema change would change; None for what is not understood.

    The first is enough: on every engine a statement of one table takes effect whole or not at all.
    """
    words = _Words([token for token in meaning(sql) if token.text != ";"])
    try:
        return _effect(words)
    except IndexError:
        return None


class _Words:
    """The words of a statement, taken one after the other. Taking more than there are raises IndexError."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens

    def take(self, *wanted: str) -> str:
        """Take the next word if it is one of these, in lower case; else "" and nothing is taken."""
        if self._tokens and self._tokens[0].kind == "word" and self._tokens[0].text.lower() in wanted:
            return self._tokens.pop(0).text.lower()
        return ""

    def skip(self, *phrases: str) -> None:
        """Leave out words that do not matter."""
        while self.take(*phrases):
            pass

    def name(self) -> str:
        """Take a name, with its schema where there is one."""
        parts = [self._tokens.pop(0).name]
        while self._tokens and self._tokens[0].text == ".":
            parts.append(self._tokens[1].name)
            del self._tokens[:2]
        return ".".join(parts)

    @property
    def several(self) -> bool:
        """Whether a comma follows at once."""
        return bool(self._tokens) and self._tokens[0].text == ","


def _effect(words: _Words) -> Effect | None:
    match words.take("create", "drop", "alter", "rename"):
        case "create":
            return _created(words)
        case "drop":
            return _dropped(words)
        case "alter" if words.take("table"):
            words.skip("if", "exists", "only")
            return _altered(words, words.name())
        case "rename" if words.take("table"):
            words.name()
            return _renamed(words)
    return None


def _created(words: _Words) -> Effect | None:
    if words.take("table"):
        words.skip("if", "not", "exists")
        return Effect("table", "", words.name(), present=True)
    words.skip(*_INDEX_KINDS)
    if not words.take("index"):
        return None
    words.skip("concurrently", "if", "not", "exists")
    if words.take("on"):  # PostgreSQL makes up a name
        return None
    name = words.name()
    words.skip("using", "btree", "hash", "on", "only")
    return Effect("index", words.name(), name, present=True)


def _dropped(words: _Words) -> Effect | None:
    kind = words.take("table", "index")
    if not kind:
        return None
    words.skip("concurrently", "if", "exists")
    name = words.name()
    if words.several:
        return None
    return Effect(kind, words.name() if words.take("on") else "", name, present=False)


def _altered(words: _Words, table: str) -> Effect | None:
    match words.take("add", "drop", "rename", "change"):
        case "add":
            return _added(words, table)
        case "drop":
            return _taken_away(words, table)
        case "rename":
            return _renamed_in(words, table)
        case "change":
            words.skip("column", "if", "exists")
            old, new = words.name(), words.name()
            return Effect("column", table, new, present=True) if old.lower() != new.lower() else None
    return None


def _added(words: _Words, table: str) -> Effect | None:
    if words.take(*_NO_COLUMN):
        return None
    if words.take("constraint"):
        return Effect("constraint", table, words.name(), present=True)
    words.skip(*_INDEX_KINDS)
    kind = "index" if words.take("index", "key") else "column"
    words.skip("column", "if", "not", "exists")
    name = words.name()
    return Effect(kind, table, name, present=True) if name != "(" else None


def _taken_away(words: _Words, table: str) -> Effect | None:
    if words.take("primary", "partition", "period", "system"):
        return None
    words_of = {"index": "index", "key": "index", "constraint": "constraint", "check": "constraint"}
    kind = words_of.get(words.take(*words_of, "foreign"), "column")
    kind = "constraint" if kind == "column" and words.take("key") else kind
    words.skip("column", "if", "exists")
    return Effect(kind, table, words.name(), present=False)


def _renamed_in(words: _Words, table: str) -> Effect | None:
    kind = words.take("column", "index", "key", "constraint")
    if not kind:
        return _renamed(words)
    words.name()
    words.skip("to")
    return Effect("index" if kind == "key" else kind, table, words.name(), present=True)


def _renamed(words: _Words) -> Effect | None:
    words.skip("to", "as")
    name = words.name()
    return None if words.several else Effect("table", "", name, present=True)
