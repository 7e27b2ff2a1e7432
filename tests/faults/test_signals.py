"""SIGTERM and SIGINT, at any moment: out within five seconds, with nothing half done that is not told."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.databases import Database
from tests.faults.scenes import (
    applied,
    at_gate,
    logged,
    logs,
    make_tables,
    nothing_is_left,
    read_until,
    running,
    slow_ddl,
    slow_query,
    wait_at_gate,
)
from tests.ports import Opened
from tests.running import Project, Result, finish, wait_until
from tests.servers import ENGINES

OpenRun = Callable[..., Opened]
every_engine = pytest.mark.parametrize("database", ENGINES, indirect=True)
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
AT_ONCE = {"SMALLS_SHUTDOWN_GRACE": "0"}
both_signals = pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)


def stop(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> Result:
    """Send a signal and wait for the end, which must come within five seconds."""
    process.send_signal(number)
    began = time.monotonic()
    result = finish(process, 20)
    assert time.monotonic() - began < 5
    return result


def was_stopped(result: Result, code: int) -> None:
    """Fail unless the run says that it was stopped, to the last line."""
    assert result.code == code, result.stderr
    assert result.events[-1]["event"] == "run.finished"
    assert result.events[-1]["exit_code"] == code
    assert len(result.named("stop.requested")) == 1


@every_engine
@both_signals
def test_in_a_long_statement(database: Database, project: Project, start, number: signal.Signals) -> None:
    """It is cancelled on the server; what it changed is gone, and nothing of it took effect."""
    make_tables(database)
    project.migration("0001_one", logs("0001_one"))
    statement = slow_query(database, 60) if database.family == "sqlite" else slow_ddl(database, 60)
    open_gate = at_gate(project, "0002_slow", after=f'db.execute_sql("{statement}")')
    runner = start("migrate", cwd=project.path, env={**database.env, **AT_ONCE})
    wait_at_gate(project, "0002_slow", runner)
    open_gate()
    if database.family == "sqlite":
        time.sleep(0.3)
    else:
        wait_until(lambda: bool(running(database)))
    result = stop(runner, number)
    was_stopped(result, CODES[number])
    assert running(database) == []
    assert "slow_result" not in database.tables()
    assert applied(database) == ["0001_one"]
    nothing_is_left(database)
    assert project.run("migrate", "1", env=database.env).code == 0


@every_engine
@pytest.mark.parametrize("changed", [False, True], ids=["before-any-change", "after-a-change"])
def test_in_a_sleep(database: Database, project: Project, start, changed: bool) -> None:
    """The migration is rolled back; where the engine cannot, and something took effect, that is exit 7."""
    make_tables(database)
    project.migration("0001_one", logs("0001_one"))
    at_gate(project, "0002_two", before=logs("0002_two") if changed else "pass", after="time.sleep(60)")
    runner = start("migrate", cwd=project.path, env={**database.env, **AT_ONCE})
    wait_at_gate(project, "0002_two", runner)
    result = stop(runner)
    partial = changed and database.family == "mysql"
    was_stopped(result, 7 if partial else 143)
    assert applied(database) == ["0001_one"]
    assert logged(database) == (["0001_one", "0002_two"] if partial else ["0001_one"])
    again = project.run("migrate", "1", env=database.env)
    assert again.code == (7 if partial else 0)
    if partial:
        error = result.named("run.failed")[0]["error"]
        assert error["message"].startswith("0002_two was stopped part-way by SIGTERM.")
        assert error["statements"][-1]["outcome"] == "done"
        assert "INSERT INTO log" in error["statements"][-1]["statement"]
        assert "INSERT INTO log" in project.run("repair", env=database.env).stdout
    nothing_is_left(database)


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_past_peewee(database: Database, project: Project, start) -> None:
    """A statement on the driver's own connection is not seen by us, and still is cancelled on the server."""
    make_tables(database)
    project.migration("0001_raw", f'db.connection().cursor().execute("{slow_query(database, 60)}")')
    runner = start("migrate", cwd=project.path, env={**database.env, **AT_ONCE})
    wait_until(lambda: bool(running(database)))
    result = stop(runner)
    assert result.code in (143, 7), result.stderr
    assert applied(database) == []
    wait_until(lambda: running(database) == [], 2)
    nothing_is_left(database)


