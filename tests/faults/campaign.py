"""Harm done at every statement of a run of ten migrations, and what must hold of the run after it."""

import contextlib
import difflib
import json
import os
import random
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.databases import Database, fresh_database
from tests.faults import proxy as proxies
from tests.faults.forking import Forks, Running
from tests.faults.scenes import sessions
from tests.faults.ten import OURS, Change, Scene, write
from tests.running import Project, Result, wait_until
from tests.servers import family

SQLITE_MOMENTS = ("before", "during", "after")
YES = {"SMALLS_YES": "1"}
PATIENT = {"SMALLS_LOCK_TIMEOUT": "60", "SMALLS_WAIT_TIMEOUT": "30"}


@dataclass
class Place:
    """One scene with what runs it: a fork server, a proxy, and what an undisturbed run leaves."""

    scene: Scene
    forks: Forks
    proxy: proxies.Proxy | None
    trace: Path
    expected: str = ""
    statements: list[str] = field(default_factory=list)
    name: str = ""
    took: float = 0.0  # seconds, of an undisturbed run

    @property
    def direct_env(self) -> dict[str, str]:
        """Give the environment of a run that nothing happens to."""
        return {**self.scene.database.env, **PATIENT}

    @property
    def proxied_env(self) -> dict[str, str]:
        """Give the environment of a run by way of the proxy."""
        return {**self.direct_env, "SMALLS_DATABASE_URL": self.proxy.url(self.scene.database)} if self.proxy else {}

    @property
    def moments(self) -> tuple[str, ...]:
        """Name the moments of a statement."""
        return proxies.MOMENTS if self.proxy else SQLITE_MOMENTS

    def smalls(self, *words: str, **env: str) -> Result:
        """Run smalls with nothing in its way."""
        return self.forks.run(*words, cwd=self.scene.project.path, env={**self.direct_env, **env})

    def sent(self) -> list[str]:
        """List the statements that the last run sent, as the proxy or SQLite's driver saw them."""
        if self.proxy:
            return list(self.proxy.sent)
        return self.trace.read_text().split("\0")[:-1]


@contextlib.contextmanager
def placed(engine: str, style: str, *, outside: bool = False, forks: Forks | None = None) -> Iterator[Place]:
    """Make a place on a database of its own, and run the ten there once, undisturbed."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="smalls-faults-")))
        database = stack.enter_context(fresh_database(engine, folder, "faults"))
        project = Project(folder / "project")
        project.migrations.mkdir(parents=True)
        scene = write(project, database, style, outside=outside)
        forks = forks or stack.enter_context(Forks(folder))
        proxy = None
        if database.server:
            proxy = stack.enter_context(proxies.Proxy(database.server, database.family))
            stack.enter_context(_general_log(scene))
        place = Place(scene, forks, proxy, folder / "trace")
        empty(database)
        began = time.monotonic()
        result = begin(place).finish()
        assert result.code == 0, result.stderr
        place.took = time.monotonic() - began
        place.statements, place.expected = place.sent(), state(scene)
        empty(database)
        yield place


def begin(place: Place, *words: str, at: int = -1, moment: str = "", **env: str) -> Running:
    """Start a run whose statements are counted, and that is killed at one of them."""
    words, cwd = words or ("migrate",), place.scene.project.path
    if place.proxy is None:
        hook = {"trace": str(place.trace), "at": at, "moment": moment}
        return place.forks.start(*words, cwd=cwd, env={**place.direct_env, **env}, hook=hook)
    victim: list[Running] = []

    def kill(_: proxies.Link) -> None:
        wait_until(lambda: bool(victim), 10)
        victim[0].kill()
        raise ConnectionAbortedError

    place.proxy.arm(proxies.Fault(at, moment, kill))
    victim.append(place.forks.start(*words, cwd=cwd, env={**place.proxied_env, **env}))
    return victim[0]


def state(scene: Scene) -> str:
    """Write schema and rows as text, and the migrations that are recorded."""
    recorded = [row[0] for row in scene.database.query("SELECT name FROM migration_history ORDER BY id")]
    return scene.database.dump(without=OURS) + "\n".join(recorded)


def empty(database: Database) -> None:
    """Take everything out of a database, once nobody is connected any more."""
    if database.family == "sqlite":
        for path in Path(database.name).parent.glob(f"{Path(database.name).name}*"):
            path.unlink()
        return
    wait_until(lambda: not sessions(database), 30)
    if database.family == "postgres":
        database.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        return
    names = ", ".join(f"`{name}`" for name in database.tables())
    if names:
        database.execute(f"SET foreign_key_checks = 0; DROP TABLE {names}")


# ---- the server's own record of what it was sent


@contextlib.contextmanager
def _general_log(scene: Scene) -> Iterator[None]:
    """Have the server keep a record; one campaign at a time may, since it is the server's one and only."""
    database = scene.database
    if not _has_log(scene):
        yield
        return
    database.execute("SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = 1")
    try:
        yield
    finally:
        database.execute("SET GLOBAL general_log = 0; TRUNCATE mysql.general_log")


def _has_log(scene: Scene) -> bool:
    return scene.needs_hands and scene.database.family == "mysql"


def forget_log(scene: Scene) -> None:
    """Begin the server's record anew."""
    if _has_log(scene):
        scene.database.execute("TRUNCATE mysql.general_log")


