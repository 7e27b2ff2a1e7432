"""What only a person knows, asked on a terminal: whether something is the same under a new name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

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
        answer = _answer(run, f"Is the {what} {prefix}{question.name} the old {option} under a new name? [y/N]")
        if answer.lower() in {"y", "yes"}:
            return option
    return None


def _backfill(run: Run, question: Question) -> Value:
    text = _answer(
        run,
        f"{question.table}.{question.name} becomes not null. What do rows that have nothing there get? "
        "(a value, sql:EXPRESSION, or Enter for nothing)",
    )
    return parse_value(text) if text else None


def _answer(run: Run, question: str) -> str:
    print(f"{question} ", end="", file=sys.__stderr__, flush=True)
    with run.stop.interruptible():
        return sys.stdin.readline().strip()
