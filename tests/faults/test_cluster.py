"""On servers that are one of many, where GET_LOCK is each one's own: the lock is a lease."""

import contextlib
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests import servers
from tests.conftest import obtain
from tests.databases import Database
from tests.faults.scenes import applied, logged, logs
from tests.running import Project, finish
from tests.servers import Server, UnavailableError

GALERA = Path("/usr/lib/galera/libgalera_smm.so")
IMAGE = servers.IMAGES["mysql9"]


def _galera() -> Server:
    """Start a Galera cluster of one node, which also ends sessions that are idle for two seconds."""
    if not GALERA.exists():
        raise UnavailableError(f"there is no {GALERA} (Debian's galera-4)")
    folder = servers.run_folder() / f"galera-{secrets.token_hex(4)}"
    port = servers.free_port()
    how = ("--wsrep-on=ON", f"--wsrep-provider={GALERA}", "--wsrep-cluster-address=gcomm://", "--binlog-format=ROW")
    options = f"--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{port};ist.recv_addr=127.0.0.1"
    node = (options, "--wsrep-node-address=127.0.0.1", "--innodb-autoinc-lock-mode=2", "--wait-timeout=2")
    found = servers.start_mariadb("mariadb10", folder, *how, *node)
    if found is None:
        raise UnavailableError("there is no MariaDB 10 on this machine")
    return _kept(found, folder.name)


def _replication_group() -> Server:
    """Start a replication group of one MySQL server."""
    if not servers.have_image(IMAGE):
        raise UnavailableError(f"there is no image {IMAGE}")
    port, local, password = servers.free_port(), servers.free_port(), secrets.token_hex(8)
    name = f"{servers.run_folder().name}-group-{secrets.token_hex(4)}"
    how = ["--detach", "--rm", "--network=host", f"--name={name}", "--env=MYSQL_ROOT_PASSWORD"]
    options = [
        *(f"--port={port}", "--bind-address=127.0.0.1", "--mysqlx=OFF", "--server-id=1"),
        *("--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--log-bin=binlog"),
        "--plugin-load-add=group_replication.so",
        "--loose-group-replication-group-name=8a94f357-aab4-11df-86ab-c80aa9429562",
        f"--loose-group-replication-local-address=127.0.0.1:{local}",
        "--loose-group-replication-start-on-boot=OFF",
    ]
    memory = [f"--tmpfs={folder}" for folder in servers.MYSQL_DATA]
    done = servers.docker("run", *how, *memory, IMAGE, *options, env={"MYSQL_ROOT_PASSWORD": password})
    if done.returncode:
        raise UnavailableError(done.stderr.strip())
    found = _kept(Server("mysql9", port, "root", password, container=name), name)
    with contextlib.closing(found.connect()) as connection:
        cursor = connection.cursor()
        cursor.execute("SET GLOBAL group_replication_bootstrap_group = ON")
        cursor.execute("START GROUP_REPLICATION")
        cursor.execute("SELECT member_state FROM performance_schema.replication_group_members")
        assert cursor.fetchall() == (("ONLINE",),)
    return found


def _kept(found: Server, name: str) -> Server:
    """Have a server stopped at the end of the run, and wait until it answers."""
    (servers.run_folder() / f"{name}.server").write_text(json.dumps(asdict(found)))
    servers.await_server(found)
    return found


@pytest.fixture(scope="module", params=["galera", "group replication"])
def member(request: pytest.FixtureRequest) -> Server:
    """Give a server that is one of a cluster."""
    start: Callable[[], Server] = {"galera": _galera, "group replication": _replication_group}[request.param]
    return obtain(request.param, start)


@pytest.fixture
def clustered(member: Server) -> Iterator[Database]:
    """Give a fresh database on it."""
    name = f"smalls_{secrets.token_hex(6)}"
    made = Database(member.engine, name, member.url(name), member)
    replace(made, name="mysql").execute(f"CREATE DATABASE {name}")
    yield made
    made.drop()


def test_runners_at_once_run_each_migration_once(clustered: Database, project: Project, start) -> None:
    """The cluster is recognised, by a user who sees no more than their own database too."""
    make_tables_with_keys(clustered)
    names = [f"000{number}_x" for number in range(1, 4)]
    for name in names:
        project.migration(name, logs(name).replace("VALUES", "(migration, runner) VALUES"))
    env = {"SMALLS_DATABASE_URL": clustered.user_url()}
    runners = [start("migrate", cwd=project.path, env=env) for _ in range(4)]
    results = [finish(runner) for runner in runners]
    assert [result.code for result in results] == [0] * 4, [result.stderr for result in results if result.code]
    took = [result for result in results if result.named("lock.acquired")]
    assert took
    for result in took:
        (changed,) = result.named("lock.changed")
        assert changed["lock"] == "lease"
        assert "session locks are each" in changed["reason"]
        assert result.named("lock.acquired")[0]["lock"] == "lease"
    assert logged(clustered) == applied(clustered) == names


def make_tables_with_keys(database: Database) -> None:
    """Make what the migrations write to; a cluster wants primary keys."""
    columns = "id INTEGER AUTO_INCREMENT PRIMARY KEY, migration VARCHAR(40), runner INTEGER"
    database.execute(f"CREATE TABLE log ({columns})")


@pytest.mark.parametrize("member", ["galera"], indirect=True)
@pytest.mark.parametrize("kind", ["advisory", "lease"])
def test_a_migration_that_computes_outlives_the_servers_patience(
    clustered: Database, project: Project, kind: str
) -> None:
    """The server ends sessions that are idle for 2 s; neither the lock's nor the working one is ended."""
    make_tables_with_keys(clustered)
    after = logs("1").replace("VALUES", "(migration, runner) VALUES")
    project.migration("0001_computes", f"db.execute_sql('SELECT 1')\ntime.sleep(5)\n{after}")
    result = project.run("migrate", env={**clustered.env, "SMALLS_LOCK": kind})
    assert result.code == 0, result.stderr
    assert bool(result.named("lock.doubted")) == (kind == "advisory")
    assert logged(clustered) == ["1"]
