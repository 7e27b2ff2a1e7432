"""The containers of the Kubernetes manifests, run by Docker with all that the manifests say of them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from smalls.errors import Exit
from tests.databases import Database
from tests.image.test_image import EXAMPLE, config
from tests.manifests import Pod, docker_words, is_known_as_not_root, of_kind, pod
from tests.running import Project, Result, wait_until
from tests.servers import at_end, docker, run_folder
from tests.undo.images import KEY, digest_of, env, images

Run = Callable[..., Result]
POSTGRES = pytest.mark.parametrize("database", ["postgres17"], indirect=True)
JOB, INIT, WAITING = ("job", "Job"), ("init-container", "Deployment"), ("job-and-waiting-app", "Deployment")


def _words(image: str, of: Pod, url: str, folder: Path) -> list[str]:
    return ["--network=host", *docker_words(of, image, {"database": {"url": url}}, folder)]


@pytest.fixture
def run(image: str, tmp_path: Path) -> Run:
    """Give `run(pod, url, *options)`: a pod's container of smalls, to its end."""

    def to_its_end(of: Pod, url: str, *options: str) -> Result:
        done = docker("run", "--rm", *options, *_words(image, of, url, tmp_path))
        return Result(done.returncode, done.stdout, done.stderr)

    return to_its_end


def test_the_image_s_user_is_known_not_to_be_root(image: str) -> None:
    """`runAsNonRoot` without a user in the manifest needs a number in the image."""
    assert is_known_as_not_root(json.dumps(config(image)))


@POSTGRES
@pytest.mark.parametrize(("form", "kind"), [INIT, JOB])
def test_it_migrates(run: Run, database: Database, form: str, kind: str, tmp_path: Path) -> None:
    """As it stands: user, read-only root, no capabilities, limits, secret by file; then nothing to do."""
    first = run(pod(form, kind), database.url, EXAMPLE)
    assert first.code == 0, first.stderr
    assert database.query("SELECT count(*) FROM migration_history") == [(3,)]
    assert first.named("config.warned") == []
    again = run(pod(form, kind), database.url, EXAMPLE)
    assert (again.code, again.events[-1]["applied"]) == (0, 0)
    assert (tmp_path / "termination-log").read_text().startswith("smalls migrate, exit code 0: ")


@pytest.mark.parametrize("database", ["postgres17", "mariadb11"], indirect=True)
def test_300_migrations_fit_in_its_memory(run: Run, database: Database, project: Project) -> None:
    """What the manifests request is enough for a long history; their limit leaves as much for the project."""
    for number in range(1, 301):
        project.migration(f"{number:04}_t", f"db.execute_sql('CREATE TABLE t{number} (id int)')")
    frugal = pod(*JOB)
    resources = frugal.container("smalls")["resources"]
    resources["limits"]["memory"] = resources["requests"]["memory"]
    done = run(frugal, database.url, f"--volume={project.migrations}:/app/migrations:ro")
    assert done.code == 0, done.stderr
    assert done.events[-1]["applied"] == 300


@POSTGRES
def test_the_app_waits_while_the_job_migrates(run: Run, image: str, database: Database, tmp_path: Path) -> None:
    """The waiting container neither migrates nor ends until the Job's container has migrated."""
    name = f"{run_folder().name}-waiting"
    at_end("waiting", "rm", "--force", name)
    words = _words(image, pod(*WAITING), database.url, tmp_path)
    docker("run", "--detach", f"--name={name}", EXAMPLE, *words)
    wait_until(lambda: "pending.waited" in docker("logs", name).stderr)
    assert "users" not in database.tables()
    assert _state(name)["Running"]
    assert run(pod(*JOB), database.url, EXAMPLE).code == 0
    wait_until(lambda: not _state(name)["Running"])
    assert _state(name)["ExitCode"] == 0, docker("logs", name).stderr


def _state(name: str) -> dict:
    return json.loads(docker("inspect", "--format={{json .State}}", name).stdout)


