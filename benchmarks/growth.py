"""`python -m benchmarks.growth`: what a migration costs as there are more of them, beside dbmate and the client."""

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import machine, schema, table
from benchmarks.commands import FailedError
from benchmarks.environments import LeftOutError
from benchmarks.peers import PEERS, Peer, Scenario
from benchmarks.staging import asked, stage, tell
from benchmarks.timing import timed, turns
from tests.databases import fresh_database
from tests.servers import UnavailableError

BEGIN, END = "<!-- growth: begin -->", "<!-- growth: end -->"
NAMES = ("client", "dbmate", "smalls")
# How many migrations, and how often.
QUICK = {10: 1, 30: 1}
USUAL = {100: 3, 1000: 2, 3000: 2}
FULL = {100: 7, 1000: 5, 3000: 5, 10000: 3}

Taken = dict[str, list[float]]


def measure(engine: str, peers: list[Peer], counts: dict[int, int], folder: Path) -> dict[int, Taken]:
    """Return the seconds that each peer took for so many migrations, one a round."""
    found: dict[int, Taken] = {}
    for count, rounds in counts.items():
        taken = found[count] = {peer.name: [] for peer in peers}
        for peer in turns(peers, rounds):
            taken[peer.name].append(_from_empty(engine, peer, count, folder))
    return found


def _from_empty(engine: str, peer: Peer, count: int, folder: Path) -> float:
    project = folder / f"{peer.name}-{count}"
    if not project.exists():
        project.mkdir()
        peer.prepare(project, count)
    with fresh_database(engine, folder) as database:
        seconds = timed(peer.command(project, database, Scenario.FROM_EMPTY))
        schema.verify(database, count, peer.recorded(database))
    return seconds


def lines(kind: str, found: dict[int, Taken]) -> Iterator[list[str]]:
    """Return the table's lines of one engine."""
    before: dict[str, tuple[int, float]] = {}
    for count, taken in found.items():
        cells = [f"{kind}, {count:,}"]
        for name, seconds in taken.items():
            middle = statistics.median(seconds)
            fewer, less = before.get(name, (0, 0.0))
            each = f"{(middle - less) / (count - fewer) * 1000:.2f}" if fewer else ""
            cells += [table.spread(seconds), each]
            before[name] = count, middle
        yield [*cells, f"{table.ratio(taken['smalls'], taken['dbmate']):.2f}"]


def _report(counts: dict[int, int]) -> str:
    peers = [peer for peer in PEERS if peer.name in NAMES]
    versions = {peer.name: peer.install() for peer in peers}
    cells: list[list[str]] = []
    left_out: list[str] = []
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        for kind in machine.KINDS:
            try:
                found = measure(machine.find_engine(kind), peers, counts, Path(name))
                cells += lines(kind, found)
            except (UnavailableError, LeftOutError, FailedError) as reason:
                left_out.append(f"{kind} was left out: {reason}")
    heads = [head for name in versions for head in (f"{name}, ms", "each one more")]
    rounds = ", ".join(f"{times} of {count:,}" for count, times in counts.items())
    known = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    facts = f"{machine.describe()}; {known}; rounds: {rounds}; {machine.today()}."
    return "\n\n".join([table.rows(["migrations", *heads, "smalls ÷ dbmate"], cells), *left_out, facts])


def main() -> None:
    """Measure, and print the table."""
    arguments = asked(
        "growth",
        __doc__,
        full="10,000 migrations too, and more rounds",
        quick="few of them, once: does it all still run?",
    )
    with stage():
        report = _report(FULL if arguments.full else QUICK if arguments.quick else USUAL)
    tell(report, BEGIN, END, write=arguments.write)


if __name__ == "__main__":
    main()
