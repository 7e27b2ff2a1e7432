"""Results on stdout: JSON for machines, lines for people."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from smalls.errors import ConfigError
from smalls.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.run import Run


def show_json(run: Run, result: Any) -> None:
    """Print plain data as indented JSON, without any secret."""
    _show(json.dumps(run.log.redactor.value(result), indent=2, ensure_ascii=False, default=str))


def show_lines(run: Run, text: str) -> None:
    """Print lines, without any secret."""
    _show(visible(run.log.redactor.text(text)))


def _show(text: str) -> None:
    # sys.stdout is the project's while a command runs: what it prints goes into the log.
    # Whoever closes the pipe (`smalls status | head -1`) has read enough, which is no failure of the run.
    try:
        click.echo(text, file=sys.__stdout__)
    except BrokenPipeError:
        return
    except OSError as error:
        raise unwritten(error) from None


def unwritten(error: OSError) -> ConfigError:
    """Return what is wrong where stdout cannot be written, which was asked for a result; it goes nowhere then."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return ConfigError(
        f"The result could not be written to stdout: {error.strerror}.",
        hint="Look at where stdout leads, and at the disk's room there.",
    )


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
