"""Results on stdout: JSON for machines, lines for people."""

from __future__ import annotations

import json
from typing import Any

import click


def show_json(run_text: Any) -> None:
    """Print plain data as indented JSON."""
    click.echo(json.dumps(run_text, indent=2, ensure_ascii=False, default=str))


def show_lines(text: str) -> None:
    """Print lines."""
    click.echo(text)
