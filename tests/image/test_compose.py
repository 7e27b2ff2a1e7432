"""The Compose file: SQLite with no set-up, and each profile with server, smalls and app, in order."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.image.conftest import NONE, ROOT
from tests.running import wait_until
from tests.servers import at_end, docker, run_folder

Compose = Callable[..., CompletedProcess]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give a copy of what the Compose file needs, as in a fresh clone."""
    for name in ("docker-compose.yml", ".env"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("migrations", "docker/app"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def compose(image: str, checkout: Path) -> Iterator[Compose]:
    """Give `compose(*words)`: docker compose as a user runs it, in a project of its own."""
    name = f"{run_folder().name}-{os.getpid()}-compose"
    base = ("compose", "--project-name", name, "--file", str(checkout / "docker-compose.yml"))
    down = (*base, "--profile=*", "down", "--volumes", "--timeout=1", "--remove-orphans")
    at_end(name, *down)

    def run(*words: str, env: Mapping[str, str] = NONE) -> CompletedProcess:
        return docker(*base, *words, env={"SMALLS_IMAGE": image, "APP_PORT": "0", **env})

    yield run
    docker(*down)


def test_sqlite_needs_no_set_up(compose: Compose) -> None:
    """`docker compose run --rm smalls migrate`, then status: all applied, in a volume that stays."""
    first = compose("run", "--rm", "smalls", "migrate")
    assert first.returncode == 0, first.stderr
    again = compose("run", "--rm", "smalls", "status", "--exit-code")
    assert again.returncode == 0, again.stderr
    assert "0002_adding_the_password_reset_count_field_to_users" in again.stdout


def test_up_without_a_profile_is_sqlite_alone(compose: Compose) -> None:
    """`docker compose up` runs smalls on SQLite and starts no server."""
    up = compose("up")
    assert up.returncode == 0, up.stderr
    assert compose("--profile=*", "ps", "--all", "--services").stdout.split() == ["smalls"]


def test_created_files_belong_to_the_caller(compose: Compose, checkout: Path) -> None:
    """With SMALLS_UID, a new migration is the caller's own file in their own folder."""
    shutil.chown(checkout / "migrations", 1234)
    done = compose("run", "--rm", "smalls", "create", "add a thing", env={"SMALLS_UID": "1234"})
    assert done.returncode == 0, done.stderr
    assert (checkout / "migrations" / "0004_add_a_thing.py").stat().st_uid == 1234


def test_the_readme_from_an_empty_folder(image: str, tmp_path: Path) -> None:
    """What the README says for containers only, typed as it stands: its Compose file, then its commands."""
    blocks = re.findall(r"```(yaml|console)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    place = next(number for number, (kind, _) in enumerate(blocks) if kind == "yaml")
    (tmp_path / "docker-compose.yml").write_text(blocks[place][1].replace("image: smalls", f"image: {image}"))
    commands = blocks[place + 1][1].replace("$ ", "")
    name = f"{run_folder().name}-{os.getpid()}-readme"
    down = ("compose", "--project-name", name, "down", "--volumes")
    at_end(name, *down, "--timeout=1")
    done = subprocess.run(
        ["sh", "-ec", commands],
        cwd=tmp_path,
        env={**os.environ, "COMPOSE_PROJECT_NAME": name},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    docker("compose", "--file", str(tmp_path / "docker-compose.yml"), *down[1:])
    assert done.returncode == 0, done.stderr
    assert "1 applied, 0 pending on /data/smalls.db" in done.stdout


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


def test_app_does_not_start_when_smalls_failed(compose: Compose, checkout: Path) -> None:
    """A database that is not there stops the roll-out before the app."""
    override = checkout / "override.yml"
    override.write_text("services: {smalls-postgres: {environment: {SMALLS_DB_NAME: nowhere}}}")
    up = compose("--file", str(override), "--profile=postgres", "up", "--detach")
    assert up.returncode != 0
    assert _state(compose, "smalls-postgres")["ExitCode"] == 3
    assert not _state(compose, "app-postgres")["Running"]


def _state(compose: Compose, service: str) -> dict:
    (container,) = compose("--profile=*", "ps", "--all", "--quiet", service).stdout.split()
    return json.loads(docker("inspect", "--format={{json .State}}", container).stdout)
