"""Every engine's errors, told apart by what is to be done about them."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from peewee import DatabaseError

from smalls.cli.edge import _translated
from smalls.database import make_database as peewee_database
from smalls.dialects import dialect_for
from smalls.dialects.base import Trouble, message_of
from smalls.errors import (
    ConfigError,
    CredentialsRefusedError,
    PermissionDeniedError,
    UnknownDatabaseError,
    UnreachableError,
)
from smalls.urls import parse_url
from tests.databases import Database
from tests.ports import Opened
from tests.running import wait_until
from tests.servers import MYSQL, POSTGRES, SQLITE, family, free_port

OpenRun = Callable[..., Opened]
SERVERS = [*POSTGRES, *MYSQL]
servers_only = pytest.mark.parametrize("database", SERVERS, indirect=True)
both_families = pytest.mark.parametrize("engine", ["postgres15", "mariadb10"])


def connecting(url: str) -> tuple[Trouble, str]:
    """Connect through Peewee and tell the trouble."""
    location = parse_url(url, where="test")
    database = peewee_database(location)
    database.connect_params["connect_timeout"] = 2
    with pytest.raises(Exception) as caught:
        database.connect()
    return dialect_for(location.engine).trouble(caught.value), message_of(caught.value)


def elsewhere(url: str, **parts: object) -> str:
    """Give a URL with another host or port."""
    old = urlsplit(url)
    who, _, _ = old.netloc.rpartition("@")
    return old._replace(netloc=f"{who}@{parts.get('host', old.hostname)}:{parts.get('port', old.port)}").geturl()


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """Listen, and never say a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def troubled(run: Opened, sql: str) -> Trouble:
    """Run what fails and tell its trouble."""
    with pytest.raises(Exception) as caught:
        run.work.query(sql)
    return run.chosen.dialect.trouble(caught.value)


# ── connecting ──


@both_families
def test_an_unknown_host(engine: str) -> None:
    """A name that does not resolve may do so later."""
    kind = "postgresql" if family(engine) == "postgres" else "mysql"
    assert connecting(f"{kind}://u:p@no-such-host.invalid/x")[0] is Trouble.UNKNOWN_HOST


@both_families
def test_a_refused_port(engine: str) -> None:
    """Nobody listens yet."""
    kind = "postgresql" if family(engine) == "postgres" else "mysql"
    assert connecting(f"{kind}://u:p@127.0.0.1:{free_port()}/x")[0] is Trouble.REFUSED


@both_families
def test_a_server_that_says_nothing(engine: str, open_run: OpenRun) -> None:
    """A connection that is accepted and never answered is given up in time."""
    kind = "postgresql" if family(engine) == "postgres" else "mysql"
    with silent_port() as port:
        run = open_run(f"{kind}://u:p@127.0.0.1:{port}/x?connect_timeout=2")
        began = time.monotonic()
        with pytest.raises(UnreachableError):
            run.look()
        assert time.monotonic() - began < 3


@both_families
def test_a_server_that_hangs_up(engine: str) -> None:
    """A proxy whose server is not there accepts and closes: that may be mended by waiting."""
    kind = "postgresql" if family(engine) == "postgres" else "mysql"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        threading.Thread(target=_hang_up, args=(listener,), daemon=True).start()
        trouble, _ = connecting(f"{kind}://u:p@127.0.0.1:{listener.getsockname()[1]}/x")
    assert trouble.waits


def _hang_up(listener: socket.socket) -> None:
    listener.accept()[0].close()


@servers_only
def test_a_wrong_password_and_an_unknown_user(database: Database) -> None:
    """Waiting mends neither."""
    database.user_url()
    for user in (database.users[0], "nobody_of_this_name"):
        url = database.server.url(database.name, user, "wrong")
        trouble, words = connecting(url)
        assert trouble is Trouble.CREDENTIALS
        assert "\n" not in words


@servers_only
def test_an_unknown_database(database: Database) -> None:
    """The server is there and has none of that name."""
    assert connecting(database.server.url("no_such_database"))[0] is Trouble.NO_DATABASE


