"""`smalls config`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smalls.cli.edge import execute
from smalls.cli.output import show_json, show_lines
from smalls.describing import as_text, describe

if TYPE_CHECKING:
    from smalls.run import Run
    from smalls.settings import Flags


@click.command("config")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(flags: Flags, *, as_json: bool) -> int:
    """Show the effective settings, each with its source, and what the database user may do."""

    def body(run: Run) -> str:
        found = describe(run)
        if as_json:
            show_json(run, found)
        else:
            show_lines(run, as_text(found))
        return "Shown; nothing was changed."

    return execute(flags, "config", body)
