"""Migrated and rolled back again and again, while things go wrong: nothing grows, and nothing is left behind."""

import random
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smalls.errors import Exit
from tests.faults.campaign import YES, Place, Tally, begin, empty
from tests.faults.proxy import Fault, Link
from tests.faults.scenes import advisory_locks, sessions
from tests.faults.ten import OURS
from tests.running import Result, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = 4  # of the ten: a cycle is to be short
FAULTS = ("none", "none", "kill", "cut", "delay")
LOOK_EVERY = 50
WARM = 0.1  # of the cycles, before memory is looked at
WARM_AT_LEAST = 4  # of cycles: what a fault needs is imported at the first of its kind
RETRIES = 3
FORWARD, BACK = ("migrate",), ("rollback", "zero", "--yes")
GROWTH = 4 << 20  # of bytes


def soak(place: Place, cycles: int, seed: int, seconds: float = 1e9) -> Tally:
    """Go through so many cycles, or as many as there is time for."""
    draw = random.Random(seed)  # noqa: S311 - to be repeated
    tally = Tally(place.name, len(place.statements))
    for path in sorted(place.scene.project.migrations.glob("*.py"))[FILES:]:
        path.unlink()
    held: list[dict[str, Any]] = []
    took: list[float] = []
    first, began = _sent(place), time.monotonic()
    for cycle in range(cycles):
        if time.monotonic() - began > seconds:
            break
        at = time.monotonic()
        try:
            for words in (FORWARD, BACK):
                tally.outcomes[_go(place, words, draw)] += 1
            if cycle % LOOK_EVERY == 0:
                _nothing_left(place)
        except AssertionError as error:
            tally.failures.append(f"{place.name} cycle {cycle}: {error}"[:6000])
            empty(place.scene.database)
        held.append(place.forks.held())
        took.append(time.monotonic() - at)
        tally.harmed += 1
    wait_until(lambda: place.forks.held()["threads"] == 1, 10)
    tally.measured = {**_summed(held, took), "statements_first": first, "statements_last": _sent(place)}
    tally.measured["journal"] = place.scene.database.query("SELECT count(*) FROM smalls_journal")[0][0]
    assert held[-1]["rss"] - held[_warm(held)]["rss"] < GROWTH, tally.measured
    return tally


def _sent(place: Place) -> int:
    """Count the statements of a cycle that nothing happens in."""
    count = 0
    for words in (FORWARD, BACK):
        result = begin(place, *words, **YES).finish()
        assert result.code == 0, result.stderr
        count += len(place.sent())
    return count


def _go(place: Place, words: tuple[str, ...], draw: random.Random) -> str:
    """Go one way, with or without harm, and then until it is done."""
    fault = draw.choice(FAULTS if place.proxy else FAULTS[:3])
    at, moment = draw.randrange(len(place.statements) // 2), draw.choice(place.moments)
    if fault == "kill":
        result = begin(place, *words, at=at, moment=moment, **YES).finish()
        assert result.code in {Exit.OK, -signal.SIGKILL}, result.stderr
    else:
        result = _here(place, words, fault, at, moment)
    for _ in range(RETRIES):
        if result.code == 0:
            return fault
        result = place.forks.here(*words, cwd=place.scene.project.path, env={**place.direct_env, **YES})
    assert result.code == 0, result.stderr
    return fault


def _here(place: Place, words: tuple[str, ...], fault: str, at: int, moment: str) -> Result:
    env = place.direct_env
    if place.proxy:
        proxy, env = place.proxy, place.proxied_env
        acts: dict[str, Callable[[Link], None]] = {"cut": _cut, "delay": lambda _: time.sleep(0.05)}
        proxy.arm(Fault(at, moment, acts[fault]) if fault in acts else None)
    return place.forks.here(*words, cwd=place.scene.project.path, env={**env, **YES})


def _cut(link: Link) -> None:
    link.reset()
    raise ConnectionAbortedError


def _nothing_left(place: Place) -> None:
    database = place.scene.database
    wait_until(lambda: not sessions(database), 30)
    assert set(database.tables()) <= set(OURS), database.tables()
    if database.family == "postgres":
        assert advisory_locks(database) == []
        assert database.query("SELECT relname FROM pg_class WHERE relpersistence = 't'") == []
    if database.family == "sqlite":
        left = {
            path.name.removeprefix(Path(database.name).name) for path in Path(database.name).parent.glob("*.db*")
        }
        assert left <= {"", ".smalls-lock", "-smalls-lock"}, left


def _warm(held: list[dict[str, Any]]) -> int:
    return min(max(WARM_AT_LEAST, int(len(held) * WARM)), len(held) - 1)


def _summed(held: list[dict[str, Any]], took: list[float]) -> dict[str, Any]:
    some = max(1, len(held) // 10)
    used = [each["cpu"] for each in held]
    marks = {"begin": _warm(held), "half": len(held) // 2, "end": len(held) - 1}
    return {
        **{f"rss_mib_{name}": round(held[at]["rss"] / 2**20, 1) for name, at in marks.items()},
        **{f"descriptors_{name}": held[at]["descriptors"] for name, at in marks.items()},
        **{f"threads_{name}": held[at]["threads"] for name, at in marks.items()},
        "cpu_first_tenth": round((used[some - 1] - used[0]) / max(1, some - 1), 3),
        "cpu_last_tenth": round((used[-1] - used[-some]) / max(1, some - 1), 3),
        "seconds_first_tenth": round(sum(took[:some]) / some, 3),
        "seconds_last_tenth": round(sum(took[-some:]) / some, 3),
    }
