"""`smalls create DESCRIPTION`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smalls.cli.edge import execute
from smalls.cli.output import show_lines
from smalls.errors import UsageError
from smalls.model import Phase
from smalls.scaffolding import create

if TYPE_CHECKING:
    from smalls.run import Run
    from smalls.settings import Flags


@click.command("create")
@click.argument("description")
@click.option("--app", default="", metavar="APP", help="The app that it is for; required with several apps.")
@click.option("--auto", is_flag=True, help="Write what leads from the migrations to the models as they are now.")
@click.option(
    "--rename",
    "renames",
    multiple=True,
    metavar="[APP.]MODEL.OLD=NEW",
    help="With --auto: a column (or with MODEL=NEW a table) has a new name, and is not another one.",
)
@click.option(
    "--backfill",
    "--fill",
    "backfills",
    multiple=True,
    metavar="[APP.]MODEL.COLUMN=VALUE",
    help="With --auto: what rows get in a column that becomes not null, or comes back so by a rollback;"
    " sql:EXPRESSION for SQL, over columns by their new names.",
)
@click.option("--adopt", is_flag=True, help="With --auto: the database has all this already; write the state only.")
@click.option(
    "--phase",
    type=click.Choice([Phase.EXPAND.value, Phase.CONTRACT.value]),
    default=Phase.EXPAND.value,
    help="contract: older code cannot live with it, so it is held until the rollout is over.",
)
@click.pass_obj
def command(
    flags: Flags,
    description: str,
    app: str,
    renames: tuple[str, ...],
    backfills: tuple[str, ...],
    *,
    phase: str,
    auto: bool,
    adopt: bool,
) -> int:
    """Create a new migration file.

    For example: smalls create "adding column foo to table bar"
    """

    def body(run: Run) -> str:
        attributes = f'phase = "{phase}"' if phase == Phase.CONTRACT.value else ""
        if not auto and (renames or backfills or adopt):
            raise UsageError("--rename, --backfill and --adopt go with --auto.")
        if run.log.console:
            run.log.console.line("Creating a new file")
        path = (
            _auto(run, description, app, (renames, backfills), attributes, adopt=adopt)
            if auto
            else _direct(run, description, app, attributes)
        )
        if not path:
            return "Nothing to do: models and migrations agree."
        run.log("migration.created", f"Created {path}.", path=path)
        if not run.log.console:
            show_lines(run, path)
        return "" if run.log.console else f"Created {path}."

    return execute(flags, "create", body)


def _direct(run: Run, description: str, app: str, attributes: str) -> str:
    if not app and len(run.apps.names) > 1:
        raise UsageError(f"For which app? There are {', '.join(run.apps.names)}.", hint="Say --app NAME.")
    app = app or next(iter(run.apps.names), "")
    return create(run.settings, description, run.apps.get(app).folder if app else None, attributes)


def _auto(
    run: Run,
    description: str,
    app: str,
    said: tuple[tuple[str, ...], tuple[str, ...]],
    attributes: str,
    *,
    adopt: bool,
) -> str:
    from smalls.cli.asking import asker
    from smalls.generating import generate
    from smalls.hints import Hints

    made = generate(
        run, description, app=app, hints=Hints.parse(*said), ask=asker(run), adopt=adopt, attributes=attributes
    )
    for warning in made.warnings:
        run.log("models.warned", f"{warning.message} ({warning.hint}).", hint=warning.hint)
    for operation in made.operations:
        mark = " (DESTRUCTIVE)" if operation.destructive else ""
        run.log("models.changed", f"{operation.describe()}{mark}", destructive=operation.destructive)
    if not attributes and any(operation.destructive for operation in made.operations):
        hint = "code that still uses what goes cannot live with it: consider --phase contract, which waits"
        run.log("models.warned", f"{made.path} destroys data ({hint} until the rollout is over).", hint=hint)
    return made.path
