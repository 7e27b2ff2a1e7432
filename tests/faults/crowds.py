"""A crowd of runs at once, some of them killed: each migration once, and everybody else ends well."""

import random
import signal
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from smalls.errors import Exit
from tests.faults.campaign import Place, Tally, heir, told

if TYPE_CHECKING:
    from tests.faults.forking import Running

KILLED = 0.1  # of the runs
WITHIN = 4.0  # seconds from their start on
ALLOWED = {Exit.OK, Exit.UNREACHABLE, -signal.SIGKILL}  # unreachable: the server has no room for so many
PATIENT = {"SMALLS_LOCK_TIMEOUT": "300", "SMALLS_WAIT_TIMEOUT": "300"}


def crowds(place: Place, size: int, rounds: int, seed: int, seconds: float = 1e9) -> Tally:
    """Let so many run at once, so many times or as long as there is time, each time on an empty database."""
    if place.scene.database.family == "mysql":
        place.scene.database.execute(f"SET GLOBAL max_connections = {size * 4}")
    draw = random.Random(seed)  # noqa: S311 - to be repeated
    tally = Tally(place.name, len(place.statements))
    ends = time.monotonic() + seconds
    for number in range(rounds):
        if time.monotonic() > ends:
            break
        with told(tally, place, f"{number} round"):
            tally.outcomes += _round(place, size, draw)
            tally.harmed += 1
    return tally


def _round(place: Place, size: int, draw: random.Random) -> Counter[str]:
    env = {**place.direct_env, **PATIENT}
    doomed = [draw.uniform(0, WITHIN) if draw.random() < KILLED else None for _ in range(size)]
    runs: list[Running] = []
    for moment in doomed:
        run = place.forks.start("migrate", cwd=place.scene.project.path, env=env)
        runs.append(run)
        if moment is not None:
            threading.Timer(moment, run.kill).start()
    results = [run.finish(300) for run in runs]
    codes = {result.code for result in results}
    assert codes <= ALLOWED, [result.stderr for result in results if result.code not in ALLOWED][:1]
    done = Counter(event["migration"] for result in results for event in result.named("migration.applied"))
    assert set(done.values()) <= {1}, done
    heir(place)
    return Counter(f"{result.code}" for result in results)
