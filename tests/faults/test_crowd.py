"""Many runners at once: each migration exactly once, everybody ends well, and waiting is told."""

import json
import subprocess
from collections.abc import Callable

import pytest

from tests.databases import Database
from tests.faults.scenes import (
    applied,
    at_gate,
    code_of,
    logged,
    logs,
    moment,
    nothing_is_left,
    settled,
    wait_at_gate,
)
from tests.ports import Opened
from tests.running import SMALLS, Project, clean_environment, finish, wait_until

RUNNERS, MIGRATIONS = 20, 30
OpenRun = Callable[..., Opened]


def test_twenty_runners_apply_each_migration_once(database: Database, project: Project) -> None:
    """Twenty start together on an empty database; nineteen wait, name the holder, and find nothing to do."""
    names = [f"{number:04}_step" for number in range(1, MIGRATIONS + 1)]
    make = "db.execute_sql('CREATE TABLE log (migration VARCHAR(40), runner INTEGER)')"
    open_gate = at_gate(project, names[0], after=f"{make}\n{logs(names[0])}")
    for name in names[1:]:
        project.migration(name, f"time.sleep(0.01)\n{logs(name)}")
    errors = [project.path / f"runner{number}.log" for number in range(RUNNERS)]
    runners = [_start(project, database, path) for path in errors]
    try:
        wait_until(lambda: sum("lock.waiting" in settled(path) for path in errors) == RUNNERS - 1, 60)
        open_gate()
        codes = [runner.wait(60) for runner in runners]
    finally:
        for runner in runners:
            runner.kill()
    events = [[json.loads(line) for line in path.read_text().splitlines()] for path in errors]
    assert codes == [0] * RUNNERS, [path.read_text() for path in errors if codes[errors.index(path)]][:1]
    assert logged(database) == names
    assert applied(database) == names
    assert (
        sorted(each["migration"] for run in events for each in run if each["event"] == "migration.applied") == names
    )
    waits = [[each["holder"] for each in run if each["event"] == "lock.waiting"] for run in events]
    assert sum(bool(holders) and all(holder["session"] for holder in holders) for holders in waits) == RUNNERS - 1
    assert all(run[-1]["event"] == "run.finished" for run in events)
    nothing_is_left(database)


def _start(project: Project, database: Database, errors) -> subprocess.Popen:
    with errors.open("wb") as stream:
        return subprocess.Popen(
            [*SMALLS, "migrate"],
            cwd=project.path,
            env=clean_environment(database.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stream,
        )


def test_nothing_pending_does_not_wait(database: Database, project: Project, open_run: OpenRun) -> None:
    """A runner whose files are all applied ends at once, whoever holds the lock."""
    project.migration("0001_one")
    assert project.run("migrate", env=database.env).code == 0
    with open_run(database.url).locked():
        result = project.run("migrate", env=database.env, timeout=10)
    assert result.code == 0, result.stderr
    assert not result.named("lock.waiting")
    assert not result.named("lock.acquired")


@pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
def test_an_older_image_meets_a_runner_at_work(database: Database, project: Project, start, tmp_path) -> None:
    """It need not wait, unless the server shows it a migration that was begun: whether that ends is to be seen."""
    older = Project(tmp_path / "older")
    older.migrations.mkdir(parents=True)
    for each in (project, older):
        each.migration("0001_one")
    open_gate = at_gate(project, "0002_two", before="db.execute_sql('CREATE TABLE begun (n INTEGER)')")
    holder = start("migrate", cwd=project.path, env=database.env)
    wait_at_gate(project, "0002_two", holder)
    result = older.run("migrate", env={**database.env, "SMALLS_LOCK_TIMEOUT": "0.2"})
    if database.family == "mysql":
        assert result.code == 5
        assert result.named("lock.waiting")
    else:
        assert result.code == 0, result.stderr
        assert not result.named("lock.waiting")
    open_gate()
    assert finish(holder).code == 0


def test_the_wait_ends_at_its_bound(database: Database, project: Project, open_run: OpenRun) -> None:
    """Exit 5, within a second of the bound, with the holder in the error."""
    project.migration("0001_one")
    with open_run(database.url).locked() as held:
        result = project.run("migrate", env={**database.env, "SMALLS_LOCK_TIMEOUT": "0.6"})
        session = held.first.holder().session
    assert result.code == 5
    assert code_of(result) == "SML-LOCK-TIMEOUT"
    error = result.named("run.failed")[0]["error"]
    assert error["holder"]["session"] == session
    assert session in error["message"]
    waiting, failed = result.named("lock.waiting")[0], result.named("run.failed")[0]
    waited = moment(failed) - moment(waiting) + waiting["waited_ms"] / 1000
    assert 0.59 <= waited < 1.6  # log times are cut to the millisecond
    assert applied(database) == []


@pytest.mark.parametrize("command", ["init", "seed"])
def test_a_script_runs_smalls_under_its_parents_lock(database: Database, project: Project, command: str) -> None:
    """`smalls migrate` inside the script neither waits for its parent nor gives the parent's lock away."""
    project.migration("0001_one", "db.execute_sql('CREATE TABLE t (id INTEGER)')")
    project.migration("0002_two")
    project.write(
        {"init": "initdb.py", "seed": "seed.py"}[command],
        """\
        import subprocess, sys

        for target in ("1", "2"):
            subprocess.run([sys.executable, "-m", "smalls", "migrate", target], check=True)
        """,
    )
    result = project.run(command, env={**database.env, "SMALLS_LOCK_TIMEOUT": "2"})
    assert result.code == 0, result.stderr
    said = [line["message"] for line in result.named("script.output")]
    assert sum("lock.inherited" in line for line in said) == 2
    assert not any("lock.waiting" in line for line in said)
    assert applied(database) == ["0001_one", "0002_two"]
    nothing_is_left(database)
