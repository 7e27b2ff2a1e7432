"""SMALLS_SHUTDOWN_GRACE: a migration that is at work at SIGTERM may finish, and is cut off when it does not."""

import signal
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
from tests.running import Project, Result, finish, wait_until
from tests.servers import ENGINES

Start = Callable[..., subprocess.Popen[str]]
every_engine = pytest.mark.parametrize("database", ENGINES, indirect=True)
some_engines = pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10", "mysql9"], indirect=True)
signals = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)


def grace(database: Database, seconds: float) -> dict[str, str]:
    """Give the environment of a run with this much grace."""
    return {**database.env, "SMALLS_SHUTDOWN_GRACE": str(seconds)}


def begin_statement(database: Database, project: Project, start: Start, statement: str, seconds: float):
    """Start a run, with one migration applied, a slow one at its statement, and one more to come."""
    make_tables(database)
    project.migration("0001_one", logs("0001_one"))
    open_gate = at_gate(project, "0002_slow", after=f'db.execute_sql("{statement}")\n{logs("0002_slow")}')
    project.migration("0003_three", logs("0003_three"))
    runner = start("migrate", cwd=project.path, env=grace(database, seconds))
    wait_at_gate(project, "0002_slow", runner)
    open_gate()
    if database.family == "sqlite":
        time.sleep(0.3)
    else:
        wait_until(lambda: bool(running(database)))
    return runner


def timed(runner: subprocess.Popen[str]) -> tuple[Result, float]:
    """Wait for a run's end; give its result and how long that took."""
    began = time.monotonic()
    return finish(runner, 30), time.monotonic() - began


@every_engine
def test_a_migration_that_fits_is_finished_and_recorded(database: Database, project: Project, start: Start) -> None:
    """Its statement is not cancelled and its code not interrupted; nothing after it begins."""
    statement = slow_query(database, 2)
    if database.family == "sqlite":
        statement = statement.replace("1e9", "3e6")
    runner = begin_statement(database, project, start, statement, 20)
    runner.send_signal(signal.SIGTERM)
    result, took = timed(runner)
    assert result.code == 143, result.stderr
    assert took < 10
    assert applied(database) == logged(database) == ["0001_one", "0002_slow"]
    assert result.events[-1]["applied"] == 2
    assert result.events[-1]["pending"] == 1
    assert len(result.named("stop.requested")) == 1
    assert "20 s to finish" in result.named("stop.requested")[0]["message"]
    assert result.named("stop.enforced") == []
    nothing_is_left(database)
    assert project.run("migrate", env=database.env).code == 0


@every_engine
def test_one_that_does_not_fit_is_cut_off_in_its_statement(
    database: Database, project: Project, start: Start
) -> None:
    """When the time is over the statement is cancelled on the server, and the migration rolled back."""
    statement = slow_query(database, 60) if database.family == "sqlite" else slow_ddl(database, 60)
    runner = begin_statement(database, project, start, statement, 1)
    runner.send_signal(signal.SIGTERM)
    result, took = timed(runner)
    assert result.code == 143, result.stderr
    assert 0.9 < took < 5
    assert [event["reason"] for event in result.named("stop.enforced")] == ["grace"]
    assert running(database) == []
    assert applied(database) == logged(database) == ["0001_one"]
    nothing_is_left(database)


@some_engines
def test_one_that_does_not_fit_is_cut_off_in_its_code(database: Database, project: Project, start: Start) -> None:
    """Code that waits in Python is interrupted too."""
    make_tables(database)
    at_gate(project, "0001_one", after="time.sleep(60)")
    runner = start("migrate", cwd=project.path, env=grace(database, 1))
    wait_at_gate(project, "0001_one", runner)
    runner.send_signal(signal.SIGTERM)
    result, took = timed(runner)
    assert result.code == 143, result.stderr
    assert 0.9 < took < 5
    assert applied(database) == []
    nothing_is_left(database)


@some_engines
@signals
def test_a_second_signal_ends_the_grace(
    database: Database, project: Project, start: Start, number: signal.Signals
) -> None:
    """SIGTERM again, or Ctrl-C, cuts at once; the first signal decides the exit code."""
    runner = begin_statement(database, project, start, slow_query(database, 60), 60)
    runner.send_signal(signal.SIGTERM)
    read_until(runner, "stop.requested")
    assert runner.poll() is None
    runner.send_signal(number)
    result, took = timed(runner)
    assert result.code == 143, result.stderr
    assert took < 5
    assert [event["reason"] for event in result.named("stop.enforced")] == ["signal"]
    assert applied(database) == logged(database) == ["0001_one"]
    nothing_is_left(database)


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
def test_sigint_and_the_deadline_leave_no_grace(database: Database, project: Project, start: Start) -> None:
    """A person who presses Ctrl-C does not want to wait; the run's own deadline is one."""
    make_tables(database)
    at_gate(project, "0001_one", after="time.sleep(60)")
    runner = start("migrate", cwd=project.path, env=grace(database, 60))
    wait_at_gate(project, "0001_one", runner)
    runner.send_signal(signal.SIGINT)
    result, took = timed(runner)
    assert (result.code, took < 5) == (130, True), result.stderr
    late = project.run("migrate", env={**grace(database, 60), "SMALLS_RUN_TIMEOUT": "1"}, timeout=20)
    assert late.code == 143


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
def test_the_deadline_also_ends_the_grace(database: Database, project: Project, start: Start) -> None:
    """Of the run's own time and the grace, the shorter one counts."""
    make_tables(database)
    at_gate(project, "0001_one", after="time.sleep(60)")
    runner = start("migrate", cwd=project.path, env={**grace(database, 60), "SMALLS_RUN_TIMEOUT": "4"})
    wait_at_gate(project, "0001_one", runner)
    runner.send_signal(signal.SIGTERM)
    result, took = timed(runner)
    assert (result.code, took < 8) == (143, True), result.stderr
    assert applied(database) == []


