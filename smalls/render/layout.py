"""Python expressions as text: on one line if they fit, else one argument a line, as formatters leave it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

WIDTH = 88
INDENT = "    "


@dataclass(frozen=True, slots=True)
class Group:
    """Members between brackets, each with what stands before it (`null=`): a call, a list, a dictionary.

    `spread` puts them on lines of their own even where they would fit on one.
    """

    opening: str
    members: tuple[tuple[str, Node], ...]
    closing: str
    spread: bool = False


Node: TypeAlias = Group | str


def flat(node: Node) -> str:
    """Return the expression on one line."""
    if isinstance(node, str):
        return node
    inside = ", ".join(head + flat(member) for head, member in node.members)
    comma = "," if node.opening == "(" and len(node.members) == 1 else ""  # a tuple of one
    return f"{node.opening}{inside}{comma}{node.closing}"


def _spreads(node: Node) -> bool:
    if isinstance(node, str):
        return "\n" in node
    return node.spread or any(_spreads(member) for _, member in node.members)


def lay_out(node: Node, indent: str, before: int, after: int = 0) -> str:
    """Return the expression, its lines after the first indented by `indent` at least.

    `before` and `after` count the characters that stand beside it on its first and last line.
    """
    line = flat(node)
    fits = not _spreads(node) and before + len(line) + after <= WIDTH
    if isinstance(node, str) or fits or not node.members:
        return line
    deeper = indent + INDENT
    lines = [
        f"{deeper}{head}{lay_out(member, deeper, len(deeper) + len(head), 1)},\n" for head, member in node.members
    ]
    return f"{node.opening}\n{''.join(lines)}{indent}{node.closing}"


def quote(text: str) -> str:
    """Return a string literal: double quotes unless single ones spare escapes; long SQL keeps its lines."""
    if "\n" in text and text.replace("\n", "").isprintable() and not ('"""' in text or "\\" in text):
        return f'"""{text}"""' if not text.endswith('"') else _one_line(text)
    return _one_line(text)


def quote_bytes(value: bytes) -> str:
    """Return a literal of bytes, in the quotes that spare the most escapes; double ones where both do."""
    return f"b{_in_best_quotes(repr(value)[1:])}"


def _one_line(text: str) -> str:
    return _in_best_quotes(repr(text))


def _in_best_quotes(literal: str) -> str:
    """Return what repr() wrote, in double quotes unless single ones spare escapes: as formatters leave it."""
    double, single = literal[1:-1].count('"'), literal[1:-1].count("'")
    if literal[0] == '"' or double > single:
        return literal
    swapped = literal[1:-1].replace("\\'", "'").replace('"', '\\"')
    return f'"{swapped}"'
