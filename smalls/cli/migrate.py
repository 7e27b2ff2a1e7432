"""`smalls migrate [TARGET]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from smalls import migrating
from smalls.cli.consent import consent
from smalls.cli.edge import execute
from smalls.cli.output import log_planned, show_json
from smalls.errors import UsageError
from smalls.model import Environment, Phase

if TYPE_CHECKING:
    from smalls.run import Run
    from smalls.settings import Flags


class _Command(click.Command):
    """A command whose `--plan` alone takes no value, so that a TARGET may follow it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, with `--plan` spelled out."""
        return super().parse_args(ctx, ["--plan=show" if arg == "--plan" else arg for arg in args])


@click.command("migrate", cls=_Command)
@click.argument("target", required=False)
@click.option(
    "--plan",
    metavar="[=execute]",
    type=click.Choice(["show", "execute"]),
    help="Show what would run and change nothing; with --plan=execute run it and roll it back.",
)
@click.option("--fake", is_flag=True, help="Record as applied without running.")
@click.option("--yes", is_flag=True, help="Consent to --plan=execute in PROD.")
@click.option("--app", default="", metavar="APP", help="This app's migrations, and those of the apps it needs.")
@click.option(
    "--phase",
    "named",
    type=click.Choice([phase.value for phase in Phase]),
    default=Phase.EXPAND.value,
    help="contract: those that are held until the rollout is over; all: everything, in order of number.",
)
@click.pass_obj
def command(
    flags: Flags, target: str | None, plan: str | None, app: str, named: str, *, fake: bool, yes: bool
) -> int:
    """Apply the pending migrations, up to TARGET where one is given (a number or a full name)."""
    phase = Phase(named)

    def body(run: Run) -> str:
        if plan and fake:
            raise UsageError("--plan and --fake cannot go together.")
        if plan == "execute":
            return _rehearse(run, target, app, phase, yes=yes)
        if plan:
            return _show(run, migrating.preview(run, target, app, phase))
        return (migrating.fake if fake else migrating.migrate)(run, target, app, phase)

    return execute(flags, "plan" if plan else "migrate", body, skippable=not plan)


def _rehearse(run: Run, target: str | None, app: str, phase: Phase, *, yes: bool) -> str:
    if run.settings.environment is Environment.PROD:
        consent(run, yes=yes)("Run the pending migrations in PROD, and roll them back?")
    show_json(run, {"executed": migrating.rehearse(run, target, app, phase)})
    return "All of it ran and was rolled back. Sequences and auto-increments have moved."


def _show(run: Run, planned: list[dict[str, Any]]) -> str:
    log_planned(run, planned, "forward")
    show_json(run, {"plan": planned, "held": [migration.key for migration in run.seen.held]})
    return f"{len(planned)} to run; nothing was changed."
