"""What every measurement stands on: throw-away servers, an image that goes again, and the page it is told on."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import machine, table
from benchmarks.commands import FailedError
from tests import servers
from tests.servers import docker

ROOT = Path(__file__).parent.parent


@contextmanager
def stage() -> Iterator[None]:
    """Have servers to be started within the block, with their files in memory, and stop them after it."""
    tempfile.tempdir = machine.memory_folder()
    servers.begin_run()
    try:
        yield
    finally:
        servers.end_run(servers.run_folder())


@contextmanager
def built_image(stem: str) -> Iterator[str]:
    """Build the image for the block, on a stage, and give its name. Raises FailedError."""
    image = f"{stem}:{servers.run_folder().name}"
    try:
        done = docker("build", "--quiet", "--tag", image, str(ROOT))
        if done.returncode:
            raise FailedError(done.stderr)
        yield image
    finally:
        docker("image", "rm", "--force", image)


def asked(program: str, about: str | None, *, full: str, quick: str) -> argparse.Namespace:
    """Read the command line of a benchmark of its own; `full` and `quick` say what these mean there."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{program}", description=about)
    parser.add_argument("--full", action="store_true", help=full)
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--write", action="store_true", help="also put the table into docs/performance.md")
    return parser.parse_args()


def tell(report: str, begin: str, end: str, *, write: bool) -> None:
    """Print a report; with `write` put it into docs/performance.md too, between two marks."""
    print(report)
    if write:
        table.write(report, begin, end)
