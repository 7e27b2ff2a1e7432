"""yoyo: migrations in Python that list SQL steps."""

from pathlib import Path

from benchmarks import schema
from benchmarks.commands import Command
from benchmarks.peers.base import PythonPeer, Scenario, write
from tests.databases import Database

FILE = '''"""{title}"""

from yoyo import step

__depends__ = {depends}

steps = [step("{create}", "{drop}")]
'''


class Yoyo(PythonPeer):
    """Each migration depends on the one before, as `yoyo new` writes them."""

    name, package = "yoyo", "yoyo-migrations"

    def prepare(self, folder: Path, count: int) -> None:
        """Write `migrations/NNNN_….py`."""
        for number in range(1, count + 1):
            name = schema.stem(number)
            text = FILE.format(
                title=name,
                depends={schema.stem(number - 1)} if number > 1 else {},
                create=schema.create(number),
                drop=schema.drop(number),
            )
            write(folder, f"migrations/{name}.py", text)

    def command(self, folder: Path, database: Database, scenario: Scenario) -> Command:  # noqa: ARG002 -- as the others that are called alike take it
        """Return `yoyo apply`."""
        words = ("apply", "--batch", "--no-config-file", "--database", database.url, "migrations")
        return Command((self.programs / "yoyo", *words), folder)

    def recorded(self, database: Database) -> str:  # noqa: ARG002 -- as the others that are called alike take it
        """Count the rows of the history table."""
        return "SELECT count(*) FROM _yoyo_migration"
