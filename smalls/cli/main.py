"""The command group: global options, and commands that are imported only when they are called."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from smalls.errors import Exit, SmallsError, UsageError
from smalls.settings import Flags
from smalls.specs import LogFormat
from smalls.version import __version__

# Command → help line. The first six are as upstream prints them.
COMMANDS = {
    "create": "Create a new migration file",
    "init": "Initialize the database",
    "migrate": "Run migrations on the database",
    "rollback": "Rollback migrations on the database",
    "seed": "Load developer seed data into the database",
    "status": "Status of the database migrations",
    "check": "Check the migration files, and models against them, without a database",
    "app": "Make apps",
    "wait": "Wait until the database answers",
    "baseline": "Record migrations as applied that the database already has",
    "repair": "Settle a failed, edited or missing migration",
    "renumber": "Give files of equal or late numbers new ones",
    "history": "Who applied what, when, from which image, and whether it can be undone from here",
    "undo": "Undo what a newer image applied, from what is kept of it",
    "magic": "Bring the database to this image's version, forward or back",
    "verify": "Hold the live schema against what the migrations promise",
    "config": "Show the effective settings and where they come from",
}

_SETTINGS = {
    "SMALLS_DATABASE_URL": "The database: postgresql://user:password@host:5432/name, mysql://..., sqlite:///file. "
    "SMALLS_DATABASE_URL_FILE names a file that holds it.",
    "SMALLS_ENV": "DEV or PROD; the image says PROD, which waits for the database and refuses edited files.",
    "SMALLS_MODEL": "The module with the models and their database, where migrations import it.",
}
_EXAMPLES = (
    'smalls create "add users"',
    "smalls migrate --plan",
    "smalls migrate",
    'docker run --rm -e SMALLS_DATABASE_URL -v "$PWD/migrations:/app/migrations" smalls migrate',
)


class Commands(click.Group):
    """A group that knows its commands' names and imports one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- as the others that are called alike take it
        """Return the names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, ours or the group of an app's own; None for an unknown name."""
        if cmd_name not in COMMANDS:
            from smalls.cli.appcommands import app_group

            return app_group(ctx.obj, cmd_name)
        module = importlib.import_module(f"smalls.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- as the others that are called alike take it
        """Write what to set first, and examples as they are typed."""
        with formatter.section("Set first"):
            formatter.write_dl(list(_SETTINGS.items()))
        with formatter.section("Examples"):
            for line in _EXAMPLES:
                formatter.write(f"  {line}\n")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- as the others that are called alike take it
        """Write the table, without importing a single command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--config", metavar="FILE", help="The config file (SMALLS_CONFIG; default config.ini).")
@click.option("--database-url", metavar="URL", help="The database, without a password (SMALLS_DATABASE_URL).")
@click.option(
    "--log-format",
    type=click.Choice([form.value for form in LogFormat]),
    help="How to log (SMALLS_LOG_FORMAT).",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="What to log (SMALLS_LOG_LEVEL)."
)
@click.version_option(__version__, message="%(version)s")
@click.pass_context
def cli(ctx: click.Context, /, **flags: Any) -> None:
    """Peewee Database Manager.

    Reads its settings from the environment, waits for the database, takes a lock, applies the pending
    migrations, logs JSON lines and exits with a code that a scheduler can act on.
    """
    ctx.obj = Flags(**flags)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code; every usage error is one of ours."""
    try:
        code = cli.main(arguments, prog_name="smalls", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        # The page for a person; the code for a scheduler, which must not take "nothing was asked" for "done".
        click.echo(error.format_message())
        return _usage(click.UsageError("No command was given, so nothing was done.", error.ctx))
    except click.ClickException as error:
        return _usage(error)
    except (click.Abort, KeyboardInterrupt):
        return int(Exit.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output is gone; what is left of it goes nowhere instead of into a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        from smalls.cli.output import unwritten

        return _refused("help", unwritten(error), Flags())


def _usage(error: click.ClickException) -> int:
    hint = None
    if isinstance(error, click.UsageError) and error.ctx:
        hint = f"See `{error.ctx.command_path} --help`."

    context = getattr(error, "ctx", None)
    flags = context.find_root().obj if context else None
    return _refused("usage", UsageError(error.format_message(), hint=hint), flags or Flags())


def _refused(command: str, error: SmallsError, flags: Flags) -> int:
    from smalls.cli.edge import execute

    def body(_run: Any) -> str:
        raise error

    return execute(flags, command, body)
