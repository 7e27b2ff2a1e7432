"""The measuring: peers take turns, each result is checked, and every run counts."""

import random
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from benchmarks import schema
from benchmarks.commands import Command, FailedError, run
from benchmarks.environments import LeftOutError
from benchmarks.peers import Peer, Scenario
from tests.databases import Database, fresh_database

# A process's peak counts what its parent held when it was started, so a small parent has to start it.
_SMALL_PARENT = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ,
    file_actions=[(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)])
_, status, usage = os.wait4(pid, 0)
os.write(1, str(usage.ru_maxrss).encode())
sys.exit(os.waitstatus_to_exitcode(status))
"""
_MEMORY_RUNS = 2
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Contender:
    """A peer with the project that it wrote."""

    peer: Peer
    folder: Path


@dataclass(slots=True)
class Results:
    """Seconds by scenario and engine and peer, one a round; peak kilobytes; and who was left out, and why."""

    seconds: dict[tuple[Scenario, str], dict[str, list[float]]] = field(default_factory=dict)
    kilobytes: dict[tuple[str, str], int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Course:
    """What is measured on one engine, of the kind that users know: how many migrations, and how often."""

    engine: str
    kind: str
    count: int
    rounds: dict[Scenario, int]
    folder: Path

    def run(self, contenders: Sequence[Contender], results: Results) -> None:
        """Measure all contenders on this engine; one that fails is left out, with the reason."""
        with ExitStack() as stack:
            current: dict[str, Database] = {}
            for contender in contenders:
                database = stack.enter_context(fresh_database(self.engine, self.folder))
                try:
                    self._from_empty(contender, database)  # not timed: it also warms every cache
                    current[contender.peer.name] = database
                except (FailedError, LeftOutError) as reason:
                    results.left_out.append(f"{contender.peer.name} on {self.kind}: {reason}")
            ready = [contender for contender in contenders if contender.peer.name in current]
            if Scenario.NOTHING_PENDING in self.rounds:
                self._nothing_pending(ready, current, results)
        if Scenario.FROM_EMPTY in self.rounds:
            self._all_from_empty(ready, results)

    def _nothing_pending(self, ready: list[Contender], current: dict[str, Database], results: Results) -> None:
        commands = {
            each.peer.name: each.peer.command(each.folder, current[each.peer.name], Scenario.NOTHING_PENDING)
            for each in ready
        }
        taken = results.seconds[Scenario.NOTHING_PENDING, self.engine] = {name: [] for name in commands}
        for contender in turns(ready, self.rounds[Scenario.NOTHING_PENDING]):
            name = contender.peer.name
            taken[name].append(timed(commands[name]))
        for contender in ready:
            name = contender.peer.name
            schema.verify(current[name], self.count, contender.peer.recorded(current[name]))
            results.kilobytes[self.engine, name] = max(_peak(commands[name]) for _ in range(_MEMORY_RUNS))

    def _all_from_empty(self, ready: list[Contender], results: Results) -> None:
        taken = results.seconds[Scenario.FROM_EMPTY, self.engine] = {each.peer.name: [] for each in ready}
        for contender in turns(ready, self.rounds[Scenario.FROM_EMPTY]):
            with fresh_database(self.engine, self.folder) as database:
                taken[contender.peer.name].append(self._from_empty(contender, database))

    def _from_empty(self, contender: Contender, database: Database) -> float:
        """Apply everything to an empty database, hold the result to what was to come, and return the seconds."""
        seconds = timed(contender.peer.command(contender.folder, database, Scenario.FROM_EMPTY))
        schema.verify(database, self.count, contender.peer.recorded(database))
        return seconds


def turns(contenders: list[_T], rounds: int) -> list[_T]:
    """Give whose turn it is: each once a round, in an order that differs by round and not by run."""
    order = random.Random(rounds)  # noqa: S311 -- no secret
    return [each for _ in range(rounds) for each in order.sample(contenders, len(contenders))]


def timed(command: Command) -> float:
    """Run a command, and return how many seconds it took."""
    began = time.perf_counter()
    run(command)
    return time.perf_counter() - began


def _peak(command: Command) -> int:
    """Return the largest resident set of a command's process, in kilobytes."""
    words = [sys.executable, "-I", "-S", "-c", _SMALL_PARENT, *map(str, command.words)]
    return int(subprocess.check_output(words, cwd=command.folder, env=command.environment))
