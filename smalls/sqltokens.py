"""SQL text cut into tokens: enough to find names in it, or to compare two texts; never to rewrite a schema by."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TOKEN = re.compile(
    r"""(?P<string>'(?:[^']|'')*')
      | (?P<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
      | (?P<word>[^\W\d][\w$]*)
      | (?P<number>\d[\w.]*)
      | (?P<space>\s+|--[^\n]*|/\*.*?\*/)
      | (?P<sign>\|\||[<>!=]=|<>|.)""",
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """A piece of SQL: `kind` is string, name (quoted), word, number, space or sign."""

    kind: str
    text: str

    @property
    def name(self) -> str:
        """The identifier that a name or a word may be, without quotes."""
        if self.kind != "name":
            return self.text
        closing = self.text[-1]
        return self.text[1:-1].replace(closing * 2, closing)


def tokens(sql: str) -> list[Token]:
    """Return the tokens of `sql`, spaces and comments included, so that their texts joined are `sql`."""
    return [Token(found.lastgroup or "sign", found.group()) for found in _TOKEN.finditer(sql)]


def meaning(sql: str) -> list[Token]:
    """Return the tokens of `sql` without spaces and comments."""
    return [token for token in tokens(sql) if token.kind != "space"]


def canonical(found: list[Token]) -> str:
    """Return tokens as text in which quotes of names, case of names and words, and spaces do not count."""
    return " ".join(t.text if t.kind == "string" else t.name.lower() for t in found)


_NUMBERS = {"true": "1", "false": "0"}


def with_numbers(sql: str) -> str:
    """Return `sql` with TRUE and FALSE as 1 and 0, but in IS [NOT] TRUE: engines without booleans write them so."""
    texts: list[str] = []
    before = ""
    for token in tokens(sql):
        word = token.text.lower()
        texts.append(_NUMBERS.get(word, token.text) if before not in ("is", "not") else token.text)
        before = before if token.kind == "space" else word
    return "".join(texts)


# words of expressions that are no names unless quoted
_TEXT = (
    "all and any as asc between both by case cast check collate column constraint default desc distinct else end"
    " escape exists false for from group having if ilike in interval is isnull key leading like limit not notnull"
    " null on or order select similar some table then to trailing true unique using when where with"
)
_WORDS = frozenset(_TEXT.split())
_SIMPLE = re.compile(r"[a-z_][a-z0-9_]*")


def names_in(sql: str) -> set[str]:
    """Return the names of columns that `sql` may hold: quoted as they are, bare ones in lower case."""
    return {name for _, _, name in _named(tokens(sql))}


def rename_in(sql: str, mapping: Mapping[str, str]) -> str:
    """Return `sql` with columns renamed as the engines themselves do it when they rename a column.

    Bare names match in any case, quoted ones exactly; strings and the names of functions are left alone. A
    quoted name keeps its quotes; a bare one stays bare if it can.
    """
    found = tokens(sql)
    bare = {name.lower(): new for name, new in mapping.items()}
    texts = [token.text for token in found]
    for at, token, name in _named(found):
        new = mapping.get(name) if token.kind == "name" else bare.get(name)
        if new is not None:
            texts[at] = _written(new, token)
    return "".join(texts)


def _named(found: list[Token]) -> Iterator[tuple[int, Token, str]]:
    for at, token in enumerate(found):
        if token.kind == "name":
            yield at, token, token.name
        elif token.kind == "word" and token.text.lower() not in _WORDS and not _called(found[at + 1 :]):
            yield at, token, token.text.lower()


def _called(rest: list[Token]) -> bool:
    return next((token.text == "(" for token in rest if token.kind != "space"), False)


def _written(name: str, like: Token) -> str:
    if like.kind == "word" and _SIMPLE.fullmatch(name) and name not in _WORDS:
        return name
    opening, closing = (like.text[0], like.text[-1]) if like.kind == "name" else ('"', '"')
    return opening + name.replace(closing, closing * 2) + closing