@servers_only
def test_what_waiting_cannot_mend_is_not_waited_for(database: Database, open_run: OpenRun) -> None:
    """Refused credentials and unknown databases end at once, though the wait would be long."""
    database.user_url()
    wrong = database.server.url(database.name, database.users[0], "wr%ng'")
    with pytest.raises(CredentialsRefusedError) as caught:
        open_run(wrong, SMALLS_WAIT_TIMEOUT="60").look()
    assert "wr%ng" not in caught.value.message
    with pytest.raises(UnknownDatabaseError):
        open_run(database.server.url("no_such_database"), SMALLS_WAIT_TIMEOUT="60").look()


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_what_waiting_may_mend_is_waited_for_and_told_once(database: Database, open_run: OpenRun) -> None:
    """Until the bound; every change of the reason is one log line, not every try."""
    run = open_run(elsewhere(database.url, port=free_port()), SMALLS_WAIT_TIMEOUT="1")
    with pytest.raises(UnreachableError):
        run.look()
    assert [event["reason"] for event in run.named("database.waited")] == ["refused"]


@pytest.mark.parametrize("database", SQLITE, indirect=True)
def test_sqlites_ways_not_to_open(database: Database, open_run: OpenRun, tmp_path) -> None:
    """A folder that is not there and a file that is no database are told apart from a missing table."""
    lost = open_run(f"sqlite:///{tmp_path}/no/such/folder.db")
    with pytest.raises(ConfigError), lost.locked():
        pass
    (tmp_path / "text.db").write_text("this is no database, " * 100)
    run = open_run(f"sqlite:///{tmp_path}/text.db")
    with pytest.raises(DatabaseError) as caught:
        run.look()
    assert isinstance(_translated(run, caught.value), UnknownDatabaseError)


# ── at work ──


def test_a_table_that_is_not_there(database: Database, open_run: OpenRun) -> None:
    """That is no failure where smalls only asks whether there is a history."""
    run = open_run(database.url)
    run.work.connect()
    assert troubled(run, "SELECT * FROM no_such_table") is Trouble.NO_TABLE
    assert run.history.read().rows == ()


@servers_only
def test_a_reader_may_not_write(database: Database, open_run: OpenRun) -> None:
    """A denied statement is told from every other failure."""
    database.execute("CREATE TABLE t (id INTEGER)")
    url = database.user_url(read_only=True)
    run = open_run(url)
    run.work.connect()
    for sql in ("INSERT INTO t VALUES (1)", "CREATE TABLE mine (id INTEGER)", "DROP TABLE t"):
        assert troubled(run, sql) is Trouble.PERMISSION, sql


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_a_role_that_the_user_may_not_take(database: Database, open_run: OpenRun) -> None:
    """A set-up that is refused is not waited for."""
    url = database.user_url()
    with pytest.raises(PermissionDeniedError):
        open_run(url, SMALLS_DB_ROLE="postgres", SMALLS_WAIT_TIMEOUT="60").look()


def test_a_lock_that_is_not_had_in_time(database: Database, open_run: OpenRun) -> None:
    """Another session's open transaction on the table ends the wait for it, as a lock trouble."""
    database.execute("CREATE TABLE t (id INTEGER)")
    run = open_run(database.url, SMALLS_DDL_LOCK_TIMEOUT="0.2")
    run.work.connect()
    if database.family == "sqlite":
        run.work.query("PRAGMA busy_timeout = 100")
    with holding(database):
        assert troubled(run, "ALTER TABLE t ADD COLUMN x INTEGER") is Trouble.LOCKED


@contextlib.contextmanager
def holding(database: Database) -> Iterator[None]:
    """Keep a transaction open that has written to table t."""
    with contextlib.closing(database.connect()) as connection:
        cursor = connection.cursor()
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO t VALUES (1)")
        yield
        cursor.execute("ROLLBACK")


