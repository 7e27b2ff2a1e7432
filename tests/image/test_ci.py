"""The jobs for GitHub Actions and GitLab CI: held to their schemas, and their steps run as those would run them."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.databases import Database
from tests.image.conftest import ROOT
from tests.running import Project, clean_environment
from tests.servers import at_end, docker, run_folder

CI = ROOT / "docs/ci"
SCHEMAS = {"github-actions.yml": "vendor.github-workflows", "gitlab-ci.yml": "vendor.gitlab-ci"}
ONE = pytest.mark.parametrize("database", ["postgres17"], indirect=True)


@pytest.fixture
def repository(project: Project, image: str) -> Project:
    """Give a project's repository as the jobs find it, with its Dockerfile and the script."""
    project.migration("0001_a", "db.execute_sql('CREATE TABLE t (n INTEGER)')", "db.execute_sql('DROP TABLE t')")
    project.write("Dockerfile", f"FROM {image}\nCOPY migrations ./migrations\n")
    project.write("ci.sh", (CI / "ci.sh").read_text())
    return project


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_jobs_fit_their_schemas(name: str) -> None:
    """By the schemas that the services' editors use."""
    words = ["check-jsonschema", f"--builtin-schema={SCHEMAS[name]}", str(CI / name)]
    words[0] = str(Path(sys.executable).parent / words[0])
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@ONE
def test_the_steps_of_github_actions(repository: Project, database: Database) -> None:
    """Each `run` as the runner runs it; the service's address is that of our server."""
    job = yaml.safe_load((CI / "github-actions.yml").read_text())["jobs"]["migrations"]
    assert "postgres" in job["services"]
    name = f"app-migrations-{run_folder().name}"
    at_end("ci-image", "image", "rm", "--force", name)
    environment = clean_environment({**job["env"], **database.env})
    runs = [step["run"].replace("app-migrations", name) for step in job["steps"] if "run" in step]
    outputs = []
    for run in runs:
        words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", run]
        done = subprocess.run(
            words, cwd=repository.path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout + done.stderr)
    assert len(outputs) == 2
    assert "::group::" in outputs[-1]
    assert "t" in database.tables()


@ONE
def test_the_script_of_gitlab(repository: Project, database: Database, image: str) -> None:
    """In the image with its entry point put away, in the checked-out folder, one line after the other."""
    job = yaml.safe_load((CI / "gitlab-ci.yml").read_text())["migrations"]
    assert job["image"] == {"name": "$SMALLS_IMAGE", "entrypoint": [""]}
    variables = [f"--env={name}={value}" for name, value in {**job["variables"], **database.env}.items()]
    mount = [f"--volume={repository.path}:/builds/app", "--workdir=/builds/app", "--network=host"]
    script = "\n".join(["set -eo pipefail", *job["script"]])
    done = docker("run", "--rm", *mount, *variables, "--entrypoint=", image, "bash", "-c", script)
    assert done.returncode == 0, done.stderr
    assert "t" in database.tables()
