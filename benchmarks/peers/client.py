"""The floor: the database's own client, given the same statements, or one query of the history."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from benchmarks import schema
from benchmarks.commands import Command
from benchmarks.environments import LeftOutError
from benchmarks.peers.base import Scenario, write
from tests.databases import Database
from tests.servers import find_program, postgres_binaries

_FILES = {Scenario.FROM_EMPTY: "apply.sql", Scenario.NOTHING_PENDING: "look.sql"}


class Client:
    """`psql`, `mariadb` or `sqlite3`: about what the database itself takes, without a tool."""

    name = "client"
    is_python = False

    def install(self) -> str:
        """Do nothing: a client is used where it is installed."""
        return ""

    def prepare(self, folder: Path, count: int) -> None:
        """Write one file that applies everything, and one that reads the history."""
        steps = ["CREATE TABLE client_history (name VARCHAR(255) NOT NULL PRIMARY KEY);"]
        for number in range(1, count + 1):
            record = f"INSERT INTO client_history VALUES ('{schema.stem(number)}')"
            steps.append(f"BEGIN; {schema.create(number)}; {record}; COMMIT;")
        write(folder, _FILES[Scenario.FROM_EMPTY], "\n".join(steps))
        write(folder, _FILES[Scenario.NOTHING_PENDING], "SELECT name FROM client_history;\n")

    def command(self, folder: Path, database: Database, scenario: Scenario) -> Command:
        """Return the client with the scenario's file. Raises LeftOutError where there is none."""
        make = {"sqlite": _sqlite3, "postgres": _psql, "mysql": _mariadb}[database.family]
        return make(folder, database, _FILES[scenario])

    def recorded(self, database: Database) -> str:  # noqa: ARG002 -- as the others that are called alike take it
        """Count the rows of the history table."""
        return "SELECT count(*) FROM client_history"


def _sqlite3(folder: Path, database: Database, file: str) -> Command:
    return Command((_program("sqlite3"), "-batch", "-bail", database.name, f".read {file}"), folder)


def _psql(folder: Path, database: Database, file: str) -> Command:
    binaries = postgres_binaries()  # Debian's /usr/bin/psql is a script that looks for the real one
    program = str(binaries / "psql") if binaries else _program("psql")
    words = ("-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", file, database.url)
    return Command((program, *words), folder)


def _mariadb(folder: Path, database: Database, file: str) -> Command:
    url = urlsplit(database.url)
    where = (f"--host={url.hostname}", f"--port={url.port}", f"--user={unquote(url.username or '')}")
    words = ("--no-defaults", "--protocol=tcp", *where, f"--execute=source {file}", database.name)
    return Command((_program("mariadb", "mysql"), *words), folder, {"MYSQL_PWD": unquote(url.password or "")})


def _program(*names: str) -> str:
    found = next((path for path in map(find_program, names) if path), None)
    if found is None:
        raise LeftOutError(f"{names[0]} is not installed")
    return found
