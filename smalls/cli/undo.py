"""`smalls undo --to-image` and `smalls undo --to NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from smalls import returning
from smalls.cli.edge import execute
from smalls.cli.output import log_planned, show_json, show_lines
from smalls.errors import UsageError
from smalls.undoplan import Aim, plan_undo
from smalls.visible import indented

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalls.run import Run
    from smalls.settings import Flags
    from smalls.undoplan import UndoPlan


@click.command("undo")
@click.option("--to-image", is_flag=True, help="Undo what this image has no files for, above its own.")
@click.option("--to", metavar="NAME", help="Undo everything above NAME: a number (3 or 0003) or a full name.")
@click.option("--app", default="", metavar="APP", help="The app whose NAME it is; required with several apps.")
@click.option("--plan", is_flag=True, help="Show what would be undone, change nothing, and exit with 0.")
@click.option("--plan-digest", default="", metavar="DIGEST", help="Undo exactly the plan of that digest.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@click.pass_obj
def command(flags: Flags, /, to: str | None, app: str, plan_digest: str, **options: bool) -> int:
    """Undo what a newer image applied, from what is kept of it in the history.

    Without --plan-digest the plan is printed, with what would be lost and its digest, and nothing is changed. With
    it, exactly that plan is undone; another one is refused.
    """

    def body(run: Run) -> str:
        if options["to_image"] == (to is not None):
            raise UsageError("Undo how far? Say --to-image or --to NAME, one of them.")
        if app and options["to_image"]:
            raise UsageError("--app goes with --to NAME; --to-image is about all apps.")
        if app:
            run.apps.get(app)
        aim, show = Aim(to, app), shower(run, as_json=options["as_json"])
        if not options["plan"]:
            return returning.undo(run, aim, plan_digest, show)
        planned = plan_undo(run, aim)
        show(planned)
        planned.require_possible()
        return f"{len(planned.items)} to undo; nothing was changed."

    return execute(flags, "undo", body, skippable=not options["plan"])


def shower(run: Run, *, as_json: bool) -> Callable[[UndoPlan], None]:
    """Return what prints a plan, and logs an event for each migration of it."""

    def show(plan: UndoPlan) -> None:
        told = plan.as_dict()
        log_planned(run, told["undo"], "backward")
        if as_json:
            show_json(run, told)
        else:
            show_lines(run, _text(plan, told))

    return show


def _text(plan: UndoPlan, told: dict[str, Any]) -> str:
    lines = ["To undo, last applied first:" if told["undo"] else "There is nothing to undo."]
    for item in told["undo"]:
        image = f"image {item['image_version']}, " if item["image_version"] else ""
        lines += ["", f"  {item['migration']}  ({image}{item['applied_at'].partition('.')[0]}; by {item['by']})"]
        lines += [f"    {line}" for part in item.get("operations", ()) for line in _part(part)]
        lines += (
            [] if item["previewable"] else [f"    {item.get('reason') or 'its own code, which cannot be shown'}"]
        )
        lines += [f"    LOSES {loss}" for loss in item["losses"]]
    if told["impossible"]:
        lines += ["", "Cannot be undone from here:"]
        lines += [f"  {item['migration']}: {item['reason']}" for item in told["impossible"]]
    if told["drift"]:
        lines += ["", "Not as the migrations promise:", *(f"  {item}" for item in plan.drift)]
    if told["digest"]:
        lines += ["", f"Digest: {told['digest']}"]
    return "\n".join(map(indented, lines))  # else a forged name could show another plan, and its digest


def _part(part: dict[str, Any]) -> list[str]:
    names = "; ".join(operation["operation"] for operation in part["operations"])
    return [names, *(f"  {line}" for step in part["steps"] for line in _step(step))]


def _step(step: dict[str, Any]) -> list[str]:
    if "sql" in step:
        marks = [mark for mark in (step["lock"], "rewrites the table" if step["rewrites"] else "") if mark]
        return [f"{step['sql']};" + (f"  -- {', '.join(marks)}" if marks else "")]
    if "rebuilds" in step:
        return [f"-- rebuilds {step['rebuilds']}", *(f"{each['sql']};" for each in step["statements"])]
    return [f"-- {step.get('backfills') or step.get('calls')}"]