@every_engine
@both_signals
def test_while_waiting_for_the_lock(
    database: Database, project: Project, start, open_run: OpenRun, number: signal.Signals
) -> None:
    """It gives up at once, has changed nothing, and the holder keeps its lock."""
    project.migration("0001_one")
    holder = open_run(database.url)
    with holder.locked() as held:
        runner = start("migrate", cwd=project.path, env=database.env)
        read_until(runner, "lock.waiting")
        was_stopped(stop(runner, number), CODES[number])
        held.check()
    holder.close()
    assert applied(database) == []
    nothing_is_left(database)


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
@pytest.mark.parametrize("silent", [False, True], ids=["refused", "silent"])
def test_while_waiting_for_the_database(database: Database, project: Project, start, silent: bool) -> None:
    """Also in the middle of a try to connect, to a server that never says a word."""
    project.migration("0001_one")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if silent:
            listener.listen()
        kind = "postgresql" if database.family == "postgres" else "mysql"
        url = f"{kind}://u:p@127.0.0.1:{listener.getsockname()[1]}/x"
        runner = start("migrate", cwd=project.path, env={"SMALLS_DATABASE_URL": url, "SMALLS_WAIT_TIMEOUT": "60"})
        read_until(runner, "run.started" if silent else "database.waited")
        time.sleep(0.3)
        was_stopped(stop(runner), 143)


@every_engine
def test_anywhere_among_many_migrations(database: Database, project: Project, start) -> None:
    """Wherever it strikes, what is recorded is what was done, once each, and the next run finishes the rest."""
    make_tables(database)
    names = [f"{number:04}_step" for number in range(1, 101)]
    for name in names:
        project.migration(name, f"{logs(name)}\ntime.sleep(0.005)")
    for more in (1, 20, 40):
        target = len(logged(database)) + more
        runner = start("migrate", cwd=project.path, env=database.env)
        wait_until(lambda target=target, run=runner: run.poll() is not None or len(logged(database)) >= target)
        result = stop(runner)
        assert result.code in ({143, 7, 0} if database.family == "mysql" else {143, 0}), result.stderr
        rows, done = applied(database), logged(database)
        if result.code == 7:
            key = result.named("run.failed")[0]["migration"]
            assert done == [*rows, key]
            assert project.run("repair", "--mark-applied", key, "--yes", env=database.env).code == 0
        else:
            assert rows == done
    assert project.run("migrate", env=database.env).code == 0
    assert applied(database) == logged(database) == names


@pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
def test_code_that_swallows_everything(database: Database, project: Project, start) -> None:
    """A bare `except` in a migration does not let it go on to the end and be recorded."""
    make_tables(database)
    body = f"try:\n    time.sleep(60)\nexcept BaseException:\n    pass\n{logs('0001_one')}\n{logs('0001_one')}"
    open_gate = at_gate(project, "0001_one", after=body)
    runner = start("migrate", cwd=project.path, env={**database.env, **AT_ONCE})
    wait_at_gate(project, "0001_one", runner)
    open_gate()
    time.sleep(0.3)
    was_stopped(stop(runner), 143)
    assert applied(database) == logged(database) == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_when_all_is_done(database: Database, project: Project, start) -> None:
    """A signal that comes too late for the run does not give it another exit code than its log tells."""
    body = "atexit.register(os.kill, os.getpid(), signal.SIGTERM)"
    project.migration("0001_one", body, header="import atexit, os, signal\n")
    result = project.run("migrate", env=database.env)
    assert result.code == result.events[-1]["exit_code"] == 0


@both_signals
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_while_a_thread_of_the_code_goes_on(
    database: Database, project: Project, start, number: signal.Signals
) -> None:
    """A thread that nobody joined does not keep the process from ending when it is told to."""
    body = "threading.Thread(target=time.sleep, args=(60,)).start()"
    project.migration("0001_one", body, header="import threading\n")
    runner = start("migrate", cwd=project.path, env=database.env)
    read_until(runner, "run.finished")
    time.sleep(0.5)
    assert runner.poll() is None
    assert stop(runner, number).code == 0


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
def test_in_a_script(database: Database, project: Project, start) -> None:
    """`init` passes the stop on to its child and does not leave it behind."""
    project.write("initdb.py", "import time\nprint('begun', flush=True)\nopen('there', 'w')\ntime.sleep(60)\n")
    runner = start("init", cwd=project.path, env=database.env)
    wait_until((project.path / "there").exists)
    was_stopped(stop(runner), 143)
    nothing_is_left(database)


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_twice(database: Database, project: Project, start) -> None:
    """A second signal while the first is being obeyed does not cut the clean-up short."""
    make_tables(database)
    project.migration("0001_slow", f'db.execute_sql("{slow_ddl(database, 60)}")')
    runner = start("migrate", cwd=project.path, env=database.env)
    wait_until(lambda: bool(running(database)))
    runner.send_signal(signal.SIGTERM)
    read_until(runner, "stop.requested")  # the kernel makes one signal of two that come at once
    result = stop(runner)
    assert result.code == 143, result.stderr
    assert result.events[-1]["event"] == "run.finished"
    nothing_is_left(database)
