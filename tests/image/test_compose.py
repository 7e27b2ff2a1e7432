"""The Compose file: SQLite with no set-up, and each profile with server, smalls and app, in order."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.image.conftest import ROOT
from tests.running import wait_until
from tests.servers import at_end, docker, run_folder

Compose = Callable[..., CompletedProcess]


@pytest.fixture
def compose(image: str, request: pytest.FixtureRequest) -> Iterator[Compose]:
    """Give `compose(*words)`: docker compose as a user runs it, in a project of its own."""
    name = f"{run_folder().name}-{os.getpid()}-compose"
    base = ("compose", "--project-name", name, "--file", str(ROOT / "docker-compose.yml"))
    down = (*base, "--profile=*", "down", "--volumes", "--timeout=1", "--remove-orphans")
    at_end(name, *down)

    def run(*words: str) -> CompletedProcess:
        return docker(*base, *words, env={"SMALLS_IMAGE": image, "APP_PORT": "0"})

    yield run
    docker(*down)


def test_sqlite_needs_no_set_up(compose: Compose) -> None:
    """`docker compose run --rm smalls migrate`, then status: all applied, in a volume that stays."""
    first = compose("run", "--rm", "smalls", "migrate")
    assert first.returncode == 0, first.stderr
    again = compose("run", "--rm", "smalls", "status", "--exit-code")
    assert again.returncode == 0, again.stderr
    assert "0002_adding_the_password_reset_count_field_to_users" in again.stdout


@pytest.mark.parametrize("server", ["postgres", "mysql"])
def test_app_starts_after_smalls_succeeded(compose: Compose, server: str) -> None:
    """A profile brings the server, then smalls, then the app; a second `up` changes nothing."""
    up = compose(f"--profile={server}", "up", "--detach")
    assert up.returncode == 0, up.stderr
    smalls, app = _state(compose, f"smalls-{server}"), _state(compose, f"app-{server}")
    assert smalls["FinishedAt"] < app["StartedAt"]
    line = "app: users(id, username, email, reset_count), 0 rows"
    wait_until(lambda: line in compose("logs", f"app-{server}").stdout)
    again = compose(f"--profile={server}", "up", "--detach")
    assert again.returncode == 0, again.stderr
    assert _state(compose, f"smalls-{server}")["ExitCode"] == 0


def test_app_does_not_start_when_smalls_failed(compose: Compose, tmp_path: Path) -> None:
    """A database that is not there stops the roll-out before the app."""
    override = tmp_path / "override.yml"
    override.write_text("services: {smalls-postgres: {environment: {SMALLS_DB_NAME: nowhere}}}")
    up = compose("--file", str(override), "--profile=postgres", "up", "--detach")
    assert up.returncode != 0
    assert _state(compose, "smalls-postgres")["ExitCode"] == 3
    assert not _state(compose, "app-postgres")["Running"]


def _state(compose: Compose, service: str) -> dict:
    (container,) = compose("--profile=*", "ps", "--all", "--quiet", service).stdout.split()
    return json.loads(docker("inspect", "--format={{json .State}}", container).stdout)
