"""`create --auto`: the migration that leads from what is promised to the models, written as a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smalls import current
from smalls.changes import Comparer, uncollected
from smalls.operations import AddIndex, AddTable
from smalls.project import choose_database
from smalls.render import render
from smalls.scaffolding import write_new
from smalls.urls import Engine, Location

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from smalls.hints import Ask, DiffWarning, Hints
    from smalls.operations import Operation
    from smalls.run import Run
    from smalls.schema import TableKey

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
    run: Run,
    description: str,
    *,
    app: str = "",
    hints: Hints,
    ask: Ask | None = None,
    adopt: bool = False,
    attributes: str = "",
) -> Generated:
    """Compare, and write a file if anything differs; connects to nothing.

    A file that destroys data says so in its name. `attributes` stand above its migrate(). Raises what
    `Comparer.compare` and `write_new` raise.
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
    operations = tuple(_unblocking(found.operations))
    path = write_new(Path(folder_of(run, app)), named, render(operations, description, attributes))
    return Generated(path, operations, found.warnings)


def _unblocking(operations: Iterable[Operation]) -> Iterator[Operation]:
    """Ask for indexes that block no writers, but on tables that the same migration makes: nobody writes those."""
    made: set[TableKey] = set()
    for operation in operations:
        if isinstance(operation, AddTable):
            made.add(operation.table.key)
        if isinstance(operation, AddIndex) and operation.table not in made and not operation.index.sql:
            yield AddIndex(operation.table, operation.index, concurrently=True)
        else:
            yield operation
