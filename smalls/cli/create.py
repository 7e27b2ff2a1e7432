"""`smalls create DESCRIPTION`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smalls.cli.edge import execute
from smalls.cli.output import show_lines
from smalls.errors import UsageError
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
    help="With --auto: what rows get in a column that becomes not null; sql:EXPRESSION for SQL.",
)
@click.option("--adopt", is_flag=True, help="With --auto: the database has all this already; write the state only.")
@click.pass_obj
def command(
    flags: Flags,
    description: str,
    app: str,
    renames: tuple[str, ...],
    backfills: tuple[str, ...],
    *,
    auto: bool,
    adopt: bool,
) -> int:
    """Create a new migration file.

    For example: smalls create "adding column foo to table bar"
    """

    def body(run: Run) -> str:
        if not auto and (renames or backfills or adopt):
            raise UsageError("--rename, --backfill and --adopt go with --auto.")
        if run.log.console:
            run.log.console.line("Creating a new file")
        path = (
            _auto(run, description, app, renames, backfills, adopt=adopt)
            if auto
            else _direct(run, description, app)
        )
        if not path:
            return "Nothing to do: models and migrations agree."
        run.log("migration.created", f"Created {path}.", path=path)
        if not run.log.console:
            show_lines(run, path)
        return "" if run.log.console else f"Created {path}."

    return execute(flags, "create", body)


def _direct(run: Run, description: str, app: str) -> str:
    if not app and len(run.apps.names) > 1:
        raise UsageError(f"For which app? There are {', '.join(run.apps.names)}.", hint="Say --app NAME.")
    app = app or next(iter(run.apps.names), "")
    return create(run.settings, description, run.apps.get(app).folder if app else None)


def _auto(
    run: Run, description: str, app: str, renames: tuple[str, ...], backfills: tuple[str, ...], *, adopt: bool
) -> str:
    from smalls.cli.asking import asker
    from smalls.generating import generate
    from smalls.hints import Hints

    hints = Hints.parse(renames, backfills)
    made = generate(run, description, app=app, hints=hints, ask=asker(run), adopt=adopt)
    for warning in made.warnings:
        run.log("models.warned", f"{warning.message} ({warning.hint}).", hint=warning.hint)
    for operation in made.operations:
        mark = " (DESTRUCTIVE)" if operation.destructive else ""
        run.log("models.changed", f"{operation.describe()}{mark}", destructive=operation.destructive)
    return made.path
