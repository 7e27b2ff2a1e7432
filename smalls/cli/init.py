"""`smalls init`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smalls.cli.consent import consent
from smalls.cli.edge import execute
from smalls.seeding import run_script

if TYPE_CHECKING:
    from smalls.run import Run
    from smalls.settings import Flags


@click.command("init")
@click.option("--yes", is_flag=True, help="Consent, which PROD requires.")
@click.pass_obj
def command(flags: Flags, *, yes: bool) -> int:
    """Run the project's initdb.py, under the lock, with the database's URL in its environment."""

    def body(run: Run) -> str:
        return run_script(run, "initdb.py", consent(run, yes=yes))

    return execute(flags, "init", body, skippable=True)
