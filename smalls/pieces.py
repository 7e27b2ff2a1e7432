"""A migration file's syntax tree, parsed in pieces: what a generated file of a thousand tables has at once is big.

Its migrate() is one function of a megabyte, and the tree of it, kept whole, takes a hundred megabytes and most of
the time of reading it. So the source is cut before each line that begins with `    manager.`, and each piece is
parsed alone, as if it were a function's body.

A cut that is no border of statements (in a string over several lines, between brackets, behind a backslash) leaves
a piece before it that is no Python by itself. So if every piece is, the statements are the very ones that the
whole source has; only their line numbers differ.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BORDER = re.compile(rb"^(?=    manager\.)", re.MULTILINE)
_HEAD = b"def body():\n"
_INDENT = 4
_CODING = re.compile(rb"(?:.*\n)?.*coding[:=]")


class UncutError(Exception):
    """The source is not such a file: it has to be parsed as a whole."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """A source in pieces. `module` has the statements of its top level; `function` is cut short there.

    `statements()` gives all that the body of `function` really has, each parsed when it is asked for; it raises
    SyntaxError and UncutError at a piece that is none, so what came before counts only when it has ended.
    """

    module: ast.Module
    function: ast.FunctionDef
    middle: Sequence[bytes]
    last: Sequence[ast.stmt]

    def statements(self) -> Iterator[ast.stmt]:
        """Give the statements of the function's body, in order."""
        yield from self.function.body
        for piece in self.middle:
            body, outside = _parse(piece)
            if outside:
                raise UncutError
            yield from body
        yield from self.last


def cut(source: bytes) -> Pieces:
    """Return a source in pieces; raises UncutError and SyntaxError where it can't be cut so."""
    first, *others = _BORDER.split(source)
    if not others or _CODING.match(source):
        raise UncutError
    module = ast.parse(first)
    function = module.body[-1] if module.body else None
    if not isinstance(function, ast.FunctionDef) or function.body[-1].col_offset != _INDENT:
        raise UncutError
    last, after = _parse(others.pop())
    return Pieces(ast.Module([*module.body, *after], []), function, others, last)


def _parse(piece: bytes) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """Return the statements that go on with the function's body, and those of the module after it."""
    function, *after = ast.parse(_HEAD + piece).body
    return function.body, after  # type: ignore[attr-defined]  # the function that _HEAD begins
