"""Results on stdout: JSON for machines, lines for people."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from smalls.run import Run


def show_json(run: Run, result: Any) -> None:
    """Print plain data as indented JSON, without any secret."""
    _show(json.dumps(run.log.redactor.value(result), indent=2, ensure_ascii=False, default=str))


def show_lines(run: Run, text: str) -> None:
    """Print lines, without any secret."""
    _show(run.log.redactor.text(text))


def _show(text: str) -> None:
    # sys.stdout is the project's while a command runs: what it prints goes into the log.
    # Whoever closes the pipe (`smalls status | head -1`) has read enough, which is no failure of the run.
    with contextlib.suppress(BrokenPipeError):
        click.echo(text, file=sys.__stdout__)
