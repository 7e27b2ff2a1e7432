"""What only a person knows, asked on a terminal: whether something is the same under a new name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from smalls.cli.typed import answer_to
from smalls.hints import parse_value

if TYPE_CHECKING:
    from smalls.hints import Ask, Question
    from smalls.operations import Value
    from smalls.run import Run


def asker(run: Run) -> Ask | None:
    """Return what asks the differ's questions; None where there is no terminal to ask on."""
    if not sys.stdin.isatty():
        return None

    def ask(question: Question) -> Value:
        if question.kind == "backfill":
            return _backfill(run, question)
        return _rename(run, question)

    return ask


def _rename(run: Run, question: Question) -> str | None:
    what = "column" if question.kind == "rename_column" else "table"
    prefix = f"{question.table}." if question.table else ""
    for option in question.options:
        answer = answer_to(
            f"Is the {what} {prefix}{question.name} the old {option} under a new name? [y/N]", run.stop
        )
        if answer.lower() in {"y", "yes"}:
            return option
    return None


def _backfill(run: Run, question: Question) -> Value:
    text = answer_to(
        f"{question.table}.{question.name} becomes not null. What do rows that have nothing there get? "
        "(a value, sql:EXPRESSION, or Enter for nothing)",
        run.stop,
    )
    return parse_value(text) if text else None
