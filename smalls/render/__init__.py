"""Operations as the text of a migration file: short, formatted, and equal operations when it is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.operations import AddColumn, AlterColumn, DropColumn, Operation
from smalls.render.layout import INDENT, WIDTH, Group, lay_out
from smalls.render.values import Expressions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["render", "summary"]


def render(operations: Iterable[Operation], title: str = "", attributes: str = "") -> str:
    """Return the text of a migration file that makes `operations`, the same to the byte for equal input.

    What destroys data, may lose some, or fails on rows that are there has a comment above it. `title` is the
    docstring, `summary(operations)` by default, `attributes` what stands above migrate(). There is no `rollback()`:
    it is derived.
    """
    listed = tuple(operations)
    expressions = Expressions()
    body = "".join(_statement(expressions, operation) for operation in listed)
    above = f"\n{attributes}\n" if attributes else ""
    expressions.imports["smalls.manager"] = {"MigrationManager"}
    return (
        f"{_docstring(title or summary(listed))}\n\n{_imports(expressions.imports)}{above}\n\n"
        "def migrate() -> MigrationManager:\n"
        f"{INDENT}manager = MigrationManager()\n{body}{INDENT}return manager\n"
    )


def summary(operations: Iterable[Operation]) -> str:
    """Return one line on what the operations do, for a file that was given no description."""
    first, *rest = [operation.describe() for operation in operations] or ["nothing"]
    return first if not rest else f"{first}, and {len(rest)} more"


def _statement(expressions: Expressions, operation: Operation) -> str:
    call = lay_out(expressions.statement(operation), INDENT, len(INDENT))
    return "".join(f"{INDENT}# {note}\n" for note in _notes(operation)) + f"{INDENT}{call}\n"


def _notes(operation: Operation) -> list[str]:
    notes = []
    if operation.destructive:
        notes.append(f"DESTRUCTIVE: {operation.loss} is lost; rolling back does not bring it back.")
    elif operation.loss:
        notes.append(f"LOSSY: may lose {operation.loss}.")
    if isinstance(operation, (AddColumn, AlterColumn)) and operation.risky:
        notes.append("Rows that are there have no value for it: give one by backfill=, or this will fail.")
    if isinstance(operation, DropColumn) and operation.one_way:
        notes.append("Rolling back will fail on a table with rows: say by reverse_backfill= what they get then.")
    return [note.replace("\n", " ") for note in notes]


def _docstring(title: str) -> str:
    text = " ".join(title.split()).replace("\\", "\\\\").replace('"', "'")
    return f'"""{text[:1].upper()}{text[1:].rstrip(".")}."""'


def _imports(names: Mapping[str, set[str]]) -> str:
    lines = []
    for module in sorted(names):
        ordered = sorted(names[module], key=lambda name: (name.islower(), name))
        line = f"from {module} import "
        bare = line + ", ".join(ordered)
        wrapped = lay_out(Group("(", tuple(("", name) for name in ordered), ")", spread=True), "", 0)
        lines.append(f"{bare if len(bare) <= WIDTH else line + wrapped}\n")
    return "".join(lines)