def received(place: Place) -> list[str]:
    """List what the server was sent by the last run: as it says itself, where it keeps a record."""
    database = place.scene.database
    if not _has_log(place.scene):
        return place.sent()
    wait_until(lambda: not sessions(database), 30)
    rows = database.query("SELECT command_type, thread_id, argument FROM mysql.general_log ORDER BY event_time")
    texts = [(kind, thread, text.decode() if isinstance(text, bytes) else text) for kind, thread, text in rows]
    ours = {thread for kind, thread, text in texts if kind == "Connect" and database.name in text}
    return [text for kind, thread, text in texts if kind == "Query" and thread in ours]


# ---- kills


@dataclass
class Tally:
    """What a campaign counted."""

    name: str
    statements: int = 0
    harmed: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    measured: dict[str, Any] = field(default_factory=dict)


def chosen(place: Place, rounds: int, sample: int | None, seed: int) -> list[tuple[int, str]]:
    """List at which statements and moments harm is done: each statement once a round, at another moment each time.

    Three rounds are all there are; of these as many as `sample` says.
    """
    draw = random.Random(seed)  # noqa: S311 - to be repeated
    statements, moments = range(len(place.statements)), place.moments
    first = [draw.randrange(len(moments)) for _ in statements]
    cases = [
        (number, moments[(first[number] + turn) % len(moments)])
        for turn in range(min(rounds, len(moments)))
        for number in draw.sample(statements, len(statements))
    ]
    return cases[:sample]


def kills(place: Place, cases: Iterable[tuple[int, str]]) -> Tally:
    """Kill a run at each of the cases, and hold what its heir does of it."""
    tally = Tally(place.name, len(place.statements))
    for at, moment in cases:
        with told(tally, place, f"{at} {moment}"):
            forget_log(place.scene)
            victim = begin(place, at=at, moment=moment).finish()
            if victim.code != -signal.SIGKILL:
                assert victim.code == 0, victim.stderr
                tally.outcomes["not reached"] += 1
                continue
            tally.harmed += 1
            tally.outcomes[heir(place)] += 1
    return tally


@contextlib.contextmanager
def told(tally: Tally, place: Place, case: str) -> Iterator[None]:
    """Note what did not hold, and go on with an empty database."""
    try:
        yield
    except AssertionError as error:
        number = int(case.split(maxsplit=1)[0])
        around = place.statements[max(0, number - 1) : number + 2]
        broken = traceback.extract_tb(error.__traceback__)[-1].line
        tally.failures.append(f"{tally.name} {case} {around}: {broken}: {error}"[:6000])
    finally:
        if place.proxy:
            place.proxy.lift()
        empty(place.scene.database)


def heir(place: Place) -> str:
    """Run again, and hold that it ends as if nothing had been; give how."""
    sent = received(place)
    result = place.smalls("migrate")
    how = "a rerun went on"
    if result.code == 7 and place.scene.needs_hands:
        how = settle(place, sent, result)
        result = place.smalls("migrate")
    assert result.code == 0, result.stderr
    found = state(place.scene)
    assert found == place.expected, "\n".join(difflib.ndiff(place.expected.splitlines(), found.splitlines()))
    return how


def settle(place: Place, sent: list[str], refused: Result) -> str:
    """Hold what `repair` tells against the server, finish by hand what it says is not done, and record it."""
    (problem,) = json.loads(place.smalls("repair").stdout)["problems"]
    name, shown = problem["migration"], problem["statements"]
    changes = place.scene.changes[name]
    arrived = [change for change in changes if change.sql in sent]
    assert [each["statement"] for each in shown] == [change.sql for change in changes[: len(shown)]], shown
    assert len(arrived) <= len(shown) <= len(arrived) + 1, (shown, arrived)
    assert all(each["outcome"] == "done" for each in shown[:-1]), shown
    told_then = refused.named("run.failed")[-1]["error"].get("statements")
    assert told_then == shown, (told_then, shown)
    for each, change in zip(shown, changes, strict=False):
        _true(place.scene.database, each, change)
    left = [change for change in changes if not place.scene.database.query(change.seen)]
    for change in left:
        place.scene.database.execute(change.sql)
    fixed = place.smalls("repair", "--mark-applied", name, **YES)
    assert fixed.code == 0, fixed.stderr
    return "repair told the truth"


def _true(database: Database, shown: dict[str, Any], change: Change) -> None:
    """Hold what is said of one statement against the database."""
    worked = bool(database.query(change.seen))
    if shown["outcome"] == "done":
        assert worked, shown
    seen = shown.get("seen", "")
    if seen.endswith("exists now") or seen.startswith("there is no"):
        takes_away = change.sql.startswith("DROP")
        assert (seen.endswith("exists now") is not takes_away) == worked, shown
    else:
        assert change.sql.startswith(("INSERT", "UPDATE")), shown


def environment_seed(default: int) -> int:
    """Give the seed that the tests draw from."""
    return int(os.environ.get("SMALLS_TEST_SEED", default))


CAMPAIGNS: dict[str, tuple[str, bool]] = {
    "direct": ("direct", False),
    "declarative": ("declarative", False),
    "direct-outside": ("direct", True),
    "declarative-outside": ("declarative", True),
}


def campaigns(engine: str) -> list[str]:
    """Name the campaigns that an engine has: MySQL and MariaDB have no transactions to be outside of."""
    return [name for name, (_, outside) in CAMPAIGNS.items() if not (outside and family(engine) == "mysql")]


def fight(engine: str, name: str, body: Callable[[Place], Tally], forks: Forks | None = None) -> Tally:
    """Run one campaign at a place of its own, with a fork server of its own unless one is given."""
    style, outside = CAMPAIGNS[name]
    with placed(engine, style, outside=outside, forks=forks) as place:
        place.name = f"{engine} {name}"
        return body(place)
