"""Checksums of migration files: of the raw bytes, and of the source without what does not matter.

Line ends, trailing blanks, blank lines and comments do not change what a migration does, so two files
that differ only in these are the same migration. The normal form is of the tokens, never of the text:
a `#` inside a string is kept.
"""

from __future__ import annotations

import hashlib
import io
import re
import tokenize
from dataclasses import dataclass
from functools import cached_property

_SCHEME = "1"
_STRING_START = frozenset({"FSTRING_START", "TSTRING_START"})
_STRING_END = frozenset({"FSTRING_END", "TSTRING_END"})
# What is to be found in a plain source, and what makes one that is not plain.
_PIECE = re.compile(r"""\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*'|#[^\n]*""", re.DOTALL)
_NOT_PLAIN = re.compile(rb"""\A\xef\xbb\xbf|[\\\r\f]|coding|[fFtT][rR]?["']""")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def normalise(source: bytes, *, parsed: bool = False) -> bytes:
    """Return the source's normal form; a source that cannot be tokenised is its own normal form.

    The result is the same on every supported Python: of the tokens only the places of comments and of
    strings over several lines are used, which all versions agree on. Those of a source that is known to be
    Python (`parsed`) can be found without telling all tokens, if it is plain, in a fifth of the time.
    """
    if parsed and not _NOT_PLAIN.search(source):
        text = source.decode()
        return _joined(text, *_places(text))
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        text = source.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError, ValueError, LookupError):
        return source
    comments = {token.start[0]: token.start[1] for token in tokens if token.type == tokenize.COMMENT}
    return _joined(text, comments, _rows_that_end_in_a_string(tokens))


def _places(text: str) -> tuple[dict[int, int], set[int]]:
    """Return where comments begin, by rows, and the rows that end in a string, of a plain source."""
    comments: dict[int, int] = {}
    inside: set[int] = set()
    row, seen = 1, 0
    for piece in _PIECE.finditer(text):
        start, end = piece.span()
        row += text.count("\n", seen, start)
        if text[start] == "#":
            comments[row] = start - text.rfind("\n", 0, start) - 1
        else:
            first, row = row, row + piece[0].count("\n")
            inside.update(range(first, row))
        seen = end
    return comments, inside


def _joined(text: str, comments: dict[int, int], inside: set[int]) -> bytes:
    """Return the text without what does not matter."""
    lines: list[str] = []
    continued = False
    for row, whole in enumerate(text.split("\n"), start=1):
        line = whole if row in inside else whole[: comments.get(row)].rstrip()
        # After a backslash even an empty line counts: it ends the statement.
        if line or row in inside or continued:
            lines.append(line)
        continued = row not in inside and line.endswith("\\")
    return "\n".join(lines).encode(errors="surrogatepass")


def _rows_that_end_in_a_string(tokens: list[tokenize.TokenInfo]) -> set[int]:
    rows: set[int] = set()
    opened: list[int] = []
    for token in tokens:
        name = tokenize.tok_name[token.type]
        if name in _STRING_START:
            opened.append(token.start[0])
        elif name in _STRING_END:
            rows.update(range(opened.pop(), token.end[0]))
        elif name == "STRING":
            rows.update(range(token.start[0], token.end[0]))
    return rows


@dataclass(frozen=True)
class Checksum:
    """A file's checksums; the normal one is worked out only when it is asked for.

    `parsed` is whether the source is known to be Python.
    """

    source: bytes
    parsed: bool = False

    @cached_property
    def raw(self) -> str:
        """SHA-256 of the bytes."""
        return _digest(self.source)

    @cached_property
    def normal(self) -> str:
        """SHA-256 of the normal form."""
        return _digest(normalise(self.source, parsed=self.parsed))

    def recorded(self, accepted: str | None = None) -> str:
        """Return the text to keep in the history: this file, after all that was `accepted` before."""
        own = f"{_SCHEME}:{self.raw}:{self.normal}"
        before = [entry for entry in (accepted or "").split() if entry != own]
        return " ".join([*before, own])

    def matches(self, recorded: str | None) -> bool:
        """Tell whether `recorded` accepts this file.

        Nothing recorded (a row that another tool wrote) accepts any file. Raw bytes are compared first,
        so that the normal form is worked out only for a file that was touched.
        """
        if not recorded:
            return True
        entries = [entry.split(":") for entry in recorded.split()]
        if any(self.raw in entry[1:2] for entry in entries):
            return True
        return any(entry[0] == _SCHEME and self.normal in entry[2:3] for entry in entries)
