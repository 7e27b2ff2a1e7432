"""pwmigrate: the runner that comes with Peewee, migrations in Python."""

from pathlib import Path

from benchmarks import schema
from benchmarks.commands import Command
from benchmarks.peers.base import PythonPeer, Scenario, write
from tests.databases import Database

FILE = '''"""{title}"""


def up(migrator, db):
    db.execute_sql("{create}")


def down(migrator, db):
    db.execute_sql("{drop}")
'''
PROJECT = """import os

from playhouse.db_url import connect

db = connect(os.environ["DATABASE_URL"])
"""


class Pwmigrate(PythonPeer):
    """Migrations that run SQL, as those of smalls do."""

    name, package = "pwmigrate", "peewee"

    def prepare(self, folder: Path, count: int) -> None:
        """Write `migrations/NNNN_….py` and a module with the database."""
        write(folder, "project.py", PROJECT)
        for number in range(1, count + 1):
            name = schema.stem(number)
            text = FILE.format(title=name, create=schema.create(number), drop=schema.drop(number))
            write(folder, f"migrations/{name}.py", text)

    def command(self, folder: Path, database: Database, scenario: Scenario) -> Command:  # noqa: ARG002 -- as the others that are called alike take it
        """Return `pwmigrate project.db up`."""
        return Command((self.programs / "pwmigrate", "project.db", "up"), folder, {"DATABASE_URL": database.url})

    def recorded(self, database: Database) -> str:  # noqa: ARG002 -- as the others that are called alike take it
        """Count the rows of the history table."""
        return "SELECT count(*) FROM schema_migration"
