"""Waiting for the database: every reason told apart, logged once a change, bounded, with its exit code."""

import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict

import pytest

from tests.conftest import obtain
from tests.databases import AWKWARD_PASSWORD, Database
from tests.faults.scenes import code_of, read_until
from tests.running import Project, finish, wait_until
from tests.servers import (
    MYSQL,
    POSTGRES,
    Server,
    UnavailableError,
    await_server,
    postgres_binaries,
    run_folder,
    shared,
    start_container,
    start_mariadb,
    start_postgres,
)

servers = pytest.mark.parametrize("database", [*POSTGRES, *MYSQL], indirect=True)
one_of_each = pytest.mark.parametrize("database", ["postgres15", "mariadb10", "mysql9"], indirect=True)
postgres = pytest.mark.parametrize("database", ["postgres15"], indirect=True)


@pytest.fixture
def one(project: Project) -> Project:
    """Give a project of one migration."""
    project.migration("0001_a", "db.execute_sql('CREATE TABLE t_a (n INTEGER)')")
    return project


def waits(seconds: float, url: str) -> dict[str, str]:
    """Give the environment of a run that waits so long."""
    return {"SMALLS_WAIT_TIMEOUT": str(seconds), "SMALLS_DATABASE_URL": url}


def reasons(result) -> list[str]:
    """Name what was waited for, in order."""
    return [event["reason"] for event in result.named("database.waited")]


def private(name: str, begin: Callable[..., Server | None]) -> Server:
    """Start a server of one worker's own, whose settings a test may change."""

    def get() -> Server:
        with shared(f"{name}-{os.getpid()}-{secrets.token_hex(3)}") as record:
            found = begin(run_folder() / record.stem)
            if found is None:
                raise UnavailableError(f"the programs of {name} are not installed")
            record.write_text(json.dumps(asdict(found)))
        return found

    return obtain(name, get)


def standby(*options: str) -> Server:
    """Start a PostgreSQL that is a standby until it is promoted."""
    binaries = postgres_binaries()
    return private(
        "postgres15",
        lambda folder: binaries and start_postgres("postgres15", binaries, folder, *options, standby=True),
    )


@contextlib.contextmanager
def connected(server: Server) -> Iterator:
    """Give a cursor of the administrator's."""
    await_server(server)
    with contextlib.closing(server.connect()) as connection:
        yield connection.cursor()


# ── standbys ──


def test_a_standby_is_waited_for_until_it_is_the_primary(one: Project, start) -> None:
    """What only reads works on it; what is to write waits for the promotion, and tells once."""
    server = standby()
    with connected(server) as cursor:
        url = server.url("postgres")
        assert json.loads(one.run("status", "--json", env=waits(0, url)).stdout)["pending"] == 1
        runner = start("migrate", cwd=one.path, env=waits(60, url))
        read_until(runner, "database.waited")
        time.sleep(2.5)
        assert runner.poll() is None
        cursor.execute("SELECT pg_promote()")
        done = finish(runner)
        assert done.code == 0, done.stderr
        assert done.events[-1]["applied"] == 1
        connected_again = done.named("database.connected")[-1]
        assert connected_again["tries"] > 2
        assert connected_again["waited_ms"] > 2000
        assert reasons(done) == []  # the one was read above


def test_a_standby_that_stays_one(one: Project) -> None:
    """At the bound it is 4 with words; where nothing is to be done it does not matter."""
    server = standby()
    with connected(server):
        url = server.url("postgres")
        done = one.run("migrate", env=waits(1.5, url))
        assert (done.code, code_of(done)) == (4, "SML-DATABASE-READ-ONLY"), done.stderr
        assert reasons(done) == ["read_only"]
        assert "standby" in done.named("run.failed")[0]["error"]["message"]
        assert one.run("wait", env=waits(0, url)).code == 0
        (one.migrations / "0001_a.py").unlink()
        assert one.run("migrate", env=waits(0, url)).code == 0


