"""What a run with nothing to do costs, counted and held to tests/budget.toml; and what other commands import."""

import contextlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest

from tests.conftest import leave_out
from tests.databases import Database
from tests.running import Project, clean_environment

BUDGET = tomllib.loads((Path(__file__).parent / "budget.toml").read_text())
MIGRATIONS = 300
MIGRATE = ("-m", "smalls", "migrate")
budgeted = pytest.mark.parametrize("database", list(BUDGET), indirect=True)
# Runs it as `smalls migrate` does, and tells at the end what the kernel counted.
TELLING = """
import os, sys
def leave(code, leave=os._exit):
    modules = len(sys.modules)
    counted = dict(line.split(":") for name in ("io", "status") for line in open(f"/proc/self/{name}"))
    print(modules, *(counted[name].split()[0] for name in ("syscr", "rchar", "VmHWM")), code, flush=True)
    leave(code)
os._exit = leave
sys.argv = ["smalls", "migrate"]
from smalls.__main__ import main
main()
"""


class CountingRelay:
    """Stands before a server, and counts how often a client says something and waits for the answer."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.turns = 0
        self._asked = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                for source, target, asks in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pass_on, args=(source, target, asks), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, asks: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if self._asked and not asks:
                    self.turns += 1
                self._asked = asks
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Take nobody in any more."""
        self._listener.close()


@pytest.fixture
def applied(project: Project, database: Database) -> Project:
    """Give a project with 300 applied migrations."""
    for number in range(1, MIGRATIONS + 1):
        project.write(f"migrations/{number:04d}_m.py", "def migrate():\n    pass\n")
    done = project.run("migrate", env=database.env)
    assert done.code == 0, done.stderr
    return project


@pytest.fixture(scope="session")
def byte_code(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give the variables that keep byte-code in a place of its own, as an installation has it."""
    return {"PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("byte-code")), "PYTHONHASHSEED": "0"}


def python(project: Project, *words: str, env: dict[str, str], before: tuple[str, ...] = ()):
    """Run Python in the project, with byte-code written; it must end well."""
    environ = clean_environment(env)
    del environ["PYTHONDONTWRITEBYTECODE"]
    done = subprocess.run(
        [*before, sys.executable, *words],
        cwd=project.path,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@budgeted
def test_modules_reads_and_memory(applied, database, byte_code):
    """Of the whole process, by its own counts and by those of the kernel."""
    env = {**database.env, **byte_code}
    python(applied, "-c", TELLING, env=env)
    modules, reads, size, peak, code = map(int, python(applied, "-c", TELLING, env=env).stdout.split())
    assert code == 0
    budget = BUDGET[database.engine]
    assert modules <= budget["modules"]
    assert reads <= budget["reads"]
    assert size // 1000 <= budget["kilobytes"]
    assert peak // 1024 <= budget["megabytes"]


@budgeted
def test_turns(applied, database):
    """How often it waits for the server: the connection's own beginning, and one question."""
    if database.server is None:
        assert BUDGET[database.engine]["turns"] == 0
        return
    relay = CountingRelay(database.server.host, database.server.port)
    try:
        url = database.url.replace(f":{database.server.port}/", f":{relay.port}/")
        python(applied, *MIGRATE, env={"SMALLS_DATABASE_URL": url})
        assert 1 < relay.turns <= BUDGET[database.engine]["turns"]
    finally:
        relay.close()


@pytest.fixture
def callgrind() -> tuple[str, ...]:
    """Give the words that count the instructions of a program."""
    program = shutil.which("valgrind")
    if program is None:
        leave_out("valgrind", "it is not installed")
    return program, "--tool=callgrind", "--callgrind-out-file=/dev/null"


@budgeted
def test_instructions(applied, database, byte_code, callgrind):
    """Counted by callgrind, so that no other work of the machine counts."""
    env = {**database.env, **byte_code}
    python(applied, *MIGRATE, env=env)
    counted = _instructions(python(applied, *MIGRATE, env=env, before=callgrind))
    floor = _instructions(python(applied, "-c", "pass", env=env, before=callgrind))
    assert (counted - floor) / 1e6 <= BUDGET[database.engine]["instructions"]


def _instructions(done) -> int:
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


# ── other commands ──────────────────────────────────────────────────────────────────────────────────────

DRIVERS = {"psycopg2", "pymysql", "sqlite3"}
NEVER = {"asyncio", "structlog"}
AUTO = {"playhouse.migrate", "smalls.operations", "smalls.compilers", "urllib.request"}
APPLYING = {"smalls.execution", "smalls.failures", "smalls.lock", "smalls.reflect", "smalls.blocking"}


@pytest.mark.parametrize(
    ("words", "never"),
    [
        (["--version"], {"peewee", "smalls.run", *DRIVERS}),
        (["--help"], {"peewee", "smalls.run", *DRIVERS}),
        (["migrate", "--help"], {"peewee", "playhouse", *DRIVERS}),
        (["create", "x"], {"peewee", "getpass", *DRIVERS, *AUTO, *APPLYING}),
        (["status"], AUTO | APPLYING),
        (["--log-level", "info", "migrate"], AUTO | APPLYING),
        (["migrate"], AUTO),
    ],
)
def test_what_a_command_does_not_need_is_not_imported(project, words, never):
    """Imports are what most commands take longest for."""
    project.write("migrations/0001_a.py", "def migrate():\n    pass\n")
    env = {"SMALLS_DATABASE_URL": "sqlite:///a.db"}
    if words != ["migrate"]:
        python(project, "-m", "smalls", "migrate", env=env)
    done = python(project, "-X", "importtime", "-m", "smalls", *words, env=env)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "smalls.cli.main" in imported
    assert imported & (never | NEVER) == set()
