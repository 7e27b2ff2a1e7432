"""`smalls renumber`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smalls.cli.edge import execute
from smalls.cli.output import show_lines
from smalls.renumbering import renumber

if TYPE_CHECKING:
    from smalls.run import Run
    from smalls.settings import Flags


@click.command("renumber")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--app", default="", metavar="APP", help="The app whose files are meant.")
@click.option("--plan", is_flag=True, help="Show what would be renamed and rename nothing.")
@click.pass_obj
def command(flags: Flags, names: tuple[str, ...], app: str, *, plan: bool) -> int:
    """Give migration files of equal or late numbers new ones above all others, before they are merged."""

    def body(run: Run) -> str:
        moves = renumber(run, names, app, plan=plan)
        if moves:
            show_lines(run, "\n".join(f"{move.old.path} -> {move.new.path}" for move in moves))
        if not moves:
            return "Nothing to renumber."
        return f"{len(moves)} to rename; nothing was changed." if plan else f"Renamed {len(moves)}."

    return execute(flags, "renumber", body)