@POSTGRES
def test_the_undo_job_shows_its_plan_and_with_the_digest_undoes_it(
    run: Run, database: Database, tmp_path: Path
) -> None:
    """As it stands it fails at once with 13, the digest where kubectl shows it; then exactly that is undone."""
    v1, v2 = images(tmp_path / "images")
    for version, project in (("1.0", v1), ("2.0", v2)):
        assert project.run("migrate", env=env(database, version)).code == 0
    more = ("--env=SMALLS_VERSION=1.0", f"--env=SMALLS_HISTORY_KEY={KEY}")
    options = (*more, f"--volume={v1.migrations}:/app/migrations:ro")
    asked = run(pod("undo-job", "Job"), database.url, *options)
    assert (asked.code, asked.code in _fails_at_once()) == (Exit.CONSENT, True), asked.stderr
    digest = digest_of(asked.stdout)
    assert digest in (tmp_path / "termination-log").read_text()
    approved = pod("undo-job", "Job")
    approved.container("smalls")["args"] += ["--plan-digest", digest]
    done = run(approved, database.url, *options)
    assert (done.code, len(done.named("migration.undone"))) == (0, 5), done.stderr
    assert run(approved, database.url, *options).code == 0


@POSTGRES
def test_the_contract_job_applies_what_is_held(run: Run, database: Database, project: Project) -> None:
    """After the rollout; and where nothing is held, there is nothing to do."""
    project.migration("0001_first", "db.execute_sql('CREATE TABLE t (id int, old int)')")
    mounted = f"--volume={project.migrations}:/app/migrations:ro"
    assert run(pod(*JOB), database.url, mounted).code == 0
    project.migration("0002_no_old", "db.execute_sql('ALTER TABLE t DROP COLUMN old')", header='phase = "contract"')
    assert run(pod(*JOB), database.url, mounted).events[-1]["held"] == 1
    for applied in (1, 0):
        done = run(pod("contract-job", "Job"), database.url, mounted)
        assert (done.code, done.events[-1]["applied"], done.events[-1]["held"]) == (0, applied, 0), done.stderr


SERVICE = {
    "SMALLS_DB_SERVICE_HOST": "10.0.0.1",
    "SMALLS_DB_SERVICE_PORT": "5432",
    "SMALLS_DB_SERVICE_PORT_POSTGRES": "5432",
    "SMALLS_DB_PORT": "tcp://10.0.0.1:5432",
    "SMALLS_DB_PORT_5432_TCP": "tcp://10.0.0.1:5432",
    "SMALLS_DB_PORT_5432_TCP_PROTO": "tcp",
    "SMALLS_DB_PORT_5432_TCP_PORT": "5432",
    "SMALLS_DB_PORT_5432_TCP_ADDR": "10.0.0.1",
}


@POSTGRES
@pytest.mark.parametrize(("form", "kind"), [INIT, JOB])
def test_beside_a_service_named_smalls_db(run: Run, database: Database, form: str, kind: str) -> None:
    """What Kubernetes injects for the Service, where its links are on, is ignored with a warning."""
    done = run(
        pod(form, kind), database.url, EXAMPLE, *(f"--env={name}={value}" for name, value in SERVICE.items())
    )
    assert done.code == 0, done.stderr
    (warning,) = done.named("config.warned")
    assert all(name in warning["message"] for name in SERVICE)
    assert "users" in database.tables()


@POSTGRES
def test_what_a_retry_cannot_mend_fails_the_job(
    run: Run, database: Database, project: Project, tmp_path: Path
) -> None:
    """A broken migration ends with a code that the policy fails the Job on, and says why where kubectl shows it."""
    project.migration("0001_broken", "db.execute_sql('CREATE TABEL t (id int)')")
    done = run(pod(*JOB), database.url, f"--volume={project.migrations}:/app/migrations:ro")
    assert done.code == Exit.FAILED_CLEAN
    assert done.code in _fails_at_once()
    assert "0001_broken" in (tmp_path / "termination-log").read_text()


def test_an_unreachable_database_is_tried_again(run: Run) -> None:
    """A server that is not there is no reason to fail the Job at once."""
    done = run(pod(*JOB), "postgresql://user@127.0.0.1:1/name", EXAMPLE, "--env=SMALLS_WAIT_TIMEOUT=1")
    assert done.code == Exit.UNREACHABLE
    assert done.code not in _fails_at_once()


def _fails_at_once() -> list[int]:
    rules = of_kind(*JOB)["spec"]["podFailurePolicy"]["rules"]
    return [code for rule in rules if rule["action"] == "FailJob" for code in rule["onExitCodes"]["values"]]
