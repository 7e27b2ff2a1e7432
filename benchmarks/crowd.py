"""`python -m benchmarks.crowd`: a hundred starts at once with nothing pending, beside interpreters that connect."""

import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks import machine, table
from benchmarks.commands import Command, FailedError, run
from benchmarks.peers.base import Scenario
from benchmarks.peers.smalls import Smalls
from benchmarks.staging import asked, stage, tell
from benchmarks.timing import turns
from tests.databases import Database, fresh_database
from tests.servers import UnavailableError

BEGIN, END = "<!-- crowd: begin -->", "<!-- crowd: end -->"
COUNT, PROCESSES = 300, 100
QUICK, USUAL, FULL = 1, 3, 9  # rounds
BARE = "an interpreter that connects"
_CONNECT = {
    "sqlite": "import sqlite3, sys; sqlite3.connect(sys.argv[1])",
    "postgres": "import psycopg2, sys; psycopg2.connect(sys.argv[1])",
    "mysql": "import pymysql, sys; from urllib.parse import urlsplit as s; u = s(sys.argv[1]); "
    "pymysql.connect(host=u.hostname, port=u.port, user=u.username, password=u.password or '')",
}


def measure(engine: str, smalls: Smalls, folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return the seconds until the last of them had ended, one a round."""
    project = folder / "project"
    with fresh_database(engine, folder) as database:
        run(smalls.command(project, database, Scenario.FROM_EMPTY))
        commands = {
            "smalls migrate": smalls.command(project, database, Scenario.NOTHING_PENDING),
            BARE: _bare(smalls, project, database),
        }
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for name in turns(list(commands), rounds):
            taken[name].append(_at_once(commands[name]))
    return taken


def _bare(smalls: Smalls, folder: Path, database: Database) -> Command:
    where = database.name if database.family == "sqlite" else database.url
    return Command((smalls.programs / "python", "-c", _CONNECT[database.family], where), folder)


def _at_once(command: Command) -> float:
    began = time.perf_counter()
    started = [
        subprocess.Popen(
            command.words,
            cwd=command.folder,
            env=command.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(PROCESSES)
    ]
    codes = {process.wait() for process in started}
    taken = time.perf_counter() - began
    if codes != {0}:
        raise FailedError(f"of {PROCESSES} at once some ended with {sorted(codes - {0})}")
    return taken


def _report(rounds: int) -> str:
    smalls = Smalls()
    smalls.install()
    cells: list[list[str]] = []
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        (folder / "project").mkdir()
        smalls.prepare(folder / "project", COUNT)
        for kind in machine.KINDS:
            try:
                taken = measure(machine.find_engine(kind), smalls, folder, rounds)
            except (UnavailableError, FailedError) as reason:
                cells.append([kind, "", "", str(reason)])
                continue
            ratio = f"{table.ratio(taken['smalls migrate'], taken[BARE]):.2f}"
            cells.append([kind, *(table.spread(each) for each in taken.values()), ratio])
    heads = [f"ms, {PROCESSES} at once", "smalls migrate", BARE, "ratio, at most 3"]
    return f"{table.rows(heads, cells)}\n\n{machine.describe()}; {rounds} rounds; {machine.today()}."


def main() -> None:
    """Measure, and print the table."""
    arguments = asked("crowd", __doc__, full="more rounds", quick="one round: does it all still run?")
    with stage():
        report = _report(FULL if arguments.full else QUICK if arguments.quick else USUAL)
    tell(report, BEGIN, END, write=arguments.write)


if __name__ == "__main__":
    main()
