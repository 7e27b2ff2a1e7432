"""`smalls status`."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from smalls.cli.edge import execute
from smalls.cli.output import show_json, show_lines
from smalls.model import Environment
from smalls.reporting import status, verdict
from smalls.settings import policies_of

if TYPE_CHECKING:
    from smalls.run import Run
    from smalls.settings import Flags


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--exit-code", is_flag=True, help="Exit with 10 where migrations are pending, 7, 8 or 9 for worse.")
@click.option(
    "--policy",
    type=click.Choice([environment.value for environment in Environment]),
    help="Judge by that environment's policies; exits with 7, 8 or 9 for what it would refuse.",
)
@click.option("--app", default="", metavar="APP", help="Only this app's migrations.")
@click.pass_obj
def command(flags: Flags, app: str, *, as_json: bool, exit_code: bool, policy: str | None) -> int:
    """Show what is applied, pending, failed, edited, missing or newer. Changes and creates nothing."""

    def body(run: Run) -> str:
        if policy:
            judge = Environment(policy)
            policies = policies_of(judge, flags, os.environ)
            run.settings = replace(run.settings, environment=judge, policies=policies)
        found = status(run, run.settings, app)
        if as_json:
            show_json(run, found.as_dict())
        else:
            show_lines(run, found.as_text())
        if exit_code or (policy and found.problems):
            verdict(found)
        return f"{found.applied} applied, {found.pending} pending."

    return execute(flags, "status", body)
