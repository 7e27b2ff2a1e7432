"""Smalls as process 1: signals reach it, its orphans are taken in, and `docker stop` leaves nothing running."""

import os
import time
from collections.abc import Callable, Iterator

import pytest

from tests.databases import Database
from tests.faults.scenes import applied, running, sessions, slow_ddl, slow_query
from tests.image.conftest import HARDENED
from tests.running import Project, Result, wait_until
from tests.servers import at_end, docker, run_folder

Container = Callable[..., Result]
one_of_each = pytest.mark.parametrize(
    "database", ["sqlite", "postgres17", "mariadb11", "mysql9"], indirect=True, ids=lambda engine: engine
)
SQLITE_URL = "sqlite:////tmp/x.db"


def mounted(project: Project) -> str:
    """Give the option that puts a project's migrations in a container."""
    return f"--volume={project.migrations}:/app/migrations:ro"


class Running:
    """A container that runs `smalls migrate` for a while."""

    def __init__(self, image: str, database: Database, project: Project, **env: str) -> None:
        self.name = f"{run_folder().name}-{os.getpid()}-one"
        at_end(self.name, "rm", "--force", self.name)
        # The data of SQLite are this machine's, so the container's user is too.
        who = [f"--user={os.getuid()}:0", f"--volume={project.path}:/data"] if database.server is None else []
        url = database.url if database.server else "sqlite:////data/x.db"
        variables = [f"--env={name}={text}" for name, text in {**env, "SMALLS_DATABASE_URL": url}.items()]
        how = ("--detach", "--network=host", f"--name={self.name}", *HARDENED, *who, "--tmpfs=/tmp")
        done = docker("run", *how, mounted(project), *variables, image, "migrate")
        assert done.returncode == 0, done.stderr

    def says(self, words: str) -> bool:
        """Tell whether its log has these words."""
        done = docker("logs", self.name)
        return words in done.stdout + done.stderr

    def stop(self, seconds: int) -> tuple[Result, float]:
        """Have it stopped, and killed after so many seconds; give what it left, and how long that took."""
        began = time.monotonic()
        docker("stop", f"--time={seconds}", self.name)
        took = time.monotonic() - began
        code = int(docker("inspect", "--format={{.State.ExitCode}}", self.name).stdout)
        logs = docker("logs", self.name)
        return Result(code, logs.stdout, logs.stderr), took


@pytest.fixture
def run_it(image: str, database: Database, project: Project) -> Iterator[Callable[..., Running]]:
    """Give what starts the container."""
    made = []

    def run(**env: str) -> Running:
        made.append(Running(image, database, project, **env))
        return made[-1]

    yield run
    for each in made:
        docker("rm", "--force", each.name)


def at_work(database: Database, container: Running) -> None:
    """Wait until the slow statement runs on the server."""
    wait_until(lambda: container.says("begun"))
    time.sleep(0.5)
    if database.server:
        wait_until(lambda: bool(running(database)))


def write(database: Database, project: Project, statement: str) -> None:
    """Write a migration of one slow statement, and one that must not begin."""
    if database.server:
        database.execute("CREATE TABLE slow (n INTEGER); INSERT INTO slow VALUES (1)")
    project.migration("0001_slow", f'print("begun", flush=True)\ndb.execute_sql("{statement}")')
    project.migration("0002_later", "db.execute_sql('CREATE TABLE later (n INTEGER)')")


@one_of_each
def test_docker_stop_in_a_long_statement(
    database: Database, project: Project, run_it: Callable[..., Running]
) -> None:
    """With the settings as they come and Docker's own ten seconds: cancelled, rolled back, 143, nothing runs on."""
    write(database, project, slow_ddl(database, 300) if database.server else slow_query(database, 300))
    container = run_it()
    at_work(database, container)
    result, took = container.stop(10)
    assert result.code == 143, result.stderr
    assert 4.5 < took < 9
    assert result.events[-1]["exit_code"] == 143
    assert [event["reason"] for event in result.named("stop.enforced")] == ["grace"]
    assert running(database) == []
    assert sessions(database) == []
    if database.server:
        assert applied(database) == []
        assert not {"later", "slow_result"} & set(database.tables())


