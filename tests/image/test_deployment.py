"""Deployments that go wrong or grow, with the image, Compose and a real server: what each run ends with."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.image.conftest import Compose, composed, state, states
from tests.running import Project, Result, wait_until
from tests.servers import docker

REPLICAS = 10
PASSWORD = "p@ss:/%word"
NAMES = ["0001_one", "0002_two", "0003_three"]
RETRY = {4, 15}  # the database is away: the only codes that make a scheduler try again

FILE = """
x-smalls: &smalls
  image: ${SMALLS_IMAGE:-smalls}
  user: "1000680000:0" # as OpenShift gives them: nobody that the image knows, in group 0
  read_only: true
  cap_drop: [ALL]
  security_opt: [no-new-privileges]
  environment:
    SMALLS_DB_ENGINE: postgresql
    SMALLS_DB_HOST: postgres
    SMALLS_DB_NAME: postgres
    SMALLS_DB_USER: postgres
    SMALLS_DB_PASSWORD_FILE: /run/secrets/db_password
  secrets: [db_password]
  volumes: [./project/migrations:/app/migrations:ro, ./gate:/gate:ro]

services:
  postgres:
    image: postgres:17
    command: [-c, fsync=off]
    environment: { POSTGRES_PASSWORD: "${DB_PASSWORD:-}" }
  smalls:
    <<: *smalls
    command: [migrate]
  app:
    <<: *smalls
    entrypoint: [sh, -c, smalls migrate && echo the app starts && exec sleep 300]
    init: true

secrets:
  db_password: { file: ./password }
"""
AT_GATE = "db.execute_sql('SELECT 1')\nprint('at the gate', flush=True)\nwhile not os.path.exists('/gate/open'):"


@dataclass(frozen=True)
class Deployment:
    """A Compose project: a server, smalls, and an app whose every replica runs smalls first."""

    compose: Compose
    project: Project
    folder: Path

    def run(self) -> Result:
        """Run smalls to its end, as a new container."""
        done = self.compose("run", "--rm", "smalls")
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self) -> None:
        """Start smalls, and nothing else."""
        done = self.compose("up", "--detach", "smalls")
        assert done.returncode == 0, done.stderr

    def ended(self, seconds: float) -> Result:
        """Wait for the end of what `start` started."""
        wait_until(lambda: not state(self.compose, "smalls")["Running"], seconds)
        return Result(state(self.compose, "smalls")["ExitCode"], "", self.log("smalls"))

    def log(self, service: str) -> str:
        """Read what a service's containers have said so far."""
        containers = self.compose("ps", "--all", "--quiet", service).stdout.split()
        logs = [docker("logs", each) for each in containers]
        return "".join(each.stdout + each.stderr for each in logs)

    def start_server(self) -> None:
        """Start PostgreSQL, not waiting for it."""
        assert self.compose("up", "--detach", "postgres").returncode == 0

    def kill(self, service: str) -> None:
        """End a service's container with SIGKILL."""
        (container,) = self.compose("ps", "--quiet", service).stdout.split()
        assert docker("kill", container).returncode == 0

    def open_gate(self) -> None:
        """Let a migration that waits at the gate go on, and later ones pass."""
        (self.folder / "gate" / "open").touch()

    def wait_at_gate(self) -> None:
        """Wait until a migration is at the gate."""
        wait_until(lambda: "at the gate" in self.log("smalls"), 60)

    def rows(self, sql: str) -> list[str]:
        """Ask the server."""
        query = ("psql", "--username=postgres", "--tuples-only", "--no-align", f"--command={sql}")
        done = self.compose("exec", "-T", "postgres", *query)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()


@pytest.fixture
def deployment(image: str, project: Project, tmp_path: Path) -> Iterator[Deployment]:
    """Give a deployment with nothing started; each migration notes in a table that it ran."""
    file = tmp_path / "docker-compose.yml"
    file.write_text(FILE)
    (tmp_path / "password").write_text(PASSWORD + "\n")
    (tmp_path / "gate").mkdir()
    project.migration(NAMES[0], f"db.execute_sql('CREATE TABLE ran (name text)')\n{notes(NAMES[0])}")
    for name in NAMES[1:]:
        project.migration(name, notes(name))
    with composed(image, file, "deployment", {"DB_PASSWORD": PASSWORD}) as compose:
        yield Deployment(compose, project, tmp_path)


def notes(name: str) -> str:
    """Give the line of a migration that notes that it ran."""
    return f"db.execute_sql(\"INSERT INTO ran VALUES ('{name}')\")"


def put_a_gate(deployment: Deployment, between: str = "pass") -> None:
    """Have the second migration wait at the gate when its own change is made and not committed."""
    lines = [notes(NAMES[1]), AT_GATE, "    time.sleep(0.05)", *(f"    {each}" for each in between.splitlines())]
    deployment.project.migration(NAMES[1], "\n".join(lines), header="import os\n")


