"""`smalls app new NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smalls.appmaking import make_app
from smalls.cli.edge import execute

if TYPE_CHECKING:
    from smalls.run import Run
    from smalls.settings import Flags


@click.group("app")
def command() -> None:
    """Make apps: packages with models and migrations of their own."""


@command.command("new")
@click.argument("name")
@click.pass_obj
def new(flags: Flags, name: str) -> int:
    """Make a new app: a package NAME with its config, a module for models and a migrations folder."""

    def body(run: Run) -> str:
        made = make_app(run.settings, name)
        for path in made.paths:
            run.log("app.created", f"Created {path}.", path=path)
        return made.advice

    return execute(flags, "app", body)
