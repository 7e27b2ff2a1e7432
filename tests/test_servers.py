"""The fixtures themselves: every engine gives a fresh database that can be filled and compared."""

import contextlib
import os
import signal
import subprocess
import sys

import psycopg2
import pymysql
import pytest

from tests.databases import Database
from tests.servers import ENGINES, MYSQL, POSTGRES

SERVERS = (*POSTGRES, *MYSQL)
TABLE = "CREATE TABLE users (id integer PRIMARY KEY, name varchar(40) NOT NULL DEFAULT 'x')"


def test_a_fresh_database_is_empty_and_takes_tables(database: Database) -> None:
    """A database starts empty; what one connection writes, another reads."""
    assert database.tables() == []
    database.execute(f"{TABLE}; INSERT INTO users (id) VALUES (1)")
    assert database.tables() == ["users"]
    assert database.query("SELECT * FROM users") == [(1, "x")]


def test_equal_databases_have_equal_dumps(database: Database) -> None:
    """A change that is taken back leaves the dump as it was."""
    database.execute(f"{TABLE}; INSERT INTO users VALUES (2, 'b'); INSERT INTO users VALUES (1, 'a')")
    before = database.dump()
    database.execute("INSERT INTO users VALUES (3, 'c'); DELETE FROM users WHERE id = 3")
    database.execute("CREATE TABLE gone (id integer); DROP TABLE gone")
    assert database.dump() == before


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO users VALUES (2, 'b')",
        "UPDATE users SET name = 'c'",
        "ALTER TABLE users ADD COLUMN age integer",
        "CREATE INDEX users_name ON users (name)",
        "CREATE UNIQUE INDEX users_name ON users (name)",
        "CREATE TABLE other (id integer)",
        "CREATE VIEW v AS SELECT id FROM users",
        "DROP TABLE users",
    ],
)
def test_every_change_shows_in_the_dump(database: Database, change: str) -> None:
    """Rows, columns, indexes, tables and views each make a difference."""
    database.execute(f"{TABLE}; INSERT INTO users VALUES (1, 'a')")
    before = database.dump()
    database.execute(change)
    assert database.dump() != before


def test_a_dump_can_leave_tables_out(database: Database) -> None:
    """What happens to a table that is left out makes no difference."""
    database.execute(TABLE)
    before = database.dump()
    database.execute("CREATE TABLE migration_history (id integer PRIMARY KEY)")
    database.execute("INSERT INTO migration_history VALUES (1)")
    assert database.dump() != before
    assert database.dump(without=("migration_history",)) == before


@pytest.mark.parametrize("engine", ENGINES)
def test_two_databases_are_apart(make_database, engine: str) -> None:
    """Databases of one test do not see each other, and names may hold a dash."""
    one, two = make_database(engine), make_database(engine, stem="with-dash")
    one.execute(TABLE)
    assert two.tables() == []
    assert "with-dash" in two.url


@pytest.mark.parametrize("engine", SERVERS)
def test_a_dropped_database_is_gone(make_database, tmp_path, engine: str) -> None:
    """Dropping ends the sessions that are left."""
    database = make_database(engine)
    with contextlib.closing(database.connect()):
        server = database.server
        database.drop()
        with pytest.raises((psycopg2.OperationalError, pymysql.OperationalError)):
            server.connect(database.name)
        with contextlib.closing(server.connect()) as connection:
            connection.cursor().execute(f"CREATE DATABASE {database.name}")


@pytest.mark.parametrize("database", SERVERS, indirect=True)
def test_users_with_awkward_passwords_and_read_only_users(database: Database) -> None:
    """A user of a test may write, or only read, with a password that a URL must encode."""
    database.execute(TABLE)
    assert "p%40ss%3A%2F%25%23word" in database.user_url()
    reader = database.user_url(read_only=True)
    assert reader != database.url
    if database.family == "postgres":
        with contextlib.closing(psycopg2.connect(reader)) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT * FROM users")
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute("INSERT INTO users (id) VALUES (1)")


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_a_unix_socket_answers(database: Database) -> None:
    """The socket URL leads to the same database."""
    database.execute(TABLE)
    with contextlib.closing(psycopg2.connect(database.socket_url)) as connection:
        connection.cursor().execute("SELECT * FROM users")


@pytest.mark.parametrize("database", ["mariadb10"], indirect=True)
def test_a_mariadb_socket_answers(database: Database) -> None:
    """The socket file is there and takes the administrator's credentials."""
    server = database.server
    pymysql.connect(unix_socket=server.socket, user=server.user, password=server.password).close()
    assert f"unix_socket={server.socket}" in database.socket_url


def test_tls_is_verified(tls_postgres) -> None:
    """The TLS server is trusted by its own authority only, under its own name only, and refuses plain."""
    psycopg2.connect(tls_postgres.url()).close()
    for url in (tls_postgres.url(ca=tls_postgres.other_ca), tls_postgres.url(sslmode="disable")):
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(url)


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_pgbouncer_passes_through(database: Database, pgbouncer) -> None:
    """A connection through the pooler reaches the database."""
    with contextlib.closing(psycopg2.connect(pgbouncer.url(database.name))) as connection:
        connection.cursor().execute("SELECT 1")


def test_a_killed_run_leaves_no_server_behind(tmp_path) -> None:
    """When the test run is killed, what it started is stopped all the same."""
    sleeper = subprocess.Popen(["sleep", "100"])
    script = (
        "import json, os, signal, sys\n"
        "from dataclasses import asdict\n"
        "from tests.servers import *\n"
        "begin_run()\n"
        "with shared('fake') as record:\n"
        "    server = Server('mysql9', 1, 'u', 'p', pid=int(sys.argv[1]))\n"
        "    record.write_text(json.dumps(asdict(server)))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(sleeper.pid)], check=False, env=os.environ)
    assert sleeper.wait(timeout=20) == -signal.SIGKILL


def test_a_missing_server_is_left_out_or_fails(tmp_path) -> None:
    """A missing server skips and is told at the end; where it is required, the test fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_servers.py"]
    command += ["-k", "fresh_database_is_empty and mysql9"]
    bare = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    skipped = subprocess.run(command, capture_output=True, text=True, env=bare, check=False)
    assert skipped.returncode == 0
    assert "suites left out" in skipped.stdout
    assert "mysql9: neither its programs nor a local Docker image mysql:9 is here" in skipped.stdout
    required = subprocess.run(
        command, capture_output=True, text=True, env={**bare, "SMALLS_TEST_REQUIRE": "mysql9"}, check=False
    )
    assert required.returncode == 1
    assert "mysql9 is required" in required.stdout