def test_a_server_that_is_starting_up(one: Project, start) -> None:
    """Not a refusal: a standby without connections says what a server that starts says, until it is promoted."""
    server = standby("hot_standby=off")
    runner = start("migrate", cwd=one.path, env=waits(60, server.url("postgres")))
    assert runner.stderr is not None
    told = [json.loads(runner.stderr.readline())]
    while told[-1].get("reason") != "starting":
        assert runner.poll() is None
        told.append(json.loads(runner.stderr.readline()))
    assert "the database system is" in told[-1]["message"]
    log = run_folder() / server.socket / "log"
    wait_until(lambda: "entering standby mode" in log.read_text())
    (run_folder() / server.socket / "data" / "promote").touch()
    os.kill(server.pid, 10)  # SIGUSR1: look for the file, as pg_ctl promote does
    done = finish(runner)
    assert done.code == 0, done.stderr
    assert reasons(done) == []
    assert done.named("database.connected")[0]["tries"] > 1


@postgres
def test_read_only_by_default(one: Project, database: Database) -> None:
    """A database that was set to read-only for its maintenance is waited for too."""
    database.execute(f'ALTER DATABASE "{database.name}" SET default_transaction_read_only = on')
    done = one.run("migrate", env=waits(1, database.url))
    assert (done.code, code_of(done)) == (4, "SML-DATABASE-READ-ONLY"), done.stderr
    assert "default_transaction_read_only" in done.named("run.failed")[0]["error"]["message"]
    database.execute(
        "SET default_transaction_read_only = off; COMMIT;"
        f'ALTER DATABASE "{database.name}" RESET default_transaction_read_only'
    )
    assert one.run("migrate", env=waits(1, database.url)).code == 0


def test_a_replica_of_mariadb(one: Project, start) -> None:
    """`read_only` is waited out by whom it holds for, and not by whom it does not hold for."""
    server = private("mariadb10", lambda folder: start_mariadb("mariadb10", folder))
    with connected(server) as cursor:
        cursor.execute("CREATE DATABASE d")
        cursor.execute("CREATE USER plain@'%' IDENTIFIED BY 'p'")
        cursor.execute("GRANT ALL ON d.* TO plain@'%'")
        cursor.execute("SET GLOBAL read_only = 1")
        url = server.url("d", "plain", "p")
        done = one.run("migrate", env=waits(1.5, url))
        assert (done.code, code_of(done)) == (4, "SML-DATABASE-READ-ONLY"), done.stderr
        assert reasons(done) == ["read_only"]
        assert one.run("status", env=waits(0, url)).code == 0
        runner = start("migrate", cwd=one.path, env=waits(60, url))
        read_until(runner, "database.waited")
        cursor.execute("SET GLOBAL read_only = 0")
        assert finish(runner).code == 0
        cursor.execute("SET GLOBAL read_only = 1")
        one.migration("0002_b", "db.execute_sql('CREATE TABLE t_b (n INTEGER)')")
        assert one.run("migrate", env=waits(0, server.url("d"))).code == 0


def test_a_replica_of_mysql(one: Project, start) -> None:
    """`super_read_only` holds for everybody, also for an administrator."""
    server = private("mysql9", lambda folder: start_container("mysql9", f"-{folder.name}"))
    with connected(server) as cursor:
        cursor.execute("CREATE DATABASE d")
        cursor.execute("SET GLOBAL super_read_only = 1")
        url = server.url("d")
        done = one.run("migrate", env=waits(1.5, url))
        assert (done.code, code_of(done)) == (4, "SML-DATABASE-READ-ONLY"), done.stderr
        assert "read-only" in done.named("run.failed")[0]["error"]["message"]
        assert reasons(done) == ["read_only"]
        assert one.run("status", env=waits(0, url)).code == 0
        runner = start("migrate", cwd=one.path, env=waits(60, url))
        read_until(runner, "database.waited")
        cursor.execute("SET GLOBAL super_read_only = 0")
        cursor.execute("SET GLOBAL read_only = 0")
        assert finish(runner).code == 0


# ── too many connections ──