@some_engines
def test_a_failure_in_the_grace_is_told_as_one(database: Database, project: Project, start: Start) -> None:
    """A migration that fails by itself after the signal is a failure, which a rerun does not mend."""
    make_tables(database)
    open_gate = at_gate(project, "0001_one", after="raise ValueError('by itself')")
    runner = start("migrate", cwd=project.path, env=grace(database, 20))
    wait_at_gate(project, "0001_one", runner)
    runner.send_signal(signal.SIGTERM)
    read_until(runner, "stop.requested")
    open_gate()
    result, _ = timed(runner)
    assert result.code == 6, result.stderr
    assert "by itself" in result.named("run.failed")[0]["error"]["message"]


@some_engines
def test_when_the_last_one_fits_the_run_is_done(database: Database, project: Project, start: Start) -> None:
    """All that was pending is applied: that is 0, as the last line says."""
    make_tables(database)
    open_gate = at_gate(project, "0001_one", after=logs("0001_one"))
    runner = start("migrate", cwd=project.path, env=grace(database, 20))
    wait_at_gate(project, "0001_one", runner)
    runner.send_signal(signal.SIGTERM)
    read_until(runner, "stop.requested")
    open_gate()
    result, _ = timed(runner)
    assert result.code == result.events[-1]["exit_code"] == 0, result.stderr
    assert applied(database) == logged(database) == ["0001_one"]
    nothing_is_left(database)


@some_engines
def test_undoing_may_finish_too(database: Database, project: Project, start: Start) -> None:
    """A rollback's migration has the same time."""
    make_tables(database)
    project.migration("0001_one", logs("0001_one"), logs("undo_1"))
    project.migration("0002_two", logs("0002_two"), f"open('there', 'w')\ntime.sleep(2)\n{logs('undo_2')}")
    assert project.run("migrate", env=database.env).code == 0
    runner = start("rollback", "0", "--yes", cwd=project.path, env=grace(database, 20))
    wait_until((project.path / "there").exists)
    runner.send_signal(signal.SIGTERM)
    result, _ = timed(runner)
    assert result.code == 143, result.stderr
    assert applied(database) == ["0001_one"]
    assert logged(database) == ["0001_one", "0002_two", "undo_2"]


# ── statements that hide that they were cancelled ──


@pytest.mark.parametrize("database", ["mariadb10", "mariadb11", "mysql9"], indirect=True)
@pytest.mark.parametrize("how", ["signal", "timeout"])
def test_a_sleep_that_was_cut_is_no_success(database: Database, project: Project, start: Start, how: str) -> None:
    """MySQL's SLEEP() returns 1 when it is cancelled, without an error; that does not apply the migration."""
    project.migration("0001_sleep", "db.execute_sql('SELECT SLEEP(60) AS smalls_slow_one')")
    env = {**grace(database, 0), **({"SMALLS_STATEMENT_TIMEOUT": "1"} if how == "timeout" else {})}
    runner = start("migrate", cwd=project.path, env=env)
    wait_until(lambda: bool(running(database)))
    if how == "signal":
        runner.send_signal(signal.SIGTERM)
    result, took = timed(runner)
    assert took < 5
    assert result.code == (143 if how == "signal" else 6), result.stderr
    assert applied(database) == []
    if how == "timeout":
        error = result.named("run.failed")[0]["error"]
        if database.engine == "mysql9":  # MariaDB has an error of its own
            assert "longer than 1 s" in error["message"]
        assert "SLEEP(60)" in error["statement"]
        assert "SMALLS_STATEMENT_TIMEOUT" in error["hint"]


# ── scripts ──

SCRIPT = """\
import signal, sys, time
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
open("there", "w")
while not ended{or_ever}:
    time.sleep(0.05)
print("put away")
sys.exit({code})
"""


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
@pytest.mark.parametrize(("code", "ours"), [(0, 0), (3, 143)])
def test_a_script_may_end_by_itself(
    database: Database, project: Project, start: Start, code: int, ours: int
) -> None:
    """SIGTERM is passed on to it; where it then ends well, it is done."""
    project.write("initdb.py", SCRIPT.format(or_ever="", code=code))
    runner = start("init", cwd=project.path, env=grace(database, 20))
    wait_until((project.path / "there").exists)
    runner.send_signal(signal.SIGTERM)
    result, took = timed(runner)
    assert (result.code, took < 5) == (ours, True), result.stderr
    assert [event["message"] for event in result.named("script.output")] == ["put away"]
    nothing_is_left(database)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("twice", [False, True])
def test_a_script_that_does_not_listen_is_killed(
    database: Database, project: Project, start: Start, twice: bool
) -> None:
    """When the time is over, or at a second signal."""
    project.write("initdb.py", SCRIPT.format(or_ever=" or True", code=0))
    runner = start("init", cwd=project.path, env=grace(database, 60 if twice else 1))
    wait_until((project.path / "there").exists)
    runner.send_signal(signal.SIGTERM)
    if twice:
        read_until(runner, "stop.requested")
        runner.send_signal(signal.SIGTERM)
    result, took = timed(runner)
    assert (result.code, took < 5) == (143, True), result.stderr
