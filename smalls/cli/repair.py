"""`smalls repair`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smalls.cli.consent import consent
from smalls.cli.edge import execute
from smalls.cli.output import show_json
from smalls.errors import UsageError
from smalls.repairing import Action, diagnose, repair

if TYPE_CHECKING:
    from smalls.run import Run
    from smalls.settings import Flags

_HELP = {
    Action.RETRY: "It failed or was interrupted: let the next run take it up again.",
    Action.MARK_APPLIED: "It failed or was interrupted: you finished it by hand.",
    Action.ACCEPT: "Its file was edited: accept it as it is now.",
    Action.FORGET: "Its file is gone, or its undoing is finished: take its row out.",
}


def _options(function: click.decorators.FC) -> click.decorators.FC:
    for action, text in reversed(_HELP.items()):
        function = click.option(f"--{action.value}", metavar="NAME", help=text)(function)
    return function


@click.command("repair")
@_options
@click.option("--yes", is_flag=True, help="Consent; without a terminal it is required.")
@click.pass_obj
def command(flags: Flags, /, *, yes: bool, **chosen: str | None) -> int:
    """Show what is wrong and what can be done about it; with an option, settle one migration."""
    wanted = [(Action(name.replace("_", "-")), key) for name, key in chosen.items() if key]

    def body(run: Run) -> str:
        if len(wanted) > 1:
            raise UsageError("Settle one migration at a time.")
        if wanted:
            action, key = wanted[0]
            return repair(run, action, key, consent(run, yes=yes))
        found = diagnose(run)
        show_json(run, {"problems": found})
        return f"{len(found)} to settle." if found else "Nothing to repair."

    return execute(flags, "repair", body)
