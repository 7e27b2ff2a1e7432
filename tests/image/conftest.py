"""The image under test, built once a run, and what runs containers from it."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.conftest import leave_out
from tests.running import Result
from tests.servers import at_end, docker, have_docker, run_folder, shared

ROOT = Path(__file__).parent.parent.parent
BASE = "python:3.13-slim-trixie"
NONE: Mapping[str, str] = {}
Compose = Callable[..., CompletedProcess]
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=54321:0")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder."""
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker("image")


@pytest.fixture(scope="session")
def image() -> str:
    """Build the image, for all workers once, and give its name."""
    if not have_docker():
        leave_out("image", "no Docker engine answers; see docs/development.md")
    name = f"smalls-test:{run_folder().name}"
    with shared("image"):
        if docker("image", "inspect", name).returncode:
            at_end("image", "image", "rm", "--force", name)
            build(name, ROOT, "--build-arg=VERSION=9.9.9", "--build-arg=REVISION=abc")
    return name


def build(name: str, folder: Path, *options: str) -> None:
    """Build an image from a folder."""
    done = docker("build", "--quiet", "--tag", name, *options, str(folder))
    assert done.returncode == 0, done.stderr


@pytest.fixture
def container(image: str) -> Callable[..., Result]:
    """Give `container(*args, env=…, options=…)`: smalls in a hardened container on the host's network."""

    def run(
        *args: str, env: dict[str, str] | None = None, options: tuple[str, ...] = (), of: str = image
    ) -> Result:
        variables = [f"--env={name}={value}" for name, value in (env or {}).items()]
        done = docker("run", "--rm", "--network=host", *HARDENED, *variables, *options, of, *args)
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def volume() -> Iterator[str]:
    """Give an empty volume."""
    name = f"{run_folder().name}-{os.getpid()}"
    docker("volume", "create", name)
    yield name
    docker("volume", "rm", "--force", name)


@contextmanager
def composed(image: str, file: Path, kind: str, variables: Mapping[str, str] = NONE) -> Iterator[Compose]:
    """Give `compose(*words)`: docker compose on a file, in a project of its own, which goes at the end."""
    name = f"{run_folder().name}-{os.getpid()}-{kind}"
    base = ("compose", "--project-name", name, "--file", str(file))
    down = (*base, "--profile=*", "down", "--volumes", "--timeout=1", "--remove-orphans")
    at_end(name, *down)

    def run(*words: str, env: Mapping[str, str] = NONE) -> CompletedProcess:
        return docker(*base, *words, env={"SMALLS_IMAGE": image, "APP_PORT": "0", **variables, **env})

    try:
        yield run
    finally:
        docker(*down)


def state(compose: Compose, service: str) -> dict:
    """Give the state of a service's only container, as the engine tells it."""
    (found,) = states(compose, service)
    return found


def states(compose: Compose, service: str) -> list[dict]:
    """Give the state of each container of a service, running or not."""
    containers = compose("--profile=*", "ps", "--all", "--quiet", service).stdout.split()
    return [json.loads(docker("inspect", "--format={{json .State}}", each).stdout) for each in containers]
