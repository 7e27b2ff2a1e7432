"""`smalls wait`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smalls.cli.edge import execute
from smalls.waiting import wait

if TYPE_CHECKING:
    from smalls.settings import Flags


@click.command("wait")
@click.option("--migrated", is_flag=True, help="Wait until nothing is pending, too.")
@click.pass_obj
def command(flags: Flags, *, migrated: bool) -> int:
    """Wait until the database answers, at most SMALLS_WAIT_TIMEOUT seconds."""
    return execute(flags, "wait", lambda run: wait(run, migrated=migrated), skippable=migrated)
