"""Text from a database on a terminal: what would steer the terminal is shown instead of sent."""

from __future__ import annotations


def visible(text: str) -> str:
    """Return `text` with what is neither printable nor a line's end or a tab written as an escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else repr(char)[1:-1] for char in text)


def indented(line: str) -> str:
    """Return `line` such that what follows a line's end within it begins further right than it does itself."""
    margin = " " * (len(line) - len(line.lstrip(" ")) + 2)
    return f"\n{margin}".join(line.splitlines())