@one_of_each
def test_room_for_one_connection_only(one: Project, database: Database, start) -> None:
    """A run needs two: it gives the one back while it waits, says so once, and ends with 4 at the bound."""
    url = database.user_url()
    user = database.users[0]
    if database.family == "postgres":
        database.execute(f"ALTER ROLE {user} CONNECTION LIMIT 1")
    elif database.engine == "mysql9":
        database.execute(f"ALTER USER {user} WITH MAX_USER_CONNECTIONS 1")
    else:
        database.execute(f"GRANT USAGE ON *.* TO {user} WITH MAX_USER_CONNECTIONS 1")
    done = one.run("migrate", env=waits(2, url))
    assert (done.code, code_of(done)) == (4, "SML-DATABASE-UNREACHABLE"), done.stderr
    assert reasons(done) == ["too_many"]
    assert "tries" in done.named("run.failed")[0]["error"]["message"]
    assert one.run("status", env=waits(0, url)).code == 0
    runner = start("migrate", cwd=one.path, env=waits(60, url))
    read_until(runner, "database.waited")
    if database.family == "postgres":
        database.execute(f"ALTER ROLE {user} CONNECTION LIMIT 5")
    elif database.engine == "mysql9":
        database.execute(f"ALTER USER {user} WITH MAX_USER_CONNECTIONS 5")
    else:
        database.execute(f"GRANT USAGE ON *.* TO {user} WITH MAX_USER_CONNECTIONS 5")
    result = finish(runner)
    assert result.code == 0, result.stderr


# ── what is refused ──


@servers
@pytest.mark.parametrize("what", ["password", "database"])
def test_refused_for_a_few_seconds(one: Project, database: Database, what: str) -> None:
    """A wrong password and an unknown database are tried again for a moment, then 3, however long the wait."""
    database.user_url()
    url = database.server.url("no_such_database")
    if what == "password":
        url = database.server.url(database.name, database.users[0], "wrong")
    began = time.monotonic()
    done = one.run("migrate", env=waits(60, url))
    assert 2.5 < time.monotonic() - began < 12
    code = "SML-DATABASE-CREDENTIALS" if what == "password" else "SML-DATABASE-UNKNOWN"
    assert (done.code, code_of(done)) == (3, code), done.stderr
    assert reasons(done) == ["credentials" if what == "password" else "no_database"]
    assert " tries)" in done.named("run.failed")[0]["error"]["message"]
    at_once = one.run("migrate", env=waits(0, url))
    assert at_once.code == 3
    assert reasons(at_once) == []


@one_of_each
def test_a_user_and_a_database_that_the_start_up_makes_meanwhile(one: Project, database: Database, start) -> None:
    """They are there a moment later, and the run goes on."""
    url = database.user_url()
    user = database.users[0]
    word = "ROLE" if database.family == "postgres" else "USER"
    database.execute(f"ALTER {word} {user} {'PASSWORD' if word == 'ROLE' else 'IDENTIFIED BY'} 'other'")
    runner = start("migrate", cwd=one.path, env=waits(60, url))
    read_until(runner, "database.waited")
    quoted = AWKWARD_PASSWORD.replace("'", "''")
    database.execute(f"ALTER {word} {user} {'PASSWORD' if word == 'ROLE' else 'IDENTIFIED BY'} '{quoted}'")
    result = finish(runner)
    assert result.code == 0, result.stderr


def test_tls_that_is_refused(one: Project, tls_postgres) -> None:
    """A server that takes TLS only, and a certificate of another authority, have a code of their own."""
    for url in (tls_postgres.url(sslmode="disable"), tls_postgres.url(ca=tls_postgres.other_ca)):
        began = time.monotonic()
        done = one.run("migrate", env=waits(60, url))
        assert time.monotonic() - began < 3
        assert (done.code, code_of(done)) == (3, "SML-DATABASE-TLS"), done.stderr


