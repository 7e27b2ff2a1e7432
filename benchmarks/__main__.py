"""`python -m benchmarks`: set the peers up, measure, and print the tables."""

import argparse
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks import machine, picture, table
from benchmarks.environments import LeftOutError
from benchmarks.peers import PEERS, Peer, Scenario
from benchmarks.table import Report
from benchmarks.timing import Contender, Course, Results
from tests import servers
from tests.servers import UnavailableError

QUICK, USUAL, FULL = "quick", "usual", "full"
COUNTS = {QUICK: 20, USUAL: 300, FULL: 300}
ROUNDS = {
    QUICK: {Scenario.NOTHING_PENDING: 3, Scenario.FROM_EMPTY: 1},
    USUAL: {Scenario.NOTHING_PENDING: 7, Scenario.FROM_EMPTY: 3},
    FULL: {Scenario.NOTHING_PENDING: 15, Scenario.FROM_EMPTY: 5},
}
PEER_NAMES = [peer.name for peer in PEERS]
KIND_NAMES = {kind.lower(): kind for kind in machine.KINDS}
SCENARIO_NAMES = [scenario.value for scenario in Scenario]


def main() -> int:
    """Measure what was asked for; return 1 where smalls itself could not be measured."""
    arguments = _arguments()
    mode = QUICK if arguments.quick else FULL if arguments.full else USUAL
    results = Results()
    versions: dict[str, str] = {}
    tempfile.tempdir = machine.memory_folder()  # the servers' data too
    servers.begin_run()
    try:
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
            folder = Path(name)
            contenders = _ready(arguments.only, COUNTS[mode], folder, results, versions)
            engines = _engines(arguments.only, results)
            scenarios = [Scenario(each) for each in _chosen(arguments.only, SCENARIO_NAMES)]
            rounds = {each: ROUNDS[mode][each] for each in scenarios}
            for engine, (kind, _) in engines.items():
                _tell(f"measuring on {engine}")
                Course(engine, kind, COUNTS[mode], rounds, folder).run(contenders, results)
            facts = _facts(versions, engines, rounds)
    finally:
        servers.end_run(servers.run_folder())
    report = Report(results, {key: label for key, (label, _) in engines.items()}, COUNTS[mode], facts)
    print(report.text())
    if arguments.write:
        table.write(report.text())
        picture.write(report.panels())
    ours_wanted = table.OURS in _chosen(arguments.only, PEER_NAMES)
    return int(ours_wanted and not all(table.OURS in taken for taken in results.seconds.values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="more rounds")
    parser.add_argument("--quick", action="store_true", help="few migrations and rounds: does it all still run?")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=[*PEER_NAMES, *KIND_NAMES, *SCENARIO_NAMES],
        metavar="NAME",
        help="a peer, a database or a scenario, and no other of its kind; may be given more than once: %(choices)s",
    )
    parser.add_argument("--write", action="store_true", help="also put the tables into docs/performance.md")
    return parser.parse_args()


def _chosen(only: list[str], names: Iterable[str]) -> list[str]:
    """Return those of the names that were asked for; all where none was."""
    known = list(names)
    return [name for name in known if name in only] or known


def _ready(
    only: list[str], count: int, folder: Path, results: Results, versions: dict[str, str]
) -> list[Contender]:
    """Install the peers and have each write its project."""
    contenders = []
    wanted = _chosen(only, PEER_NAMES)
    for peer in PEERS:
        if peer.name in wanted and _install(peer, results, versions):
            project = folder / peer.name
            project.mkdir()
            peer.prepare(project, count)
            contenders.append(Contender(peer, project))
    return contenders


def _install(peer: Peer, results: Results, versions: dict[str, str]) -> bool:
    _tell(f"setting up {peer.name}")
    try:
        versions[peer.name] = peer.install()
    except LeftOutError as reason:
        results.left_out.append(f"{peer.name}: {reason}")
        return False
    return True


def _engines(only: list[str], results: Results) -> dict[str, tuple[str, str]]:
    """Start the servers; give each engine's name as users know it, and its version."""
    found = {}
    for name in _chosen(only, KIND_NAMES):
        kind = KIND_NAMES[name]
        try:
            engine = machine.find_engine(kind)
        except UnavailableError as reason:
            results.left_out.append(f"{kind}: {reason}")
        else:
            found[engine] = (kind, machine.engine_version(engine))
    return found


def _facts(
    versions: dict[str, str], engines: dict[str, tuple[str, str]], rounds: dict[Scenario, int]
) -> dict[str, str]:
    again = " ".join(["python -m benchmarks", *sys.argv[1:]])
    return {
        "Machine": machine.describe(),
        "Databases": ", ".join(f"{kind} {version}" for kind, version in engines.values()),
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items() if name != "client"),
        "Rounds": ", ".join(f"{times} of {scenario.value}" for scenario, times in rounds.items()),
        "Date": machine.today(),
        "Again": f"`.venv/bin/{again}`",
    }


def _tell(words: str) -> None:
    print(f"# {words}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