@pytest.mark.parametrize("database", ["postgres15", "mariadb10", "mysql9"], indirect=True)
def test_a_deadlock(database: Database, open_run: OpenRun) -> None:
    """The server breaks it, on one side or the other, and that side's error is a deadlock's."""
    engine = " ENGINE=InnoDB" if database.family == "mysql" else ""
    database.execute(
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER){engine}; INSERT INTO t VALUES (1, 0), (2, 0)"
    )
    runs = [open_run(database.url, SMALLS_DDL_LOCK_TIMEOUT="20") for _ in range(2)]
    errors: list[Exception] = []
    for run, row in zip(runs, (1, 2), strict=True):
        run.work.query("BEGIN")
        run.work.query(f"UPDATE t SET n = n + 1 WHERE id = {row}")

    def cross(run: Opened, row: int) -> None:
        try:
            run.work.raw_query(f"UPDATE t SET n = n + 1 WHERE id = {row}")
        except Exception as error:
            errors.append(error)
            run.work.raw_query("ROLLBACK")

    threads = [threading.Thread(target=cross, args=pair) for pair in zip(runs, (2, 1), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [runs[0].chosen.dialect.trouble(error) for error in errors] == [Trouble.DEADLOCK]


@servers_only
def test_a_killed_session(database: Database, open_run: OpenRun) -> None:
    """A session that was ended on the server is a lost connection, at that statement and at the next."""
    run = open_run(database.url)
    run.work.connect()
    session = run.work.session_id
    database.query(
        f"SELECT pg_terminate_backend({session})" if database.family == "postgres" else f"KILL {session}"
    )
    assert troubled(run, "SELECT 1") is Trouble.LOST
    assert troubled(run, "SELECT 1") is Trouble.LOST
    run.work.reopen()
    assert run.work.query("SELECT 1")[0][0] == 1


@servers_only
def test_a_session_killed_in_the_middle_of_a_statement(database: Database, open_run: OpenRun) -> None:
    """The statement's own error is that of a lost connection, not of a cancelled statement."""
    run = open_run(database.url)
    run.work.connect()
    killer = threading.Timer(0.3, database.query, [killing(database, run)])
    killer.start()
    assert troubled(run, slow(database, 5)) is Trouble.LOST
    killer.join()


def killing(database: Database, run: Opened) -> str:
    """Give the statement that ends a run's session on the server."""
    session = run.work.session_id
    return f"SELECT pg_terminate_backend({session})" if database.family == "postgres" else f"KILL {session}"


def test_a_cancelled_statement(database: Database, open_run: OpenRun) -> None:
    """A statement that was cancelled, by us or by a person, is told from one that failed by itself."""
    run = open_run(database.url)
    run.work.connect()
    canceller = threading.Timer(0.3, run.work.cancel)
    canceller.start()
    assert troubled(run, slow(database, 5)) is Trouble.CANCELLED
    canceller.join()  # it asks the server once more, on a connection that would end with the database
    assert run.work.query("SELECT 1")[0][0] == 1


def slow(database: Database, seconds: int) -> str:
    """Give a statement that takes its time, and raises when it is cancelled."""
    return {
        "postgres": f"SELECT pg_sleep({seconds})",
        "mysql": f"SELECT * FROM (SELECT SLEEP({seconds}) AS s) AS t WHERE s = 5 FOR UPDATE",
        "sqlite": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 1e8) SELECT count(*) FROM c",
    }[database.family]


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_too_many_connections(database: Database, open_run: OpenRun) -> None:
    """A server that is full may have room later."""
    url = database.user_url()
    user = database.users[0]
    database.execute(
        f"ALTER ROLE {user} CONNECTION LIMIT 1"
        if database.family == "postgres"
        else f"GRANT USAGE ON *.* TO {user} WITH MAX_USER_CONNECTIONS 1"
    )
    run = open_run(url)
    run.work.connect()
    trouble, _ = connecting(url)
    assert trouble is Trouble.TOO_MANY
    assert trouble.waits
    run.close()

    def connects() -> bool:
        found: Any = peewee_database(parse_url(url, where="test"))
        with contextlib.suppress(Exception):
            found.connect()
            found.close()
            return True
        return False

    wait_until(connects, 5)
