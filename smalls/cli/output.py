"""Results on stdout: JSON for machines, lines for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.run import Run


def show_json(run_text: Any) -> None:
    """Print plain data as indented JSON."""
    click.echo(json.dumps(run_text, indent=2, ensure_ascii=False, default=str))


def log_planned(run: Run, planned: Iterable[dict[str, Any]], direction: str) -> None:
    """Log one event for each migration of a plan: what it would do, as far as that can be known."""
    verb = "run" if direction == "forward" else "be undone"
    for step in planned:
        run.log(
            "migration.planned",
            f"{step['migration']} would {verb}{_what(step)}",
            migration=step["migration"],
            direction=direction,
            previewable=step["previewable"],
        )


def _what(step: dict[str, Any]) -> str:
    if not step["previewable"]:
        return f"; {step.get('reason') or 'it is direct code, which cannot be previewed'}."
    told = [name["operation"] for item in step["operations"] for name in item["operations"]]
    return f"{' (DESTRUCTIVE)' if step['destructive'] else ''}: {'; '.join(told) or 'nothing'}."


def show_lines(text: str) -> None:
    """Print lines."""
    click.echo(text)
