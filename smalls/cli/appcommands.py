"""The commands of the project's own apps: `smalls APP COMMAND`."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from smalls.cli.edge import execute
from smalls.errors import SmallsError
from smalls.settings import Flags, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalls.run import Run


def app_group(flags: Flags | None, name: str) -> click.Group | None:
    """Return the group of an app's commands, None where there is no app of that name, or none to be had."""
    from smalls.registry import find_apps

    try:
        apps = find_apps(load(flags or Flags(), os.environ))
    except SmallsError:
        return None  # `smalls check` tells what is wrong; here the name is merely unknown
    if name not in apps.names:
        return None
    group = click.Group(name, help=f"Commands of the app {name}.")
    for command in apps.get(name).commands:
        group.add_command(_command(command, name))
    return group


def _command(command: Callable[..., Any], app: str) -> click.Command:
    """Return a command that runs as one of ours: with the run's database, an exit code and the log's last line."""
    if not isinstance(command, click.Command):
        command = click.Command(command.__name__.replace("_", "-"), callback=command, help=command.__doc__)
    own = command.callback

    @click.pass_obj
    def run_it(flags: Flags, /, *args: Any, **kwargs: Any) -> int:
        def body(run: Run) -> str:
            _ = run.chosen
            if own is not None:
                # What a command of the app prints is its result, not chatter for the log.
                with contextlib.redirect_stdout(sys.__stdout__):
                    own(*args, **kwargs)
            return f"{app} {command.name} is done."

        return execute(flags, f"{app} {command.name}", body)

    wrapped = click.Command(command.name, params=command.params, help=command.help, callback=run_it)
    wrapped.short_help = command.short_help
    return wrapped
