"""`smalls create DESCRIPTION`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smalls.cli.edge import execute
from smalls.cli.output import show_lines
from smalls.scaffolding import create

if TYPE_CHECKING:
    from smalls.run import Run
    from smalls.settings import Flags


@click.command("create")
@click.argument("description")
@click.pass_obj
def command(flags: Flags, description: str) -> int:
    """Create a new migration file.

    For example: smalls create "adding column foo to table bar"
    """

    def body(run: Run) -> str:
        if run.log.console:
            run.log.console.line("Creating a new file")
        path = create(run.settings, description)
        run.log("migration.created", f"Created {path}.", path=path)
        if not run.log.console:
            show_lines(run, path)
        return "" if run.log.console else f"Created {path}."

    return execute(flags, "create", body)
