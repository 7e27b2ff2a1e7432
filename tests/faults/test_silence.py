"""A server that hangs, or a network that lost a connection: a stop ends the run all the same, and tells."""

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.databases import Database
from tests.faults.scenes import (
    applied,
    code_of,
    logged,
    logs,
    make_tables,
    nothing_is_left,
    read_until,
    running,
    sessions,
    slow_ddl,
)
from tests.running import Project, Result, finish, wait_until

Start = Callable[..., subprocess.Popen[str]]
servers = pytest.mark.parametrize("database", ["postgres15", "mariadb10", "mysql9"], indirect=True)


class Line:
    """A TCP proxy that can fall silent: for all connections, or for those that are open at that moment."""

    def __init__(self, database: Database) -> None:
        self._target = database.server.port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._alive = threading.Event()
        self._alive.set()
        self.silent_at: bytes | None = None
        self.fell_silent = threading.Event()
        self.url = database.url.replace(f":{self._target}/", f":{self._listener.getsockname()[1]}/")
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self, *, new_ones_too: bool) -> None:
        """Pass on nothing more, and close nothing."""
        self._alive.clear()
        if not new_ones_too:
            self._alive = threading.Event()
            self._alive.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._relay, args=(source, sink, self._alive), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket, alive: threading.Event) -> None:
        while True:
            try:
                data = source.recv(65536)
                if self.silent_at and self.silent_at in data:
                    self.fall_silent(new_ones_too=True)
                    self.fell_silent.set()
                alive.wait()
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)
            except OSError:
                return

    def close(self) -> None:
        """Take no more connections, and let go of those that there are."""
        self._listener.close()
        self._alive.set()


@pytest.fixture
def line(database: Database) -> Iterator[Line]:
    """Give the line to the database's server."""
    made = Line(database)
    yield made
    made.close()


def env(line: Line, grace: float, path: Path) -> dict[str, str]:
    """Give the environment of a run on that line."""
    message = str(path / "message")
    return {
        "SMALLS_DATABASE_URL": line.url,
        "SMALLS_SHUTDOWN_GRACE": str(grace),
        "SMALLS_TERMINATION_LOG": message,
    }


def begin(database: Database, project: Project, start: Start, line: Line, grace: float, **more: str):
    """Start a run with one migration applied, and a slow one at its statement."""
    make_tables(database)
    project.migration("0001_one", logs("0001_one"))
    project.migration("0002_slow", f'db.execute_sql("{slow_ddl(database, 60)}")')
    runner = start("migrate", cwd=project.path, env={**env(line, grace, project.path), **more})
    wait_until(lambda: bool(running(database)))
    return runner


def ended(runner: subprocess.Popen[str]) -> tuple[Result, float]:
    """Wait for a run's end; give its result and how long that took."""
    began = time.monotonic()
    return finish(runner, 30), time.monotonic() - began


def told(project: Project) -> str:
    """Read the termination message."""
    return (project.path / "message").read_text(encoding="utf-8")


@servers
def test_sigterm_on_a_server_that_hangs(database: Database, project: Project, start: Start, line: Line) -> None:
    """A few seconds after the grace it is over; what is not known is said to be not known."""
    runner = begin(database, project, start, line, 1)
    line.fall_silent(new_ones_too=True)
    runner.send_signal(signal.SIGTERM)
    result, took = ended(runner)
    assert took < 1 + 5.5
    assert [event["answering"] for event in result.named("stop.abandoned")] == [False]
    assert result.code == (143 if database.family == "postgres" else 7), result.stderr
    assert f"exit code {result.code}" in told(project)
    assert "0002_slow" in told(project)
    if database.family == "postgres":
        assert "given up" in told(project)
        assert "was not committed" in told(project)
    else:
        assert "may have taken effect" in told(project)
    assert result.events[-1]["exit_code"] == result.code


@servers
def test_the_runs_deadline_on_a_server_that_hangs(
    database: Database, project: Project, start: Start, line: Line
) -> None:
    """SMALLS_RUN_TIMEOUT holds there too, without a scheduler's signal."""
    runner = begin(database, project, start, line, 60, SMALLS_RUN_TIMEOUT="4")
    line.fall_silent(new_ones_too=True)
    result, took = ended(runner)
    assert took < 4 + 5.5
    assert result.code == (143 if database.family == "postgres" else 7), result.stderr
    assert "SMALLS_RUN_TIMEOUT" in told(project)


