"""Old and new pods starting at once and again and again: nothing is ever undone by a migrate."""

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Database
from tests.running import finish
from tests.undo.images import FIRST, SECOND, env, fill, image

SECONDS = float(os.environ.get("SMALLS_TEST_FLAPPING", "8"))


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
@pytest.mark.parametrize("fits", [True, False], ids=["can live with it", "cannot"])
def test_flapping_undoes_nothing(fits: bool, tmp_path: Path, database: Database, start: Any) -> None:
    """Ten pods of both images: each ends with 0 or 9, and every migration is applied once."""
    second = {"0011_more": 'manager.add_column("post", Column("more", types.integer(), null=True))'}
    v1 = image(tmp_path / "v1", FIRST)
    v2 = image(tmp_path / "v2", FIRST | (second if fits else SECOND))
    assert v1.run("migrate", env=env(database, "1.0")).code == 0
    fill(database)
    codes: dict[str, Counter[int]] = {"1.0": Counter(), "2.0": Counter()}
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        pods = [
            (version, start("migrate", cwd=each.path, env=env(database, version)))
            for _ in range(5)
            for version, each in (("1.0", v1), ("2.0", v2))
        ]
        for version, pod in pods:
            codes[version][finish(pod).code] += 1
    print(f"{database.engine}: " + "; ".join(f"{version}: {dict(found)}" for version, found in codes.items()))
    assert set(codes["2.0"]) == {0}
    assert set(codes["1.0"]) <= ({0} if fits else {0, 9})
    assert v1.run("migrate", env=env(database, "1.0")).code == (0 if fits else 9)
    assert not database.query("SELECT 1 FROM smalls_journal WHERE event LIKE 'und%'")
    assert len(database.query("SELECT 1 FROM migration_history")) == (11 if fits else 15)