@pytest.mark.parametrize("database", ["postgres15", "mysql9"], indirect=True)
def test_tls_that_is_not_trusted_or_not_there(one: Project, database: Database, tls_postgres) -> None:
    """A server without TLS where it is required, and one whose certificate nobody here signed."""
    more = "sslmode=require" if database.family == "postgres" else f"ssl_ca={tls_postgres.ca}&ssl_verify_cert=true"
    done = one.run("migrate", env=waits(60, f"{database.url}?{more}"), timeout=10)
    assert (done.code, code_of(done)) == (3, "SML-DATABASE-TLS"), done.stderr


# ── making the database ──

CREATE = {"SMALLS_CREATE_DATABASE": "1"}


@pytest.fixture
def fresh(database: Database) -> Iterator[tuple[str, str]]:
    """Give the name and URL of a database that is not there; it is dropped afterwards."""
    name = f"Fresh-{secrets.token_hex(6)}"
    yield name, database.server.url(name)
    with connected(database.server) as cursor:
        quoted = f'"{name}" WITH (FORCE)' if database.family == "postgres" else f"`{name}`"
        cursor.execute(f"DROP DATABASE IF EXISTS {quoted}")


@servers
def test_the_database_is_made(one: Project, database: Database, fresh: tuple[str, str]) -> None:
    """Only where it is asked for, only by commands that begin one, and once; encoded as its server has it."""
    name, url = fresh
    assert one.run("migrate", env=waits(0, url)).code == 3
    for words in (("status",), ("wait",), ("migrate", "--plan"), ("rollback", "0", "--plan")):
        done = one.run(*words, env={**waits(0, url), **CREATE})
        assert (done.code, code_of(done)) == (3, "SML-DATABASE-UNKNOWN"), words
    done = one.run("migrate", env={**waits(0, url), **CREATE})
    assert done.code == 0, done.stderr
    assert [event["message"].rpartition("/")[2] for event in done.named("database.created")] == [f"{name}."]
    again = one.run("migrate", env={**waits(0, url), **CREATE})
    assert (again.code, again.named("database.created")) == (0, [])
    with contextlib.closing(database.server.connect(name)) as connection:
        cursor = connection.cursor()
        ask, wanted = "SELECT @@character_set_database", "utf8mb4"
        if database.family == "postgres":
            ask = "SHOW server_encoding"
            template = "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'template1'"
            wanted = database.query(template)[0][0]
        cursor.execute(ask)
        assert cursor.fetchone()[0] == wanted


@servers
def test_many_make_it_at_once(one: Project, database: Database, fresh: tuple[str, str], start) -> None:
    """All of them succeed; one of them applies."""
    runners = [start("migrate", cwd=one.path, env={**waits(60, fresh[1]), **CREATE}) for _ in range(5)]
    results = [finish(runner) for runner in runners]
    assert [result.code for result in results] == [0] * 5, [result.stderr for result in results]
    assert sum(result.events[-1]["applied"] for result in results) == 1


@servers
def test_a_user_who_may_not_make_it(one: Project, database: Database, fresh: tuple[str, str]) -> None:
    """That is 3, in the server's words."""
    database.user_url()
    url = database.server.url(fresh[0], database.users[0], AWKWARD_PASSWORD)
    done = one.run("migrate", env={**waits(60, url), **CREATE}, timeout=15)
    assert done.code == 3, done.stderr
    words = "permission denied to create database" if database.family == "postgres" else "Access denied"
    assert words in done.named("run.failed")[0]["error"]["message"]


@postgres
def test_the_role_owns_what_is_made(one: Project, database: Database, fresh: tuple[str, str]) -> None:
    """Migrations run as SMALLS_DB_ROLE, which may make tables in a new database only as its owner."""
    role = f"r_{secrets.token_hex(6)}"
    database.execute(f"CREATE ROLE {role}")
    database.users.append(role)
    done = one.run("migrate", env={**waits(0, fresh[1]), **CREATE, "SMALLS_DB_ROLE": role})
    assert done.code == 0, done.stderr
    asked = "SELECT rolname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE datname = %s"
    assert database.query(asked, (fresh[0],)) == [(role,)]
    with contextlib.closing(database.server.connect()) as connection:
        connection.cursor().execute(f'DROP DATABASE "{fresh[0]}" WITH (FORCE)')
