"""`python -m benchmarks.image`: what the image adds to its base, and how long a container with nothing to do takes.

Needs Docker. A start is timed from the making of the container to its end, beside the same command outside and
beside a container that does nothing, in turns.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import machine, table
from benchmarks.commands import Command, run
from benchmarks.peers.base import Scenario
from benchmarks.peers.smalls import Smalls
from benchmarks.staging import built_image, stage, tell
from tests.databases import fresh_database
from tests.servers import docker

BASE = "python:3.13-slim-trixie"
BEGIN, END = "<!-- image: begin -->", "<!-- image: end -->"
COUNT, ROUNDS = 300, 11
KINDS = ("SQLite", "PostgreSQL", "MariaDB")
WAYS = ("smalls migrate in a container", "a container that does nothing", "smalls migrate outside")
HARDENED = ("--rm", "--network=host", "--read-only", "--cap-drop=ALL", "--user=54321:0")


def sizes(image: str) -> str:
    """Return the table of sizes, in megabytes."""
    found = [int(docker("image", "inspect", "--format={{.Size}}", each).stdout) / 1e6 for each in (BASE, image)]
    cells = [f"{size:.1f}" for size in (*found, found[1] - found[0])]
    return table.rows(["MB", "base", "smalls", "added"], [["unpacked", *cells]])


def starts(image: str, folder: Path) -> str:
    """Return the table of starts with nothing pending."""
    smalls = Smalls()
    smalls.install()
    smalls.prepare(folder, COUNT)
    taken: dict[str, list[str]] = {way: [way] for way in WAYS}
    for kind in KINDS:
        with fresh_database(machine.find_engine(kind), folder) as database:
            outside = smalls.command(folder, database, Scenario.NOTHING_PENDING)
            run(outside)  # now nothing is pending
            for path in folder.glob("*.db*"):
                path.chmod(0o666)  # the container's user is another
            for way, seconds in _in_turns(dict(zip(WAYS, _ways(image, folder, outside), strict=True))).items():
                taken[way].append(table.spread(seconds))
    return table.rows(["ms, nothing pending", *KINDS], taken.values())


def _ways(image: str, folder: Path, outside: Command) -> tuple[Callable[[], None], ...]:
    variables = [f"--env={name}={value}" for name, value in outside.variables.items()]
    mounts = [f"--volume={folder}/migrations:/app/migrations:ro", f"--volume={folder}:{folder}"]
    words = ["docker", "run", *HARDENED, *variables, *mounts]
    inside = Command((*words, image, "migrate"), folder)
    idle = Command((*words, "--entrypoint=true", image), folder)
    return (lambda: run(inside) and None, lambda: run(idle) and None, lambda: run(outside) and None)


def _in_turns(ways: dict[str, Callable[[], None]]) -> dict[str, list[float]]:
    """Run each way once a round, in an order that differs by round; give the seconds."""
    order = random.Random(ROUNDS)  # noqa: S311 -- no secret
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(ROUNDS + 1):
        for way in order.sample(list(ways), len(ways)):
            began = time.perf_counter()
            ways[way]()
            if number:  # the first warms the caches
                seconds[way].append(time.perf_counter() - began)
    return seconds


def main() -> None:
    """Build the image, measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.image", description=__doc__)
    parser.add_argument("--write", action="store_true", help="also put the tables into docs/performance.md")
    arguments = parser.parse_args()
    with (
        stage(),
        built_image("smalls-bench-image") as image,
        tempfile.TemporaryDirectory(prefix="benchmarks-") as name,
    ):
        folder = Path(name)
        folder.chmod(0o777)  # the container's user is another
        again = "Again: `.venv/bin/python -m benchmarks.image --write`"
        facts = f"{machine.describe()}; {machine.today()}; {ROUNDS} rounds. {again}"
        report = "\n\n".join([sizes(image), starts(image, folder), facts])
    tell(report, BEGIN, END, write=arguments.write)


if __name__ == "__main__":
    main()
