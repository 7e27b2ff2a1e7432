"""A network that cuts, stalls and delays at every statement: each outcome is told, and a rerun goes on."""

import time
from collections.abc import Callable, Iterable

from smalls.errors import Exit
from tests.faults.campaign import Place, Tally, forget_log, heir, told
from tests.faults.proxy import Fault, Link
from tests.running import Result

DELAY = 0.4
DEADLINE = 2.0  # SMALLS_RUN_TIMEOUT of a run that is stalled, in seconds; more where one takes that long
GIVEN_UP = 25.0  # within so many seconds of it a run has ended, whatever the network does
EXPLAINED = {
    Exit.OK,  # the connection was not needed any more, or was made again
    Exit.UNREACHABLE,
    Exit.LOCK_TIMEOUT,
    Exit.FAILED_CLEAN,
    Exit.FAILED_PARTIAL,
    Exit.CONNECTION_LOST,
    Exit.TERMINATED,
}


def cuts(place: Place, cases: Iterable[tuple[int, str]]) -> Tally:
    """Reset one connection, or all of them, at each of the cases."""
    return _each(place, cases, _cut)


def delays(place: Place, cases: Iterable[tuple[int, str]]) -> Tally:
    """Hold a statement up, or its reply: nothing else happens."""
    return _each(place, cases, _delayed)


def stalls(place: Place, cases: Iterable[tuple[int, str]]) -> Tally:
    """Pass nothing on any more; the server keeps the sessions, as it does when nobody tells it."""
    return _each(place, cases, _stalled)


def _each(place: Place, cases: Iterable[tuple[int, str]], harm: Callable[[Place, int, str], str]) -> Tally:
    tally = Tally(place.name, len(place.statements))
    for at, moment in cases:
        with told(tally, place, f"{at} {moment}"):
            forget_log(place.scene)
            how = harm(place, at, moment)
            tally.harmed += bool(place.proxy and place.proxy.struck)
            tally.outcomes[how] += 1
    return tally


def _run(place: Place, at: int, moment: str, act: Callable[[Link], None], **env: str) -> Result:
    assert place.proxy
    place.proxy.arm(Fault(at, moment, act))
    return place.forks.run("migrate", cwd=place.scene.project.path, env={**place.proxied_env, **env})


def _cut(place: Place, at: int, moment: str) -> str:
    assert place.proxy
    every = place.proxy.cut

    def cut(link: Link) -> None:
        every(None if at % 2 else link)
        raise ConnectionAbortedError

    result = _run(place, at, moment, cut)
    _explained(place, result)
    return f"{result.code}, then {heir(place)}"


def _delayed(place: Place, at: int, moment: str) -> str:
    result = _run(place, at, moment, lambda _: time.sleep(DELAY))
    assert result.code == 0, result.stderr
    heir(place)
    return "0"


def _stalled(place: Place, at: int, moment: str) -> str:
    assert place.proxy
    proxy = place.proxy
    deadline = max(DEADLINE, 3 * place.took)
    began = time.monotonic()
    result = _run(place, at, moment, lambda _: proxy.stall(), SMALLS_RUN_TIMEOUT=f"{deadline:.1f}")
    took = time.monotonic() - began
    assert took < deadline + GIVEN_UP, f"{took} s: {result.stderr}"
    _explained(place, result)
    # The server has not heard of anything, and keeps what the run held.
    waiting = place.smalls("migrate", SMALLS_LOCK_TIMEOUT="0.5", SMALLS_DDL_LOCK_TIMEOUT="0.5")
    assert waiting.code in {0, Exit.LOCK_TIMEOUT, Exit.RELATION_LOCK, Exit.FAILED_PARTIAL}, waiting.stderr
    if waiting.code == Exit.LOCK_TIMEOUT:
        assert waiting.named("run.failed")[-1]["error"]["holder"]["session"]
    proxy.lift()
    assert waiting.code != Exit.FAILED_PARTIAL or place.scene.needs_hands, waiting.stderr
    return f"{result.code}, meanwhile {waiting.code}, then {heir(place)}"


def _explained(place: Place, result: Result) -> None:
    """Hold that a run told how it ended."""
    assert result.code in EXPLAINED, result.stderr
    assert result.code != Exit.FAILED_PARTIAL or place.scene.needs_hands, result.stderr
    assert result.events[-1]["event"] == "run.finished", result.stderr
    assert result.events[-1]["exit_code"] == result.code
    assert "Traceback" not in result.stderr
    if result.code:
        error = result.named("run.failed")[-1]["error"]
        assert error["message"], error
        assert error["hint"], error
