"""What is sent to a server for each migration: as few messages as say it, and none that could be left out."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from smalls.errors import LockLostError
from smalls.guard import EndedPastError
from smalls.intents import Intents
from smalls.model import Direction
from smalls.tap import Sent
from tests.conformance.test_transaction import OpenRun, guarded
from tests.databases import Database
from tests.running import Project, wait_until
from tests.servers import MYSQL, POSTGRES

MOST = {"postgres": 3, "mariadb": 3, "mysql": 7}
FEW, MANY = 3, 23


class Proxy:
    """Passes connections on to a server and counts how often a client speaks after the server did."""

    def __init__(self, host: str, port: int) -> None:
        self.turns = 0
        self._server = (host, port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server:
            last = server
            while True:
                for source in select.select([client, server], [], [])[0]:
                    try:
                        data = source.recv(1 << 16)
                    except OSError:
                        return
                    if not data:
                        return
                    self.turns += source is client and last is server
                    last = source
                    (server if source is client else client).sendall(data)


@contextmanager
def counted(database: Database) -> Iterator[tuple[Proxy, dict[str, str]]]:
    """Give a proxy before the database, and the environment that leads through it."""
    location = urlsplit(database.url)
    proxy = Proxy(location.hostname or "", location.port or 0)
    try:
        url = database.url.replace(f"{location.hostname}:{location.port}", f"127.0.0.1:{proxy.port}")
        yield proxy, {"SMALLS_DATABASE_URL": url}
    finally:
        proxy.close()


@pytest.mark.parametrize("database", [*POSTGRES, *MYSQL], indirect=True)
def test_the_messages_of_one_migration(database: Database, project: Project) -> None:
    """One more migration of one statement costs so many round trips more, history, lock and journal included."""
    for number in range(1, MANY + 1):
        table = f'db.execute_sql("CREATE TABLE t{number} (id INTEGER)")'
        project.migration(f"{number:04}_t{number}", table, header="from smalls import db")
    turns = []
    with counted(database) as (proxy, env):
        for target in (1, FEW, MANY):  # the first makes the tables too
            before = proxy.turns
            result = project.run("migrate", str(target), env=env)
            assert result.code == 0, result.stderr
            turns.append(proxy.turns - before)
    each = (turns[2] - turns[1]) / ((MANY - FEW) - (FEW - 1))
    kind = "mariadb" if database.engine.startswith("mariadb") else database.family
    assert round(each) == MOST[kind]


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
@pytest.mark.parametrize("again", [False, True])
def test_nothing_is_recorded_in_a_transaction_that_is_not_ours(
    database: Database, open_run: OpenRun, *, again: bool
) -> None:
    """Where the code ended our transaction unseen, the commit itself finds out, and adds nothing."""
    run = open_run(database.url)
    database.execute("CREATE TABLE kept (id INTEGER)")
    guard, _ = guarded(run)
    with guard.watching():
        run.work.raw_query("COMMIT")
        if again:
            run.work.raw_query("BEGIN")
    with pytest.raises(EndedPastError):
        guard.commit(("INSERT INTO kept VALUES (1)", ()))
    assert not guard.undo()
    assert database.query("SELECT count(*) FROM kept")[0][0] == 0


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
def test_a_record_that_fails_takes_the_migration_with_it(database: Database, open_run: OpenRun) -> None:
    """A record that the database refuses leaves nothing of the transaction, and that is known."""
    run = open_run(database.url)
    guard, _ = guarded(run)
    with guard.watching():
        run.chosen.database.execute_sql("CREATE TABLE t (id INTEGER)")
    with pytest.raises(Exception, match="missing"):
        guard.commit(("INSERT INTO missing VALUES (1)", ()))
    assert guard.undo()
    assert database.tables() == []


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_a_lost_lock_refuses_the_commit(database: Database, open_run: OpenRun) -> None:
    """The server refuses what is sent with the commit as soon as the lock's session is gone."""
    run = open_run(database.url)
    with run.locked() as held:
        guard, _ = guarded(run)
        with guard.watching():
            run.chosen.database.execute_sql("CREATE TABLE t (id INTEGER)")
        fencing = held.fencing()
        database.execute(f"SELECT pg_terminate_backend({held.first._session}, 5000)")  # type: ignore[attr-defined]
        with pytest.raises(Exception, match="lost its lock") as raised:
            guard.commit(*fencing)
        assert isinstance(held.denies(raised.value), LockLostError)
        assert guard.undo()
    assert database.tables() == []


@pytest.mark.parametrize("database", [*POSTGRES, *MYSQL], indirect=True)
def test_a_lost_lock_refuses_the_first_change(database: Database, open_run: OpenRun) -> None:
    """Outside a transaction it is refused with the note of it, also where the code goes on after that."""
    run = open_run(database.url)
    with run.locked() as held:
        run.journal.ensure()
        session = held.first._session  # type: ignore[attr-defined]
        end = {"postgres": f"SELECT pg_terminate_backend({session}, 5000)", "mysql": f"KILL {session}"}
        intents = Intents(run.work, run.journal, held, "0001_one", Direction.FORWARD, held.fencing())
        intents.check()
        database.execute(end[database.family])
        wait_until(lambda: run.work.dialect.holder(run.work.query, run.lock_key) is None)
        for refused in (lambda: intents.note([Sent("CREATE TABLE t (id INTEGER)")]), intents.check):
            with pytest.raises(LockLostError):
                refused()
    assert database.query("SELECT count(*) FROM smalls_journal") == [(0,)]
