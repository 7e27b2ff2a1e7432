"""A small, seedable portion of the fault campaigns; `python -m tests.faults` runs them at full size."""

import os
import signal
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.conftest import obtain
from tests.faults import campaign, crowds, network, soak
from tests.faults.__main__ import ENGINES
from tests.faults.campaign import Place, Tally
from tests.faults.forking import Forks
from tests.faults.proxy import Fault, Link
from tests.faults.ten import column
from tests.running import wait_until
from tests.servers import family, server

SEED = campaign.environment_seed(1)
CASES = 3


def ready(engine: str) -> None:
    """Leave the test out where the server is missing."""
    if family(engine) != "sqlite":
        obtain(engine, lambda: server(engine))


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Give one fork server to all campaigns: it takes longer to start than three cases."""
    with Forks(tmp_path_factory.mktemp("forks")) as made:
        yield made


FIGHTS = [(engine, name) for engine in ENGINES for name in campaign.campaigns(engine)]


@pytest.mark.parametrize(("engine", "name"), FIGHTS)
def test_killed_at_a_statement(engine: str, name: str, forks: Forks) -> None:
    """A rerun ends as an undisturbed run does, each change of rows made once; SMALLS_TEST_SEED draws others."""
    ready(engine)

    def body(place: Place) -> Tally:
        return campaign.kills(place, campaign.chosen(place, 3, CASES, SEED))

    tally = campaign.fight(engine, name, body, forks)
    assert tally.failures == []
    assert tally.harmed == CASES


@pytest.mark.parametrize(
    ("engine", "name"), [("postgres15", "direct"), ("mysql9", "direct"), ("mariadb10", "declarative")]
)
def test_cut_at_a_statement(engine: str, name: str, forks: Forks) -> None:
    """Each outcome is told, and the run after it ends as an undisturbed one."""
    ready(engine)
    tally = campaign.fight(
        engine, name, lambda place: network.cuts(place, campaign.chosen(place, 3, CASES, SEED)), forks
    )
    assert tally.failures == []
    assert tally.harmed == CASES


@pytest.mark.parametrize(("engine", "name"), [("postgres15", "declarative"), ("mariadb10", "direct")])
def test_delayed_at_a_statement(engine: str, name: str, forks: Forks) -> None:
    """It only takes longer."""
    ready(engine)
    tally = campaign.fight(
        engine, name, lambda place: network.delays(place, campaign.chosen(place, 3, CASES, SEED)), forks
    )
    assert tally.failures == []
    assert tally.outcomes == {"0": CASES}


@pytest.mark.parametrize("engine", ["postgres15", "mariadb10"])
def test_stalled_at_a_statement(engine: str, forks: Forks) -> None:
    """The run ends at its deadline although nobody answers; the server keeps its lock, and it is told."""
    ready(engine)

    def body(place: Place) -> Tally:
        (number,) = (
            at for at, sql in enumerate(place.statements) if "note" in sql and sql.startswith("CREATE TABLE")
        )
        return network.stalls(place, [(0, "before"), (number, "sent")])

    tally = campaign.fight(engine, "declarative", body, forks)
    assert tally.failures == []
    assert tally.harmed == 2
    assert any(" meanwhile 5," in how for how in tally.outcomes)


@pytest.mark.parametrize("engine", ["mariadb10", "mysql9"])
def test_a_declarative_migration_that_was_cut_is_to_be_run_again(engine: str, forks: Forks) -> None:
    """15, which a scheduler retries, and not 7: the rerun goes on after the last step."""
    ready(engine)

    def body(place: Place) -> Tally:
        (number,) = (at for at, sql in enumerate(place.statements) if "CREATE TABLE" in sql and "`tag`" in sql)
        return network.cuts(place, [(number, "replied"), (number + 1, "replied")])

    tally = campaign.fight(engine, "declarative", body, forks)
    assert tally.failures == []
    assert tally.outcomes == {"15, then a rerun went on": 2}


@pytest.mark.parametrize("engine", ["mariadb10", "mysql9"])
def test_a_stop_when_a_statement_has_just_taken_effect(engine: str, forks: Forks) -> None:
    """Its step is not noted any more; the rerun finds it done, and goes on."""
    ready(engine)

    def body(place: Place) -> Tally:
        database, victim = place.scene.database, []
        (number,) = (at for at, sql in enumerate(place.statements) if "ADD COLUMN `email`" in sql)

        def stop(_: Link) -> None:
            wait_until(lambda: bool(victim and database.query(column("account", "email", "", "mysql").seen)))
            os.kill(victim[0].pid, signal.SIGTERM)
            wait_until(lambda: "stop.requested" in victim[0].err.read_text())

        place.proxy.arm(Fault(number, "sent", stop))
        env = {**place.proxied_env, "SMALLS_SHUTDOWN_GRACE": "0"}
        victim.append(place.forks.start("migrate", cwd=place.scene.project.path, env=env))
        result = victim[0].finish()
        assert result.code == 143, result.stderr
        return Tally(place.name, outcomes=Counter([campaign.heir(place)]))

    tally = campaign.fight(engine, "declarative", body, forks)
    assert tally.outcomes == {"a rerun went on": 1}


@pytest.mark.parametrize("engine", ["postgres15", "mariadb10"])
def test_cut_when_an_undoing_was_just_recorded(engine: str, forks: Forks) -> None:
    """It is over, and nothing says that it failed part-way: the next rollback goes on, and the next run is free."""
    ready(engine)

    def body(place: Place) -> Tally:
        database, cwd = place.scene.database, place.scene.project.path
        assert place.smalls("migrate").code == 0
        assert campaign.begin(place, "rollback", "9", **campaign.YES).finish().code == 0
        sent = place.sent()
        (removed,) = (at for at, sql in enumerate(sent) if "DELETE FROM" in sql and "migration_history" in sql)
        number = next(at for at in range(removed, len(sent)) if "COMMIT" in sent[at])
        assert place.smalls("migrate").code == 0

        def cut(link: Link) -> None:
            wait_until(lambda: not database.query("SELECT 1 FROM migration_history WHERE name LIKE '0010%'"))
            link.reset()
            raise ConnectionAbortedError

        place.proxy.arm(Fault(number, "sent", cut))
        result = place.forks.run("rollback", "9", cwd=cwd, env={**place.proxied_env, **campaign.YES})
        assert (place.proxy.struck, result.code) == (True, 15), result.stderr
        return Tally(place.name, outcomes=Counter([campaign.heir(place)]))

    name = "declarative" if family(engine) == "mysql" else "declarative-outside"
    tally = campaign.fight(engine, name, body, forks)
    assert tally.outcomes == {"a rerun went on": 1}


@pytest.mark.parametrize("engine", ["sqlite", "postgres15"])
def test_a_small_crowd(engine: str, forks: Forks) -> None:
    """Twelve at once, one or two of them killed."""
    ready(engine)
    tally = campaign.fight(engine, "declarative", lambda place: crowds.crowds(place, 12, 1, SEED), forks)
    assert tally.failures == []


@pytest.mark.parametrize("engine", ["sqlite", "postgres15", "mariadb10"])
def test_a_short_soak(engine: str) -> None:
    """Forward and back while things go wrong: nothing is left on the server, and the process grows by nothing."""
    ready(engine)
    tally = campaign.fight(engine, "declarative", lambda place: soak.soak(place, 10, SEED))
    assert tally.failures == []
    assert tally.measured["descriptors_end"] == tally.measured["descriptors_begin"]