def applied_once(deployment: Deployment) -> None:
    """Hold the database to each migration applied, and run, exactly once and in order."""
    assert deployment.rows("SELECT name FROM migration_history ORDER BY id") == NAMES
    assert deployment.rows("SELECT name FROM ran ORDER BY name") == NAMES


def applied_in(log: str) -> list[str]:
    """Name the migrations that a log says were applied, in alphabetical order."""
    return sorted(each["migration"] for each in Result(0, "", log).named("migration.applied"))


def test_a_rollout_of_ten_replicas(deployment: Deployment) -> None:
    """Ten replicas on one empty database: each migration runs once, the others wait, and every app starts."""
    for name in NAMES[1:]:
        deployment.project.migration(name, f"time.sleep(1)\n{notes(name)}")
    up = deployment.compose("up", "--detach", f"--scale=app={REPLICAS}", "postgres", "app")
    assert up.returncode == 0, up.stderr
    wait_until(lambda: deployment.log("app").count("the app starts") == REPLICAS, 90)
    assert [each["Running"] for each in states(deployment.compose, "app")] == [True] * REPLICAS
    log = deployment.log("app")
    assert applied_in(log) == NAMES
    assert [each["exit_code"] for each in Result(0, "", log).named("run.finished")] == [0] * REPLICAS
    assert Result(0, "", log).named("lock.waiting")
    applied_once(deployment)


def test_killed_in_the_middle_and_run_again(deployment: Deployment) -> None:
    """`docker kill` in the second migration: it is as if that had never begun, and the next run goes on there."""
    put_a_gate(deployment)
    deployment.start_server()
    deployment.start()
    deployment.wait_at_gate()
    deployment.kill("smalls")
    killed = deployment.ended(10)
    assert killed.code == 137
    assert deployment.rows("SELECT name FROM ran") == NAMES[:1]
    deployment.open_gate()
    again = deployment.run()
    assert again.code == 0, again.stderr
    assert applied_in(again.stderr) == NAMES[1:]
    applied_once(deployment)


@pytest.mark.parametrize("between", ["pass", "db.execute_sql('SELECT 2')"], ids=["silent", "asking"])
def test_the_server_dies_in_the_middle(deployment: Deployment, between: str) -> None:
    """The run ends with a code that asks for a retry, soon; when the server is back, the retry goes on."""
    put_a_gate(deployment, between)
    deployment.start_server()
    deployment.start()
    deployment.wait_at_gate()
    deployment.kill("postgres")
    deployment.open_gate()
    died = deployment.ended(90)
    assert died.code in RETRY, died.stderr
    assert died.events[-1]["event"] == "run.finished"
    deployment.start_server()
    again = deployment.run()
    assert again.code == 0, again.stderr
    assert applied_in(again.stderr) == NAMES[1:]
    applied_once(deployment)


def test_the_server_hangs(deployment: Deployment) -> None:
    """`docker stop` gets its word within its ten seconds, and nothing is left when the server wakes."""
    put_a_gate(deployment, "db.execute_sql('SELECT pg_sleep(300)')")
    deployment.start_server()
    deployment.start()
    sleeping = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%sleep(300)%' AND pid <> pg_backend_pid()"
    deployment.wait_at_gate()
    wait_until(lambda: bool(deployment.rows(sleeping)))
    assert deployment.compose("pause", "postgres").returncode == 0
    try:
        assert deployment.compose("stop", "smalls").returncode == 0
        hung = deployment.ended(1)
    finally:
        deployment.compose("unpause", "postgres")
    assert hung.code == 143, hung.stderr
    assert [event["answering"] for event in hung.named("stop.abandoned")] == [False]
    assert hung.events[-1]["exit_code"] == 143
    wait_until(lambda: not deployment.rows(sleeping), 20)
    deployment.open_gate()
    assert deployment.run().code == 0
    applied_once(deployment)


def test_the_server_comes_20_seconds_late(deployment: Deployment) -> None:
    """First nobody knows its name: smalls waits, says so once for each reason, and then migrates."""
    deployment.start()
    time.sleep(20)
    assert state(deployment.compose, "smalls")["Running"], deployment.log("smalls")
    deployment.start_server()
    late = deployment.ended(60)
    assert late.code == 0, late.stderr
    reasons = [each["reason"] for each in late.named("database.waited")]
    assert reasons[0] == "unknown_host"
    assert len(reasons) <= 5
    assert late.named("database.connected")[0]["waited_ms"] >= 19_000
    applied_once(deployment)


def test_a_wrong_password_is_told_at_once(deployment: Deployment) -> None:
    """Exit 3 within seconds, though an absent server would be waited for; no word of the password."""
    deployment.start_server()
    assert deployment.run().code == 0
    (deployment.folder / "password").write_text("wr0ng-passw0rd")
    began = time.monotonic()
    refused = deployment.run()
    assert time.monotonic() - began < 10
    assert refused.code == 3
    assert refused.named("run.failed")[0]["error"]["code"] == "SML-DATABASE-CREDENTIALS"
    assert "wr0ng-passw0rd" not in refused.stderr + refused.stdout
