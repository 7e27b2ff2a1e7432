"""dbmate: one Go program, migrations in SQL."""

import platform
from pathlib import Path

from benchmarks import schema
from benchmarks.commands import Command, run
from benchmarks.environments import node_package
from benchmarks.peers.base import Scenario, write
from tests.databases import Database

FILE = """-- migrate:up
{create};

-- migrate:down
{drop};
"""
_ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}


class Dbmate:
    """The program from its npm package for this platform."""

    name = "dbmate"
    is_python = False
    program: Path

    def install(self) -> str:
        """Install the package and return what the program says of itself."""
        machine = platform.machine()
        package = f"@dbmate/{platform.system().lower()}-{_ARCHITECTURES.get(machine, machine)}"
        self.program = node_package(self.name, package) / "bin" / "dbmate"
        return run(Command((self.program, "--version"), self.program.parent)).split()[-1]

    def prepare(self, folder: Path, count: int) -> None:
        """Write `db/migrations/NNNN_….sql`."""
        for number in range(1, count + 1):
            text = FILE.format(create=schema.create(number), drop=schema.drop(number))
            write(folder, f"db/migrations/{schema.stem(number)}.sql", text)

    def command(self, folder: Path, database: Database, scenario: Scenario) -> Command:  # noqa: ARG002 -- as the others that are called alike take it
        """Return `dbmate migrate`, without the dump of the schema that would follow."""
        url = f"{database.url}?sslmode=disable" if database.family == "postgres" else database.url
        return Command((self.program, "--no-dump-schema", "migrate"), folder, {"DATABASE_URL": url})

    def recorded(self, database: Database) -> str:  # noqa: ARG002 -- as the others that are called alike take it
        """Count the rows of the history table."""
        return "SELECT count(*) FROM schema_migrations"
