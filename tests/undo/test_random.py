"""Whatever a newer image did to whatever schema: an image without its files leads back to the catalogue before."""

import itertools
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from smalls.differ import diff
from smalls.hints import Hints
from smalls.reflect import Catalogue, differences, read
from smalls.render import render
from smalls.schema import Schema
from tests.databases import Database, fresh_database
from tests.operations.harness import ENGINE
from tests.running import Project
from tests.strategies import Step, schemas, walks
from tests.undo.images import OWN, env, take_back

WALKS = int(os.environ.get("SMALLS_TEST_WALKS", "4"))
DRAWN = settings(
    max_examples=WALKS,
    deadline=None,
    derandomize=True,  # the same walks each time; more of them where more are asked for
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)


def image(folder: Path, steps: list[Step]) -> Project:
    """Make a project with a migration for each step from nothing on."""
    project = Project(folder)
    for number, (before, after) in enumerate(itertools.pairwise([Step(Schema()), *steps]), start=1):
        operations = diff(before.schema, after.schema, hints=Hints.parse(after.renames)).operations
        project.write(f"migrations/{number:04}_step.py", "").write_text(render(operations), encoding="utf-8")
    return project


def catalogue(database: Database) -> Catalogue:
    """Read what is there."""
    return read(ENGINE[database.family], database.query, without=OWN)


def there_and_back(database: Database, folder: Path, steps: list[Step]) -> None:
    """Let the older image make the first schema, the newer one go on from there, and the older one go back."""
    v1, v2 = image(folder / "v1", steps[:1]), image(folder / "v2", steps)
    one, two = env(database, "1"), env(database, "2")
    assert v1.run("migrate", env=one).code == 0
    first = catalogue(database)
    done = v2.run("migrate", env=two)
    assert done.code == 0, done.stderr
    take_back(v1, one)
    assert differences(first, catalogue(database)) == []
    assert v1.run("verify", env=one).code == 0


@pytest.mark.parametrize("engine", ["sqlite", *(["postgres15"] if WALKS > 4 else [])])
@DRAWN
@given(steps=walks(length=6, start=schemas()))
def test_an_undo_leads_back_whatever_was_done(engine: str, steps: list[Step]) -> None:
    """Nothing is taken for a change by hand on the way, and the catalogue is as it was."""
    with tempfile.TemporaryDirectory() as folder, fresh_database(engine, Path(folder)) as database:
        there_and_back(database, Path(folder), steps)
