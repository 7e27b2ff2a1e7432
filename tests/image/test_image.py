"""The image: what is in it, what is not, and that it migrates every kind of database, hardened."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from smalls.cli.main import COMMANDS
from tests.databases import Database
from tests.image.conftest import BASE, ROOT, build
from tests.running import Project, Result, wait_until
from tests.servers import at_end, docker, run_folder

EXAMPLE = f"--volume={ROOT}/migrations:/app/migrations:ro"
ADDED_MB = 30
Container = Callable[..., Result]


def shell(image: str, script: str) -> str:
    """Run a shell script in a container as root, for looking around."""
    done = docker("run", "--rm", "--user=0", "--entrypoint=sh", image, "-c", script)
    assert done.returncode == 0, done.stderr
    return done.stdout


def config(image: str) -> dict:
    """Give an image's configuration."""
    return json.loads(docker("image", "inspect", "--format={{json .Config}}", image).stdout)


def size(image: str) -> int:
    """Give an image's size in bytes."""
    return int(docker("image", "inspect", "--format={{.Size}}", image).stdout)


def test_layers_are_small(image: str) -> None:
    """What we add to the base is at most 30 MB."""
    assert (size(image) - size(BASE)) / 1e6 <= ADDED_MB


def test_nothing_in_it_installs_or_compiles(image: str) -> None:
    """No pip, not even the base's own, and no compiler."""
    found = shell(image, "find / -xdev ! -path '/proc/*' -type f -o -type l | sed 's|.*/||' | sort -u").split("\n")
    tools = re.compile(r"(pip[\d.]*|.*pip-[\d.]+-.*whl|gcc|g\+\+|cc|c\+\+|clang|ld|make|.*-gcc(-\d+)?)")
    assert [name for name in found if tools.fullmatch(name)] == []
    for module in ("pip", "ensurepip", "setuptools"):
        assert shell(image, f"python -c 'import {module}' 2>&1 || true").strip().endswith(f"'{module}'")


def test_byte_code_is_there(image: str) -> None:
    """Nothing that smalls imports is compiled at the start of a container."""
    verbose = ("--env=PYTHONVERBOSE=1", "--env=SMALLS_DATABASE_URL=sqlite:////tmp/empty.db")
    log = docker("run", "--rm", EXAMPLE, *verbose, image, "status").stderr
    assert "code object from" in log
    assert re.findall(r"code object from '?(/usr/.*\.py|/opt/.*\.py)'?$", log, re.MULTILINE) == []


@pytest.mark.parametrize("database", ["postgres17"], indirect=True)
def test_it_writes_no_file(image: str, database: Database) -> None:
    """Where it could write, after a whole run, the container's files are those of the image."""
    name = f"{run_folder().name}-diff"
    at_end("diff", "rm", "--force", name)
    url = f"--env=SMALLS_DATABASE_URL={database.url}"
    for words in (("migrate",), ("check",), ("rollback", "0", "--yes")):
        done = docker("run", "--network=host", "--user=0", f"--name={name}", EXAMPLE, url, image, *words)
        assert done.returncode == 0, done.stderr
        changed = docker("diff", name).stdout.split("\n")
        docker("rm", "--force", name)
        mount = {"C /app", "A /app/migrations", ""}
        assert set(changed) <= mount


def test_configuration(image: str) -> None:
    """Numeric user of group 0, PROD, /app, no shell before smalls, labels of the OCI."""
    found = config(image)
    assert re.fullmatch(r"[1-9]\d+:0", found["User"])
    assert "SMALLS_ENV=PROD" in found["Env"]
    assert found["WorkingDir"] == "/app"
    assert found["Entrypoint"] == ["/opt/smalls/bin/entrypoint.sh"]
    labels = {key.rpartition(".")[2]: value for key, value in found["Labels"].items()}
    assert labels["title"] == "smalls"
    assert labels["name"] == BASE  # the base's
    assert labels["licenses"] == "MIT"
    assert (labels["version"], labels["revision"]) == ("9.9.9", "abc")


def test_without_arguments_it_helps(container: Container) -> None:
    """`docker run smalls` says what it is, its commands, what to set and how to begin, and is no success."""
    done = container()
    assert done.code == 2
    assert "Peewee Database Manager" in done.stdout
    for word in (*COMMANDS, "SMALLS_DATABASE_URL", "SMALLS_ENV", "SMALLS_MODEL", "docker run"):
        assert f"  {word} " in done.stdout
    assert [event["event"] for event in done.events] == ["run.started", "run.failed", "run.finished"]
    assert container("--help").code == 0