@one_of_each
def test_docker_stop_in_a_migration_that_fits(
    database: Database, project: Project, run_it: Callable[..., Running]
) -> None:
    """It is finished and recorded, and the next one does not begin."""
    statement = slow_query(database, 3).replace("1e9", "1e7")
    write(database, project, statement)
    container = run_it(SMALLS_SHUTDOWN_GRACE="40")
    at_work(database, container)
    result, took = container.stop(60)
    assert result.code == 143, result.stderr
    assert took < 30
    assert [event["migration"] for event in result.named("migration.applied")] == ["0001_slow"]
    assert result.events[-1]["pending"] == 1
    if database.server:
        assert applied(database) == ["0001_slow"]
        assert "later" not in database.tables()
        wait_until(lambda: sessions(database) == [], 5)


ORPHANS = """\
def orphan():
    # A child that has a child and ends: its own child is process 1's from then on, and ends as well.
    if not os.fork():
        if not os.fork():
            time.sleep(0.2)
        os._exit(0)


def zombies():
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
        except OSError:
            continue
        if words[0] == "Z" and words[1] == "1":
            found.append(pid)
    return found
"""


def test_orphans_are_taken_in_and_children_are_left_alone(container: Container, project: Project) -> None:
    """No zombie is left of a migration's daemons, and what it waits for itself it gets."""
    body = """\
        for _ in range(20):
            orphan()
        codes = [subprocess.run(["sh", "-c", f"exit {code}"]).returncode for code in range(40)]
        assert codes == list(range(40)), codes
        while True:
            try:
                os.wait()
            except ChildProcessError:
                break
        time.sleep(0.5)
        assert zombies() == [], zombies()
        assert os.getpid() != 1
    """
    project.migration("0001_a", body, header=f"import os, subprocess\n\n\n{ORPHANS}")
    done = container("migrate", env={"SMALLS_DATABASE_URL": SQLITE_URL}, options=(mounted(project), "--tmpfs=/tmp"))
    assert done.code == 0, done.stderr


def test_what_was_left_behind_does_not_hold_up_the_end(container: Container, project: Project) -> None:
    """A daemon that ignores every signal and holds our streams is gone with the container, at once."""
    body = """\
        script = "trap '' TERM INT HUP; sleep 600"
        subprocess.Popen(["sh", "-c", script], start_new_session=True)
    """
    project.migration("0001_a", body, header="import subprocess\n")
    began = time.monotonic()
    done = container("migrate", env={"SMALLS_DATABASE_URL": SQLITE_URL}, options=(mounted(project), "--tmpfs=/tmp"))
    assert done.code == 0, done.stderr
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("code", [0, 7, 255])
def test_a_scripts_exit_code_passes(container: Container, project: Project, code: int) -> None:
    """`init` has its child to itself: 0 where the script ended well, 12 with its code in words where not."""
    script = project.write("initdb.py", f"import os, sys\nprint(os.getppid() != 1)\nsys.exit({code})\n")
    options = (f"--volume={script}:/app/initdb.py:ro", mounted(project), "--tmpfs=/tmp")
    env = {"SMALLS_DATABASE_URL": SQLITE_URL, "SMALLS_YES": "1"}
    done = container("init", env=env, options=options)
    assert done.code == (12 if code else 0), done.stderr
    assert [event["message"] for event in done.named("script.output")] == ["True"]


def test_a_run_that_is_killed_tells_so(container: Container, project: Project) -> None:
    """The kernel's own kill (too little memory, say) is 137, as it would be without process 1."""
    project.migration("0001_a", "os.kill(os.getpid(), signal.SIGKILL)", header="import os, signal\n")
    done = container("migrate", env={"SMALLS_DATABASE_URL": SQLITE_URL}, options=(mounted(project), "--tmpfs=/tmp"))
    assert done.code == 137


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_other_signals_pass_as_well(database: Database, project: Project, run_it: Callable[..., Running]) -> None:
    """SIGINT, as `docker run` in the foreground passes it on at Ctrl-C, is 130."""
    project.migration("0001_slow", "print('begun', flush=True)\ntime.sleep(300)")
    running_one = run_it()
    wait_until(lambda: running_one.says("begun"))
    docker("kill", "--signal=INT", running_one.name)
    wait_until(lambda: running_one.says("run.finished"))
    result, _ = running_one.stop(10)
    assert result.code == 130, result.stderr
