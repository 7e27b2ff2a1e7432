"""The Compose file and the guide's: SQLite with no set-up, each profile with server, smalls and app in order."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.conftest import ROOT, Compose, composed, state
from tests.running import wait_until
from tests.servers import at_end, docker, run_folder

GUIDE = ROOT / "docs/guides/compose.md"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give a copy of what the guide says that the Compose file needs, and of nothing else."""
    (needed,) = re.findall(r"It needs (.*?) in a folder", GUIDE.read_text(), re.DOTALL)
    for name in re.findall(r"`(.+?)`", needed):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.fixture
def compose(image: str, checkout: Path) -> Iterator[Compose]:
    """Give `compose(*words)`: the project's own Compose file, as a user runs it."""
    with composed(image, checkout / "docker-compose.yml", "compose") as run:
        yield run


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
    """With SMALLS_UID and SMALLS_GID a new migration is the caller's own, and the database is written as before."""
    assert compose("run", "--rm", "smalls", "migrate", "1").returncode == 0
    shutil.chown(checkout / "migrations", 1234, 1235)
    caller = {"SMALLS_UID": "1234", "SMALLS_GID": "1235"}
    done = compose("run", "--rm", "smalls", "create", "add a thing", env=caller)
    assert done.returncode == 0, done.stderr
    made = (checkout / "migrations" / "0004_add_a_thing.py").stat()
    assert (made.st_uid, made.st_gid) == (1234, 1235)
    done = compose("run", "--rm", "smalls", "migrate", env=caller)
    assert done.returncode == 0, done.stderr


def test_a_folder_of_roots_is_told(compose: Compose, checkout: Path) -> None:
    """A migrations folder of somebody else's is 3 with the remedy; one that is not there is not made."""
    done = compose("run", "--rm", "smalls", "create", "add a thing", env={"SMALLS_UID": "1234", "SMALLS_GID": "1"})
    assert done.returncode == 3
    assert "belongs to root" in done.stderr
    shutil.rmtree(checkout / "migrations")
    done = compose("run", "--rm", "smalls", "create", "add a thing")
    assert done.returncode != 0
    assert not (checkout / "migrations").exists()


def test_the_readme_from_an_empty_folder(image: str) -> None:
    """What the README says for containers only, typed as it stands by a user who is not root."""
    blocks = re.findall(r"```(yaml|console)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    place = next(number for number, (kind, _) in enumerate(blocks) if kind == "yaml")
    folder = run_folder() / "readme"
    folder.mkdir()
    (folder / "docker-compose.yml").write_text(blocks[place][1].replace("image: smalls", f"image: {image}"))
    commands = blocks[place + 1][1].replace("$ ", "")
    name = f"{run_folder().name}-{os.getpid()}-readme"
    down = ("compose", "--project-name", name, "down", "--volumes")
    at_end(name, *down, "--timeout=1")
    somebody = {"user": 1234, "group": 1234, "extra_groups": [Path("/var/run/docker.sock").stat().st_gid]}
    shutil.chown(folder, 1234, 1234)
    done = subprocess.run(
        ["sh", "-ec", commands],
        cwd=folder,
        env={**os.environ, "COMPOSE_PROJECT_NAME": name, "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **(somebody if os.geteuid() == 0 else {}),
    )
    docker("compose", "--file", str(folder / "docker-compose.yml"), *down[1:])
    assert done.returncode == 0, done.stderr
    (made,) = (folder / "migrations").iterdir()
    assert made.stat().st_uid == folder.stat().st_uid
    assert "1 applied, 0 pending on /data/smalls.db" in done.stdout


@pytest.mark.parametrize("server", ["postgres", "mysql", "mariadb"])
def test_app_starts_after_smalls_succeeded(compose: Compose, server: str) -> None:
    """A profile brings the server, then smalls, then the app; a second `up` changes nothing."""
    up = compose(f"--profile={server}", "up", "--detach")
    assert up.returncode == 0, up.stderr
    smalls, app = state(compose, f"smalls-{server}"), state(compose, f"app-{server}")
    assert smalls["FinishedAt"] < app["StartedAt"]
    line = "app: users(id, username, email, reset_count), 0 rows"
    wait_until(lambda: line in compose("logs", f"app-{server}").stdout)
    again = compose(f"--profile={server}", "up", "--detach")
    assert again.returncode == 0, again.stderr
    assert state(compose, f"smalls-{server}")["ExitCode"] == 0
    for words in (("seed",), ("seed",), ("status", "--exit-code"), ("rollback", "2", "--yes"), ("status",)):
        done = compose("run", "--rm", f"smalls-{server}", *words)
        assert done.returncode == 0, done.stderr
    assert "2 applied, 1 pending" in done.stdout
    assert compose("restart", "--timeout=1", f"app-{server}").returncode == 0
    wait_until(lambda: line.replace("0 rows", "2 rows") in compose("logs", f"app-{server}").stdout)


def test_app_does_not_start_when_smalls_failed(compose: Compose, checkout: Path) -> None:
    """A database that is not there stops the roll-out before the app."""
    override = checkout / "override.yml"
    override.write_text("services: {smalls-postgres: {environment: {SMALLS_DB_NAME: nowhere}}}")
    up = compose("--file", str(override), "--profile=postgres", "up", "--detach")
    assert up.returncode != 0
    assert state(compose, "smalls-postgres")["ExitCode"] == 3
    assert not state(compose, "app-postgres")["Running"]


def test_the_guides_file_for_a_project(image: str, tmp_path: Path) -> None:
    """The Compose file that the guide gives, as it stands: the secret by file, read-only, the app after smalls."""
    (text,) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (tmp_path / "docker-compose.yml").write_text(text)
    (tmp_path / "db_password.txt").write_text("hunter2")
    shutil.copytree(ROOT / "migrations", tmp_path / "migrations")
    (tmp_path / "Dockerfile").write_text(f"FROM {image}\nCOPY migrations ./migrations\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Dockerfile").write_text(f"FROM {image}\nENTRYPOINT [sleep, infinity]\n")
    name = f"smalls-test-guide:{run_folder().name}"
    at_end("guide-image", "image", "rm", "--force", name)
    override = tmp_path / "override.yml"
    override.write_text(
        "services:\n"
        "  db: {environment: {POSTGRES_PASSWORD: hunter2}}\n"
        f"  smalls: {{image: '{name}'}}\n"
        f"  app: {{image: '{name}-app', init: true}}\n"
    )
    at_end("guide-app-image", "image", "rm", "--force", f"{name}-app")
    with composed(image, tmp_path / "docker-compose.yml", "guide") as compose:
        up = compose("--file", str(override), "up", "--detach")
        assert up.returncode == 0, up.stderr
        assert state(compose, "smalls")["ExitCode"] == 0
        assert state(compose, "smalls")["FinishedAt"] < state(compose, "app")["StartedAt"]
