"""`smalls magic`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smalls import returning
from smalls.cli.edge import execute
from smalls.cli.undo import shower

if TYPE_CHECKING:
    from smalls.run import Run
    from smalls.settings import Flags


@click.command("magic")
@click.option("--plan-digest", default="", metavar="DIGEST", help="Undo exactly the plan of that digest.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan of what would be undone as JSON.")
@click.pass_obj
def command(flags: Flags, plan_digest: str, *, as_json: bool) -> int:
    """Bring the database to this image's version: forward by itself, back with consent.

    What this image has no files for is undone as by `smalls undo --to-image`: the plan is printed, and its digest
    approves it. Then what is pending is applied.
    """

    def body(run: Run) -> str:
        return returning.magic(run, plan_digest, shower(run, as_json=as_json))

    return execute(flags, "magic", body, skippable=True)
