"""The commands of the project's own apps: `smalls APP COMMAND`."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from smalls.cli.edge import execute
from smalls.dialects.base import Trouble, message_of
from smalls.errors import AppCommandError, SmallsError, UsageError
from smalls.frames import user_place
from smalls.settings import Flags, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


@contextlib.contextmanager
def _told_as_the_apps(run: Run, name: str) -> Iterator[None]:
    """Raise AppCommandError for what the app's code raises; a lost connection or a stop is told for what it is."""
    try:
        yield
    except SmallsError:
        raise
    except click.UsageError as error:
        raise UsageError(error.format_message()) from None
    except (SystemExit, click.exceptions.Exit) as ended:
        code = ended.code if isinstance(ended, SystemExit) else ended.exit_code
        if code not in (None, 0):
            raise AppCommandError(f"{name} ended with {code!r}.", **_place(ended)) from None
    except Exception as error:
        if run.stop.reason is not None or _is_lost(run, error):
            raise
        words = f"{type(error).__name__}: {message_of(error)}"
        raise AppCommandError(f"{name} failed: {words}.", **_place(error)) from error


def _is_lost(run: Run, error: Exception) -> bool:
    import peewee

    return isinstance(error, peewee.PeeweeException) and run.chosen.dialect.trouble(error) is Trouble.LOST


def _place(error: BaseException) -> dict[str, Any]:
    file, line = user_place(error)
    return {"file": file, "line": line}


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
                with contextlib.redirect_stdout(sys.__stdout__), _told_as_the_apps(run, f"{app} {command.name}"):
                    own(*args, **kwargs)
            return f"{app} {command.name} is done."

        return execute(flags, f"{app} {command.name}", body)

    wrapped = click.Command(command.name, params=command.params, help=command.help, callback=run_it)
    wrapped.short_help = command.short_help
    return wrapped
