"""peewee_migrate: the older runner for Peewee, migrations in Python."""

from pathlib import Path

from benchmarks import schema
from benchmarks.commands import Command
from benchmarks.peers.base import PythonPeer, Scenario, write
from tests.databases import Database

FILE = '''"""{title}"""


def migrate(migrator, database, *, fake=False):
    migrator.sql("{create}")


def rollback(migrator, database, *, fake=False):
    migrator.sql("{drop}")
'''


class PeeweeMigrate(PythonPeer):
    """Migrations that run SQL, as those of smalls do; its own create_model would take longer."""

    name = package = "peewee-migrate"

    def prepare(self, folder: Path, count: int) -> None:
        """Write `migrations/NNN_….py`."""
        for number in range(1, count + 1):
            name = f"{number:03}_create_{schema.table(number)}"  # it overlooks files with four digits
            text = FILE.format(title=name, create=schema.create(number), drop=schema.drop(number))
            write(folder, f"migrations/{name}.py", text)

    def command(self, folder: Path, database: Database, scenario: Scenario) -> Command:  # noqa: ARG002 -- as the others that are called alike take it
        """Return `pw_migrate migrate`."""
        return Command((self.programs / "pw_migrate", "migrate", "--database", database.url), folder)

    def recorded(self, database: Database) -> str:  # noqa: ARG002 -- as the others that are called alike take it
        """Count the rows of the history table."""
        return "SELECT count(*) FROM migratehistory"
