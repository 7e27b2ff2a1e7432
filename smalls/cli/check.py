"""`smalls check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smalls.checking import check
from smalls.cli.edge import execute

if TYPE_CHECKING:
    from smalls.settings import Flags


@click.command("check")
@click.pass_obj
def command(flags: Flags) -> int:
    """Load every migration file, look for its way back, and hold models against migrations. Needs no database."""
    return execute(flags, "check", check)