def test_exit_code_passes_through(container: Container) -> None:
    """In PROD, an image that nobody told its database exits 3, and says so in JSON."""
    done = container("migrate", options=(EXAMPLE,))
    assert done.code == 3
    assert done.events[-1]["exit_code"] == 3


@pytest.mark.parametrize("database", ["postgres17", "mysql9"], indirect=True)
def test_servers_are_migrated(container: Container, database: Database) -> None:
    """As any user, on a read-only root: applied once, then nothing to do, then undone."""
    options = (EXAMPLE,)
    assert container("migrate", env=database.env, options=options).code == 0
    assert "users" in database.tables()
    assert database.query("SELECT count(*) FROM migration_history") == [(3,)]
    again = container("migrate", env=database.env, options=options)
    assert (again.code, again.events[-1]["applied"]) == (0, 0)
    assert container("rollback", "0000", "--yes", env=database.env, options=options).code == 0
    assert "users" not in database.tables()


def test_sqlite_is_migrated(container: Container, volume: str) -> None:
    """An embedded database in a volume keeps what was applied; any user of group 0 goes on with it."""
    env = {"SMALLS_DATABASE_URL": "sqlite:////data/smalls.db"}
    options = (EXAMPLE, f"--volume={volume}:/data")
    assert container("migrate", "0001", env=env, options=options).code == 0
    assert container("migrate", "0002", env=env, options=options).code == 0
    another = container("migrate", env=env, options=(*options, "--user=1000680000:0"))
    assert another.code == 0, another.stderr
    stranger = container("status", "--exit-code", env=env, options=(*options, "--user=1234:1234"))
    assert stranger.code == 0, stranger.stderr


@pytest.mark.parametrize("database", ["postgres17"], indirect=True)
def test_image_of_a_project(image: str, container: Container, database: Database, project: Project) -> None:
    """A project's own image is FROM smalls and two COPY lines; migrations import its models."""
    project.write("model.py", "import peewee\n\ndb = peewee.DatabaseProxy()\n")
    project.migration("0001_one", "db.execute_sql('CREATE TABLE one (id integer)')", header="from model import db")
    dockerfile = f"FROM {image}\nCOPY model.py ./\nCOPY migrations ./migrations\n"
    (project.path / "Dockerfile").write_text(dockerfile)
    name = f"smalls-test-user:{run_folder().name}"
    at_end("user-image", "image", "rm", "--force", name)
    build(name, project.path)
    done = container("migrate", env={**database.env, "SMALLS_MODEL": "model"}, of=name)
    assert done.code == 0, done.stderr
    assert "one" in database.tables()


@pytest.mark.parametrize("database", ["postgres17"], indirect=True)
def test_password_from_a_file(container: Container, database: Database, tmp_path: Path) -> None:
    """The parts of the address by variable, the password by a mounted file."""
    (tmp_path / "password").write_text(database.server.password + "\n")
    env = {
        "SMALLS_DB_ENGINE": "postgresql",
        "SMALLS_DB_HOST": database.server.host,
        "SMALLS_DB_PORT": str(database.server.port),
        "SMALLS_DB_USER": database.server.user,
        "SMALLS_DB_NAME": database.name,
        "SMALLS_DB_PASSWORD_FILE": "/run/secrets/password",
    }
    options = (EXAMPLE, f"--volume={tmp_path}/password:/run/secrets/password:ro")
    assert container("migrate", env=env, options=options).code == 0
    assert "users" in database.tables()


@pytest.mark.parametrize("database", ["postgres17"], indirect=True)
def test_docker_stop_ends_it(image: str, database: Database, project: Project) -> None:
    """Smalls is process 1: SIGTERM reaches it, the migration is rolled back, the exit code is 143."""
    project.migration(
        "0001_slow", "db.execute_sql('CREATE TABLE t (id integer)')\nprint('sleeping', flush=True)\ntime.sleep(60)"
    )
    name = f"{run_folder().name}-stop"
    at_end("stop", "rm", "--force", name)
    mount = f"--volume={project.migrations}:/app/migrations:ro"
    url = f"--env=SMALLS_DATABASE_URL={database.url}"
    docker("run", "--detach", "--network=host", f"--name={name}", mount, url, image, "migrate")
    wait_until(lambda: _sleeping(name))
    docker("stop", "--time=20", name)
    code = docker("inspect", "--format={{.State.ExitCode}}", name).stdout.strip()
    assert code == "143", docker("logs", name).stderr
    assert "t" not in database.tables()


def _sleeping(name: str) -> bool:
    return "sleeping" in docker("logs", name).stdout + docker("logs", name).stderr
