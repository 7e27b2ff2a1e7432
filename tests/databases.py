"""Fresh, empty databases for tests: made, queried, dumped for comparison, and dropped."""

import contextlib
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests import dumps
from tests.servers import Server, family, scheme, server

AWKWARD_PASSWORD = "p@ss:/%#word?&"


@dataclass
class Database:
    """One database of one engine, with the administrator's URL."""

    engine: str
    name: str  # SQLite: the file
    url: str
    server: Server | None = None
    users: list[str] = field(default_factory=list)

    @property
    def family(self) -> str:
        """Name the kind of engine: sqlite, postgres or mysql."""
        return family(self.engine)

    @property
    def env(self) -> dict[str, str]:
        """Give the environment that points smalls here."""
        return {"SMALLS_DATABASE_URL": self.url}

    @property
    def socket_url(self) -> str:
        """Give the URL of this database through the server's Unix socket."""
        return self._server().socket_url(self.name)

    def connect(self) -> Any:
        """Open a raw driver connection that commits by itself."""
        if self.server is None:
            return sqlite3.connect(self.name, isolation_level=None)
        return self.server.connect(self.name)

    def query(self, sql: str, parameters: tuple | None = None) -> list[tuple]:
        """Run one statement on a connection of its own and give its rows."""
        with contextlib.closing(self.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(sql, parameters) if parameters else cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def execute(self, sql: str) -> None:
        """Run one statement or several, separated by semicolons."""
        with contextlib.closing(self.connect()) as connection:
            cursor = connection.cursor()
            if self.family == "sqlite":
                cursor.executescript(sql)
                return
            cursor.execute(sql)
            while self.family == "mysql" and cursor.nextset():
                pass

    def tables(self) -> list[str]:
        """Name the tables, in order."""
        return sorted(row[0] for row in self.query(dumps.TABLES[self.family]))

    def dump(self, *, without: tuple[str, ...] = (), sequences: bool = False) -> str:
        """Write schema and rows as canonical text; equal text means equal databases.

        Tables in `without` are left out. Positions of sequences are left out unless asked for:
        a server never takes them back on a rollback.
        """
        if self.server is None and not Path(self.name).exists():
            return ""
        with contextlib.closing(self.connect()) as connection:
            return dumps.dump(self.family, connection.cursor(), without=without, sequences=sequences)

    def user_url(self, *, password: str = AWKWARD_PASSWORD, read_only: bool = False) -> str:
        """Make a database user who may do everything here, or only read, and give their URL."""
        found = self._server()
        user = f"u_{secrets.token_hex(6)}"
        grants = POSTGRES_GRANTS if self.family == "postgres" else MYSQL_GRANTS
        for statement in grants[read_only]:
            self.execute(statement.format(user=user, database=self.name, password=password.replace("'", "''")))
        self.users.append(user)
        return found.url(self.name, user, password)

    def drop(self) -> None:
        """Drop the database and its users, ending whatever is still connected."""
        if self.server is None:
            return
        with contextlib.closing(self.server.connect()) as connection:
            cursor = connection.cursor()
            drop = _drop_postgres if self.family == "postgres" else _drop_mysql
            drop(cursor, self.name, self.users)

    def _server(self) -> Server:
        if self.server is None:
            raise ValueError(f"{self.engine} has no server: no users, no sockets")
        return self.server


POSTGRES_GRANTS = {
    False: (
        "CREATE ROLE {user} LOGIN PASSWORD '{password}'",
        'ALTER DATABASE "{database}" OWNER TO {user}',
    ),
    True: (
        "CREATE ROLE {user} LOGIN PASSWORD '{password}'",
        "GRANT USAGE ON SCHEMA public TO {user}",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {user}",
    ),
}
MYSQL_GRANTS = {
    False: ("CREATE USER {user} IDENTIFIED BY '{password}'", "GRANT ALL ON `{database}`.* TO {user}"),
    True: ("CREATE USER {user} IDENTIFIED BY '{password}'", "GRANT SELECT ON `{database}`.* TO {user}"),
}


@contextlib.contextmanager
def fresh_database(engine: str, folder: Path, stem: str = "smalls") -> Iterator[Database]:
    """Make an empty database with a name of its own; drop it afterwards."""
    database = _create(engine, folder, f"{stem}_{secrets.token_hex(6)}")
    try:
        yield database
    finally:
        database.drop()


def _create(engine: str, folder: Path, name: str) -> Database:
    if family(engine) == "sqlite":
        path = folder.resolve() / f"{name}.db"
        return Database(engine, str(path), f"{scheme(engine)}:///{quote(str(path))}")
    found = server(engine)
    encoded = f"CREATE DATABASE \"{name}\" ENCODING 'UTF8' TEMPLATE template0"
    sql = encoded if family(engine) == "postgres" else f"CREATE DATABASE `{name}`"
    with contextlib.closing(found.connect()) as connection:
        connection.cursor().execute(sql)
    return Database(engine, name, found.url(name), found)


def _drop_postgres(cursor: Any, name: str, users: list[str]) -> None:
    cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    for user in users:
        cursor.execute(f"DROP ROLE {user}")


def _drop_mysql(cursor: Any, name: str, users: list[str]) -> None:
    cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (name,))
    for (session,) in cursor.fetchall():
        with contextlib.suppress(Exception):  # it ended by itself
            cursor.execute(f"KILL {session}")
    cursor.execute(f"DROP DATABASE `{name}`")
    for user in users:
        cursor.execute(f"DROP USER {user}")
