"""`smalls rollback NUMBER`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smalls import undoing
from smalls.cli.consent import consent
from smalls.cli.edge import execute
from smalls.cli.output import log_planned, show_json

if TYPE_CHECKING:
    from smalls.run import Run
    from smalls.settings import Flags


@click.command("rollback")
@click.argument("number")
@click.option("--plan", is_flag=True, help="Show what would be undone and change nothing.")
@click.option("--yes", is_flag=True, help="Consent; without a terminal it is required.")
@click.option("--app", default="", metavar="APP", help="The app whose number it is; required with several apps.")
@click.option("--with-dependents", is_flag=True, help="Undo what other apps put on top of it, too.")
@click.pass_obj
def command(flags: Flags, number: str, app: str, *, plan: bool, yes: bool, with_dependents: bool) -> int:
    """Undo everything above NUMBER, last applied first, never NUMBER itself.

    NUMBER is a number (3 or 0003) or a full name. 0000 undoes every file above number 0; zero undoes all.
    Migrations that were baselined or faked are left alone.
    """

    def body(run: Run) -> str:
        scope = undoing.Scope(number, app, with_dependents)
        if not plan:
            return undoing.rollback(run, scope, consent(run, yes=yes))
        planned = undoing.preview(run, scope)
        log_planned(run, planned, "backward")
        show_json(run, {"plan": planned})
        return f"{len(planned)} to undo; nothing was changed."

    return execute(flags, "rollback", body, skippable=not plan)
