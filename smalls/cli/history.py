"""`smalls history`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smalls.chronicle import chronicle
from smalls.cli.edge import execute
from smalls.cli.output import show_json, show_lines

if TYPE_CHECKING:
    from smalls.run import Run
    from smalls.settings import Flags


@click.command("history")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--app", default="", metavar="APP", help="Only this app's migrations.")
@click.pass_obj
def command(flags: Flags, app: str, *, as_json: bool) -> int:
    """Show who applied what, when, from which image, what became of it, and whether it can be undone from here."""

    def body(run: Run) -> str:
        found = chronicle(run, app)
        if as_json:
            show_json(run, found.as_dict())
        else:
            show_lines(run, found.as_text())
        return f"{len(found.happenings)} entries."

    return execute(flags, "history", body)
