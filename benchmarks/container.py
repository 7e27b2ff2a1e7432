"""`python -m benchmarks.container`: the memory and the CPU that the image needs, as the Job's manifest runs it.

The requests and limits of `docker/kubernetes/` come from these tables. Needs Docker, and root to read a cgroup.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine, table
from benchmarks.commands import FailedError
from benchmarks.peers.base import Scenario
from benchmarks.peers.smalls import Smalls
from benchmarks.staging import built_image, stage, tell
from tests import servers
from tests.databases import Database, fresh_database
from tests.manifests import docker_words, pod
from tests.servers import docker

BEGIN, END = "<!-- container: begin -->", "<!-- container: end -->"
COUNT, ROUNDS = 300, 3
KINDS = ("PostgreSQL", "MariaDB")
MEBIBYTES = range(16, 65, 2)  # where the least limit is looked for
CPUS = ("0.1", "0.25", "0.5", "1", "2")
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Ran:
    """How a container ended, how long that took it from its making, and the most memory that it had."""

    code: int
    seconds: float
    peak: int


@dataclass(frozen=True, slots=True)
class Stage:
    """An image, the migrations that are mounted in it, and a folder for what a pod has."""

    image: str
    project: Path
    folder: Path

    def run(self, database: Database, *, mebibytes: int = 512, cpus: str = "2") -> Ran:
        """Run the Job's container with these limits instead of its own."""
        of = pod("job", "Job")
        of.container("smalls")["resources"]["limits"] = {"memory": f"{mebibytes}Mi", "cpu": cpus}
        words = docker_words(of, self.image, {"database": {"url": database.url}}, self.folder)
        files = f"--volume={self.project}/migrations:/app/migrations:ro"
        with _cgroup() as group:
            begin = time.perf_counter()
            done = docker("run", "--rm", "--network=host", f"--cgroup-parent=/{group.name}", files, *words)
            return Ran(done.returncode, time.perf_counter() - begin, _peak(group))

    def least(self, engine: str, scenario: Scenario) -> int:
        """Find the least limit, in MiB, under which it gets through."""
        low, high = 0, len(MEBIBYTES) - 1
        while low < high:
            middle = (low + high) // 2
            with self.database(engine, scenario) as database:
                enough = self.run(database, mebibytes=MEBIBYTES[middle]).code == 0
            low, high = (low, middle) if enough else (middle + 1, high)
        return MEBIBYTES[low]

    @contextmanager
    def database(self, engine: str, scenario: Scenario) -> Iterator[Database]:
        """Give a database as a scenario begins with it."""
        with fresh_database(engine, self.folder) as made:
            if scenario is Scenario.NOTHING_PENDING and self.run(made).code:
                raise FailedError("the migrations could not be applied")
            yield made


@contextmanager
def _cgroup() -> Iterator[Path]:
    """Make a control group for one container, of either version of the kernel's interface."""
    above = CGROUPS / "memory" if (CGROUPS / "memory").is_dir() else CGROUPS
    made = above / servers.run_folder().name
    made.mkdir()
    try:
        yield made
    finally:
        for left in CGROUPS.glob(f"{made.name}") if above == CGROUPS else CGROUPS.glob(f"*/{made.name}"):
            left.rmdir()


def _peak(group: Path) -> int:
    found = next(path for name in ("memory.peak", "memory.max_usage_in_bytes") if (path := group / name).exists())
    return round(int(found.read_text()) / 2**20)


def measure(stage: Stage) -> str:
    """Return the tables."""
    memory, times = [], []
    for kind in KINDS:
        engine = machine.find_engine(kind)
        for scenario in Scenario:
            with stage.database(engine, scenario) as database:
                peak = stage.run(database).peak
            label = f"{scenario.value.replace('-', ' ')}, {kind}"
            memory.append([label, str(peak), str(stage.least(engine, scenario))])
            times.append([label, *(f"{_seconds(stage, engine, scenario, cpus):.1f}" for cpus in CPUS)])
    return "\n\n".join(
        [
            table.rows(["memory", "peak, MiB", "least limit, MiB"], memory),
            table.rows(["seconds with so many CPUs", *CPUS], times),
            f"{machine.describe()}; {machine.today()}. Again: `.venv/bin/python -m benchmarks.container --write`",
        ]
    )


def _seconds(stage: Stage, engine: str, scenario: Scenario, cpus: str) -> float:
    taken = []
    for _ in range(ROUNDS):
        with stage.database(engine, scenario) as database:
            taken.append(stage.run(database, cpus=cpus).seconds)
    return statistics.median(taken)


def main() -> None:
    """Build the image, measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.container", description=__doc__)
    parser.add_argument("--write", action="store_true", help="also put the tables into docs/performance.md")
    arguments = parser.parse_args()
    with stage(), built_image("smalls-bench") as image, tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the container's user is another
        (folder / "pod").mkdir()
        Smalls().prepare(folder, COUNT)
        report = measure(Stage(image, folder, folder / "pod"))
    tell(report, BEGIN, END, write=arguments.write)


if __name__ == "__main__":
    main()
