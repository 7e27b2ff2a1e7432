"""`create --auto`: the migration that leads from what is promised to the models, written as a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smalls import current
from smalls.changes import Comparer, uncollected
from smalls.project import choose_database
from smalls.render import render
from smalls.scaffolding import write_new
from smalls.urls import Engine, Location

if TYPE_CHECKING:
    from smalls.hints import Ask, DiffWarning, Hints
    from smalls.operations import Operation
    from smalls.run import Run

_OFFLINE = Location(Engine.SQLITE, "sqlite", ":memory:")


@dataclass(frozen=True, slots=True)
class Generated:
    """What was written: the file's path, "" where nothing has changed."""

    path: str
    operations: tuple[Operation, ...]
    warnings: tuple[DiffWarning, ...]


def comparer(run: Run) -> Comparer:
    """Return what compares models and migrations, with the project's database chosen and not connected."""
    choose_database(run.settings, fallback=_OFFLINE)
    return Comparer(run)


def folder_of(run: Run, app: str) -> str:
    """Return the migrations folder of an app, the project's own for none."""
    return run.apps.get(app).folder if app else run.settings.migrations


def generate(
    run: Run, description: str, *, app: str = "", hints: Hints, ask: Ask | None = None, adopt: bool = False
) -> Generated:
    """Compare, and write a file if anything differs; connects to nothing.

    A file that destroys data says so in its name. Raises what `Comparer.compare` and `write_new` raise.
    """
    with uncollected():
        compared = comparer(run)
        app = compared.chosen(app)
        found = compared.compare(app, hints=hints, ask=ask, adopt=adopt)
        current.set_database(None)
    if not found.operations:
        return Generated("", (), found.warnings)
    warned = "destructive" in description.lower() or not any(item.destructive for item in found.operations)
    named = description if warned else f"{description} destructive"
    path = write_new(Path(folder_of(run, app)), named, render(found.operations, description))
    return Generated(path, found.operations, found.warnings)
