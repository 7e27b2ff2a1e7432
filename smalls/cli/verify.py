"""`smalls verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smalls.cli.edge import execute
from smalls.cli.output import show_json, show_lines
from smalls.verifying import raise_for, verify

if TYPE_CHECKING:
    from smalls.run import Run
    from smalls.settings import Flags


@click.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(flags: Flags, *, as_json: bool) -> int:
    """Hold the live schema against what the applied migrations promise. Changes nothing."""

    def body(run: Run) -> str:
        verdict = verify(run)
        if as_json:
            show_json(run, verdict.as_dict())
        elif verdict.differences:
            show_lines(run, verdict.as_text())
        raise_for(verdict)
        return str(verdict)

    return execute(flags, "verify", body)