@servers
def test_a_connection_that_no_answer_comes_through(
    database: Database, project: Project, start: Start, line: Line
) -> None:
    """On a new one the statement is cancelled, its session ended, and the history read again."""
    runner = begin(database, project, start, line, 1)
    line.fall_silent(new_ones_too=False)
    runner.send_signal(signal.SIGTERM)
    result, took = ended(runner)
    assert took < 1 + 8
    assert [event["answering"] for event in result.named("stop.abandoned")] == [True]
    assert result.code == 143, result.stderr
    assert running(database) == []
    assert applied(database) == logged(database) == ["0001_one"]
    wait_until(lambda: len(sessions(database)) <= 1, 5)
    assert "nothing of it took effect" in told(project)


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_a_commit_without_an_answer(database: Database, project: Project, start: Start, line: Line) -> None:
    """It may have arrived: that is neither a success nor "rolled back", and a rerun finds out."""
    make_tables(database)
    database.execute(
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION late()"
    )
    project.migration("0001_one", "db.execute_sql('INSERT INTO slow VALUES (7)')")
    runner = start("migrate", cwd=project.path, env=env(line, 0, project.path))
    commits = "SELECT 1 FROM pg_stat_activity WHERE right(query, 6) = 'COMMIT' AND state = 'active'"
    commits += " AND datname = current_database()"
    wait_until(lambda: bool(database.query(commits)))
    line.fall_silent(new_ones_too=True)
    runner.send_signal(signal.SIGTERM)
    result, took = ended(runner)
    assert took < 6
    assert (result.code, code_of(result)) == (15, "SML-CONNECTION-LOST"), result.stderr
    assert "could not be read again" in told(project)


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_code_that_waits_for_what_is_not_ours(
    database: Database, project: Project, start: Start, line: Line
) -> None:
    """Code that sits in a call of its own to that server is left behind at last; 15, since nobody knows."""
    make_tables(database)
    body = f"""\
        import psycopg2
        other = psycopg2.connect({line.url!r}).cursor()
        open("there", "w").close()
        other.execute("SELECT pg_sleep(60)")
    """
    project.migration("0001_one", body)
    runner = start("migrate", cwd=project.path, env=env(line, 0, project.path))
    wait_until((project.path / "there").exists)
    line.fall_silent(new_ones_too=True)
    runner.send_signal(signal.SIGTERM)
    result, took = ended(runner)
    assert took < 6.5
    assert result.code == 15, result.stderr
    assert "What became of 0001_one is not known" in told(project)
    assert result.events[-1]["event"] == "run.finished"


@servers
def test_a_server_that_hangs_before_anything_runs(
    database: Database, project: Project, start: Start, line: Line
) -> None:
    """While it connects, it stops as soon as a try is over."""
    line.fall_silent(new_ones_too=True)
    project.migration("0001_one", "pass")
    runner = start("migrate", cwd=project.path, env={**env(line, 5, project.path), "SMALLS_WAIT_TIMEOUT": "60"})
    time.sleep(1.5)
    runner.send_signal(signal.SIGTERM)
    result, took = ended(runner)
    assert (result.code, took < 6) == (143, True), result.stderr
    nothing_is_left(database)


@servers
def test_a_wait_for_the_lock_on_a_server_that_hangs(
    database: Database, project: Project, start: Start, line: Line
) -> None:
    """Nothing was begun, so it is 143 and nothing else."""
    holder = begin(database, project, start, line, 0)
    waiting = start("migrate", cwd=project.path, env=env(line, 5, project.path))
    read_until(waiting, "lock.waiting")
    line.fall_silent(new_ones_too=True)
    time.sleep(1.2)  # longer than a pause between two looks
    waiting.send_signal(signal.SIGTERM)
    result, took = ended(waiting)
    assert (result.code, took < 5.5) == (143, True), result.stderr
    holder.send_signal(signal.SIGINT)
    assert finish(holder, 30).code == (130 if database.family == "postgres" else 7)


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_a_server_that_hangs_at_a_quick_look(
    database: Database, project: Project, start: Start, line: Line
) -> None:
    """A run with nothing to do asks before it listens for signals: it ends by one all the same."""
    project.migration("0001_one", "pass")
    assert project.run("migrate", env=database.env).code == 0
    line.silent_at = b"migration_history"
    plain = {"postgres": "?sslmode=disable", "mysql": ""}[database.family]
    runner = start("migrate", cwd=project.path, env={"SMALLS_DATABASE_URL": line.url + plain})
    assert line.fell_silent.wait(20)
    time.sleep(0.5)
    runner.send_signal(signal.SIGTERM)
    result, took = ended(runner)
    assert (result.code, took < 6) == (143, True), result.stderr
