"""Fixtures for all tests: databases of every engine, projects, and runs of the command."""

import compileall
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

import smalls
from tests import servers
from tests.databases import Database, fresh_database
from tests.running import Project, start_smalls
from tests.servers import ENGINES, Server, UnavailableError, family
from tests.tls import TlsPostgres, start_tls_postgres

REQUIRE = "SMALLS_TEST_REQUIRE"
HOW_TO_GET = (
    "To get them: tests/get-servers (Debian, as root) installs what is missing and names the Docker images",
    f"to pull; docs/development.md tells more. With {REQUIRE}=all each of these is a failure.",
)
Found = TypeVar("Found")


def pytest_configure(config: pytest.Config) -> None:
    """Begin the run that all workers share, and register the markers."""
    for engine in ENGINES:
        config.addinivalue_line("markers", f"{engine}: needs {engine}")
    for kind in ("postgres", "mysql"):
        config.addinivalue_line("markers", f"{kind}: needs a server of the {kind} family")
    config.addinivalue_line("markers", "image: builds and runs the image; needs Docker")
    if not _is_worker(config):
        # The many runs write no byte-code (see clean_environment); without it each would compile smalls anew.
        compileall.compile_dir(Path(smalls.__file__).parent, quiet=2)
        servers.begin_run()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what this run started."""
    if not _is_worker(config):
        servers.end_run(servers.run_folder())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the engine that it runs on."""
    for item in items:
        for value in getattr(getattr(item, "callspec", None), "params", {}).values():
            if isinstance(value, str) and value in ENGINES:
                item.add_marker(value)
                if value != family(value):
                    item.add_marker(family(value))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which suites were left out, and how to get them."""
    left_out = sorted((servers.run_folder()).glob("*.left-out"))
    if left_out:
        terminalreporter.section("suites left out", sep="=", yellow=True)
        for note in left_out:
            terminalreporter.line(f"{note.stem}: {note.read_text()}")
        for line in HOW_TO_GET:
            terminalreporter.line(line)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def leave_out(suite: str, why: object) -> NoReturn:
    """Skip a test whose server is missing, for the summary to tell; where it is required, fail."""
    required = os.environ.get(REQUIRE, "").split(",")
    if "all" in required or suite in required:
        pytest.fail(f"{suite} is required ({REQUIRE}) but missing: {why}", pytrace=False)
    (servers.run_folder() / f"{suite}.left-out").write_text(str(why))
    pytest.skip(f"{suite} is left out")


def obtain(suite: str, get: Callable[[], Found]) -> Found:
    """Get a server, or leave the test out."""
    try:
        return get()
    except UnavailableError as why:
        leave_out(suite, why)


# ---- databases


@pytest.fixture
def make_database(tmp_path: Path) -> Iterator[Callable[..., Database]]:
    """Give a maker of fresh databases: `make_database("postgres17", stem="with-dash")`."""
    with ExitStack() as stack:

        def make(engine: str, stem: str = "smalls") -> Database:
            return obtain(engine, lambda: stack.enter_context(fresh_database(engine, tmp_path, stem)))

        yield make


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest, make_database: Callable[..., Database]) -> Database:
    """Give a fresh database, on every engine in turn.

    For some engines only: `@pytest.mark.parametrize("database", POSTGRES, indirect=True)`.
    """
    return make_database(request.param)


@pytest.fixture(scope="session")
def tls_postgres(tmp_path_factory: pytest.TempPathFactory) -> TlsPostgres:
    """Give a PostgreSQL server that takes TLS connections only; see `start_tls_postgres`."""
    return obtain("tls", lambda: start_tls_postgres(tmp_path_factory.mktemp("tls")))


@pytest.fixture(scope="session")
def pgbouncer() -> Server:
    """Give PgBouncer in transaction mode before the postgres15 server; use `.url(database.name)`."""
    return obtain("pgbouncer", lambda: servers.start_pgbouncer(servers.server("postgres15")))


@pytest.fixture(scope="session")
def session_pgbouncer() -> Server:
    """Give PgBouncer in session mode before the postgres15 server."""
    return obtain("pgbouncer", lambda: servers.start_pgbouncer(servers.server("postgres15"), "session"))


# ---- projects and runs


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Give an empty project folder with an empty migrations folder."""
    made = Project(tmp_path / "project")
    made.migrations.mkdir(parents=True)
    return made


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Give `start_smalls`; what still runs when the test ends is killed."""
    with ExitStack() as stack:

        def begin(*args: str, **options: object) -> subprocess.Popen[str]:
            process = start_smalls(*args, **options)
            stack.callback(_end, process)
            return process

        yield begin


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()
