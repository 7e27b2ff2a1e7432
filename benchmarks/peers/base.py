"""What a peer is: something that installs itself, writes the history in its own format, and applies it."""

from enum import Enum
from pathlib import Path
from typing import Protocol

from benchmarks.commands import Command, run
from benchmarks.environments import python_environment
from tests.databases import Database


class Scenario(Enum):
    """What the measured command finds: everything applied, or an empty database."""

    NOTHING_PENDING = "nothing-pending"
    FROM_EMPTY = "from-empty"


class Peer(Protocol):
    """One tool. `name` is how the table calls it, `is_python` whether it runs in an interpreter of Python."""

    name: str
    is_python: bool

    def install(self) -> str:
        """Make ready to run, and return the version. Raises LeftOutError."""

    def prepare(self, folder: Path, count: int) -> None:
        """Write a project with `count` migrations into an empty folder."""

    def command(self, folder: Path, database: Database, scenario: Scenario) -> Command:
        """Return the command that brings a database up to date with the project in `folder`.

        Raises LeftOutError where it cannot be run on that engine.
        """

    def recorded(self, database: Database) -> str:
        """Return the query that says how many migrations the tool's own history holds."""


class PythonPeer:
    """A peer from a Python package, in a virtual environment of its own."""

    name: str
    package: str
    is_python = True
    programs: Path

    def install(self) -> str:
        """Install the package and the drivers, and return its version. Raises LeftOutError."""
        self.programs = python_environment(self.name, self.package)
        return installed_version(self.programs, self.package.partition("[")[0])


def installed_version(programs: Path, package: str) -> str:
    """Return the version of a package in an environment."""
    ask = f"from importlib.metadata import version; print(version({package!r}))"
    return run(Command((programs / "python", "-c", ask), programs)).strip()


def write(folder: Path, name: str, text: str) -> None:
    """Write a file of a project, with the folders that lead to it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
