"""A migration that computes for long while its sessions are idle: servers and proxies that end idle ones."""

import select
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.databases import Database
from tests.faults.scenes import applied, code_of, logged, logs, make_tables
from tests.running import Project
from tests.servers import POSTGRES

COMPUTES = "db.execute_sql('SELECT 1')\ntime.sleep({})\n{}"


@pytest.mark.parametrize("header", ["", "transaction = False\n"], ids=["in a transaction", "outside"])
@pytest.mark.parametrize("database", POSTGRES, indirect=True)
def test_the_servers_bounds_on_idle_sessions_are_lifted(database: Database, project: Project, header: str) -> None:
    """The database ends sessions that are idle for a second; ours go on."""
    make_tables(database)
    for name in ("idle_session_timeout", "idle_in_transaction_session_timeout"):
        database.execute(f"ALTER DATABASE \"{database.name}\" SET {name} = '1s'")
    project.migration("0001_computes", COMPUTES.format(3, logs("1")), header=header)
    result = project.run("migrate", env=database.env)
    assert result.code == 0, result.stderr
    assert logged(database) == ["1"]


class IdleProxy:
    """A TCP proxy that cuts a connection over which nothing came for so many seconds."""

    def __init__(self, port: int, seconds: float) -> None:
        self._target, self._seconds = port, seconds
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cut = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            while True:
                ready, _, _ = select.select([client, server], [], [], self._seconds)
                if not ready:
                    self.cut += 1
                    return
                for one in ready:
                    data = one.recv(65536)
                    if not data:
                        return
                    (server if one is client else client).sendall(data)

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()


@pytest.fixture
def idle_proxy(database: Database) -> Iterator[IdleProxy]:
    """Give a proxy before the database's server that cuts after 7 s: longer than the lock is ever silent."""
    proxy = IdleProxy(database.server.port, 7)
    yield proxy
    proxy.close()


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_a_proxy_cuts_the_working_session_and_never_the_lock(
    database: Database, project: Project, idle_proxy: IdleProxy
) -> None:
    """The lock's connection is used all the time; what computed for too long is told as lost, and not recorded."""
    make_tables(database)
    url = database.url.replace(f":{database.server.port}/", f":{idle_proxy.port}/")
    project.migration("0001_computes", COMPUTES.format(9, logs("1")))
    began = time.monotonic()
    result = project.run("migrate", env={"SMALLS_DATABASE_URL": url})
    assert time.monotonic() - began > 9
    assert idle_proxy.cut == 1
    assert not result.named("lock.lost")
    assert applied(database) == logged(database) == []
    assert result.code == (15 if database.family == "postgres" else 7), result.stderr
    if database.family == "postgres":
        assert code_of(result) == "SML-CONNECTION-LOST"
        project.migration("0001_computes", logs("1"))
        assert project.run("migrate", env={"SMALLS_DATABASE_URL": url}).code == 0
