"""smalls itself, as it runs in its image: the installed command, PROD, a URL in the environment."""

from pathlib import Path

from benchmarks import schema
from benchmarks.commands import Command
from benchmarks.environments import this_project
from benchmarks.peers.base import PythonPeer, Scenario, installed_version, write
from tests.databases import Database

FILE = '''"""{title}"""

from smalls import db


def migrate():
    """Create the table."""
    db.execute_sql("{create}")


def rollback():
    """Drop the table."""
    db.execute_sql("{drop}")
'''


class Smalls(PythonPeer):
    """Direct migration files."""

    name = package = "smalls"

    def install(self) -> str:
        """Install what is in this tree."""
        self.programs = this_project()
        return installed_version(self.programs, self.package)

    def prepare(self, folder: Path, count: int) -> None:
        """Write `migrations/NNNN_….py`."""
        for number in range(1, count + 1):
            name = schema.stem(number)
            text = FILE.format(title=name, create=schema.create(number), drop=schema.drop(number))
            write(folder, f"migrations/{name}.py", text)

    def command(self, folder: Path, database: Database, scenario: Scenario) -> Command:  # noqa: ARG002 -- as the others that are called alike take it
        """Return `smalls migrate`."""
        variables = {"SMALLS_DATABASE_URL": database.url, "SMALLS_ENV": "PROD"}
        return Command((self.programs / "smalls", "migrate"), folder, variables)

    def recorded(self, database: Database) -> str:  # noqa: ARG002 -- as the others that are called alike take it
        """Count the rows of the history table."""
        return "SELECT count(*) FROM migration_history"
