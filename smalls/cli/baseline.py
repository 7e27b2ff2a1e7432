"""`smalls baseline NUMBER`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smalls.cli.edge import execute
from smalls.repairing import baseline

if TYPE_CHECKING:
    from smalls.settings import Flags


@click.command("baseline")
@click.argument("number")
@click.option("--app", default="", metavar="APP", help="The app whose number it is; required with several apps.")
@click.pass_obj
def command(flags: Flags, number: str, app: str) -> int:
    """Record everything up to and with NUMBER as applied, without running it.

    For a database that already has the schema. Baselined migrations are never rolled back.
    """
    return execute(flags, "baseline", lambda run: baseline(run, number, app))
