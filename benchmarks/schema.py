"""The history of migrations that every peer gets: each creates one small table."""

from benchmarks.commands import FailedError
from tests.databases import Database

PREFIX = "bench_"
WIDTH = 100  # characters of a table's text column


def table(number: int) -> str:
    """Name the table that a migration creates."""
    return f"{PREFIX}{number:05}"


def stem(number: int) -> str:
    """Name the file of a migration, without its suffix."""
    return f"{number:04}_create_{table(number)}"


def create(number: int) -> str:
    """Give the statement of a migration."""
    return f"CREATE TABLE {table(number)} (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR({WIDTH}) NOT NULL)"


def drop(number: int) -> str:
    """Give the statement that undoes a migration."""
    return f"DROP TABLE {table(number)}"


_TABLES = {
    "sqlite": "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 6) = '{prefix}'",
    "postgres": "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND left(tablename, 6) = '{prefix}'",
    "mysql": "SELECT count(*) FROM information_schema.tables"
    " WHERE table_schema = DATABASE() AND left(table_name, 6) = '{prefix}'",
}


def verify(database: Database, count: int, recorded: str) -> None:
    """Hold a database to `count` migrations: as many tables, and as many in what the query `recorded` counts.

    Raises FailedError.
    """
    tables = database.query(_TABLES[database.family].format(prefix=PREFIX))[0][0]
    known = int(database.query(recorded)[0][0])
    if (tables, known) != (count, count):
        raise FailedError(f"{count} migrations were to be applied; {tables} tables are there, {known} are recorded")
