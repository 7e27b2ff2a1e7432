"""Peewee alone: about the floor of any tool that gives its migrations Peewee's database object."""

from pathlib import Path

from benchmarks import alone
from benchmarks.commands import Command
from benchmarks.peers.base import Scenario, installed_version
from benchmarks.peers.smalls import Smalls
from tests.databases import Database


class Alone(Smalls):
    """A script, in the environment of smalls, for the same files."""

    name = "peewee alone"
    is_python = False  # no tool: it is no measure for the fastest of them

    def install(self) -> str:
        """Install what smalls needs, and return the version of Peewee."""
        super().install()
        return installed_version(self.programs, "peewee")

    def command(self, folder: Path, database: Database, scenario: Scenario) -> Command:  # noqa: ARG002 -- as the others that are called alike take it
        """Return the script with the URL."""
        return Command((self.programs / "python", "-P", Path(alone.__file__), database.url), folder)
