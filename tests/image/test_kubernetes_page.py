"""The guide on Kubernetes tells what failures look like: each is made in a container, and compared.

    SMALLS_WRITE_PAGES=1 .venv/bin/pytest -n 0 tests/image/test_kubernetes_page.py

writes the guide's blocks anew.
"""

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from smalls.errors import Exit
from tests.databases import Database
from tests.describing import Ended, describe
from tests.manifests import Pod, docker_words, of_kind, pod
from tests.running import Project, wait_until
from tests.servers import at_end, docker, run_folder

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "kubernetes.md"
JOB, WAITING = ("job", "Job"), ("job-and-waiting-app", "Deployment")
NAMES = {JOB: "migrate-1-4-0-x7k2p", WAITING: "app-6d5f7c9b4-x7k2p"}
PASSWORD = "secret-of-the-app"


@dataclass
class Stage:
    """A project, a database with a user of its own, and containers of smalls as a manifest has them."""

    image: str
    database: Database
    project: Project
    folder: Path
    url: str = ""

    def start(
        self,
        *args: str,
        form: tuple[str, str] = JOB,
        url: str | None = None,
        memory: str | None = None,
        **env: str,
    ) -> str:
        """Start the container of a form, perhaps with other arguments and more variables; give its name."""
        of, place = pod(*form), self.folder / f"{len(list(self.folder.iterdir()))}"
        place.mkdir()
        container = of.container("smalls")
        container["args"] = list(args) or container["args"]
        container["resources"]["limits"]["memory"] = memory or container["resources"]["limits"]["memory"]
        container["env"] += [{"name": name, "value": value} for name, value in env.items()]
        name = f"{run_folder().name}-{self.project.path.parent.name}-{place.name}"
        at_end(name, "rm", "--force", name)
        options = ("--network=host", "--add-host=db:127.0.0.1", f"--hostname={NAMES[form]}", f"--name={name}")
        files = f"--volume={self.project.path}:/app:ro"
        secrets = {"database": {"url": self.url if url is None else url}}
        done = docker("run", "--detach", *options, files, *docker_words(of, self.image, secrets, place))
        assert done.returncode == 0, done.stderr
        (place / "name").write_text(name)
        return name

    def end(self, name: str) -> Ended:
        """Wait for the end of a container, and tell it."""
        code = int(docker("wait", name).stdout)
        state = json.loads(docker("inspect", "--format={{json .State}}", name).stdout)
        (place,) = (each.parent for each in self.folder.glob("*/name") if each.read_text() == name)
        docker("rm", name)
        message = self.tidied((place / "termination-log").read_text())
        return Ended(code, message, state["StartedAt"], state["FinishedAt"], state["OOMKilled"])

    def run(self, *args: str, **options: str) -> Ended:
        """Run a container to its end."""
        return self.end(self.start(*args, **options))

    def tidied(self, text: str) -> str:
        """Give text with the names that a real deployment would have."""
        user, port = urlsplit(self.url).username or "", str(urlsplit(self.url).port)
        usual = "5432" if self.database.family == "postgres" else "3306"
        for ours, theirs in ((user, "app"), (self.database.name, "app"), (port, usual), ("127.0.0.1", "10.0.0.5")):
            text = text.replace(ours, theirs)
        return text


@pytest.fixture
def stage(image: str, database: Database, project: Project, tmp_path: Path) -> Iterator[Stage]:
    """Give a stage; nothing on it outlives the test."""
    folder = tmp_path / "containers"
    folder.mkdir()
    made = Stage(image, database, project, folder)
    made.url = database.user_url(password=PASSWORD).replace("127.0.0.1", "db")
    yield made
    for each in folder.glob("*/name"):
        docker("rm", "--force", each.read_text())


# ── the scenes ──────────────────────────────────────────────────────────────────────────────────────────

USERS = "db.execute_sql('CREATE TABLE users (id INTEGER)')"


def wrong_password(stage: Stage) -> Ended:
    """Change the password in the database and not in the cluster."""
    return stage.run(url=stage.url.replace(PASSWORD, "secret-of-last-year"))


def unreachable(stage: Stage) -> Ended:
    """Name a port where nobody listens."""
    return stage.run(url=stage.url.replace(f":{urlsplit(stage.url).port}/", ":1/"), SMALLS_WAIT_TIMEOUT="2")


def lock_timeout(stage: Stage) -> Ended:
    """Have another run at work for longer than we may wait."""
    stage.project.migration("0001_slow", "db.execute_sql('SELECT pg_sleep(120)')")
    holder = stage.start()
    wait_until(lambda: "migration.started" in docker("logs", holder).stderr)
    return stage.run(SMALLS_LOCK_TIMEOUT="2")


def failed(stage: Stage) -> Ended:
    """Run a statement that the database refuses."""
    stage.project.migration("0001_add_email", "db.execute_sql('ALTER TABLE users ADD COLUMN email TEXT')")
    return stage.run()


def partial(stage: Stage) -> Ended:
    """Let the second statement fail where each is committed by itself."""
    body = f"{USERS}\ndb.execute_sql('ALTER TABLE user ADD COLUMN email TEXT')"
    stage.project.migration("0001_create_users", body)
    return stage.run()


def edited(stage: Stage) -> Ended:
    """Change a file after it was applied."""
    stage.project.migration("0001_create_users", USERS)
    assert stage.run().code == 0
    stage.project.migration("0001_create_users", USERS.replace("id", "uid"))
    return stage.run()


def newer(stage: Stage) -> Ended:
    """Bring an older image back, after a migration that it cannot live with."""
    stage.project.migration("0001_create_users", USERS)
    path = stage.project.migration("0002_drop_users", "db.execute_sql('DROP TABLE users')")
    path.write_text('min_version = "1.4.0"\n' + path.read_text())
    assert stage.run(SMALLS_VERSION="1.4.0").code == 0
    path.unlink()
    return stage.run(SMALLS_VERSION="1.3.0")


def relation_lock(stage: Stage) -> Ended:
    """Keep the table in a transaction of the app."""
    stage.database.execute("CREATE TABLE users (id INTEGER)")
    stage.database.execute(f"ALTER TABLE users OWNER TO {urlsplit(stage.url).username}")
    stage.project.migration("0001_add_email", "db.execute_sql('ALTER TABLE users ADD COLUMN email TEXT')")
    with contextlib.closing(stage.database.connect()) as reader:
        reader.autocommit = False
        reader.cursor().execute("SELECT * FROM users")
        return stage.run(SMALLS_DDL_LOCK_TIMEOUT="0.2")


def seed_failed(stage: Stage) -> Ended:
    """Let the project's seed.py end with an error."""
    stage.project.write("seed.py", "raise SystemExit('no plan named basic')\n")
    return stage.run("seed", "--yes")


def stopped(stage: Stage) -> Ended:
    """Stop the pod in the middle of a long statement."""
    stage.project.migration("0001_fill", "db.execute_sql('SELECT pg_sleep(120)')")
    name = stage.start(SMALLS_SHUTDOWN_GRACE="1")
    wait_until(lambda: "migration.started" in docker("logs", name).stderr)
    docker("stop", f"--time={pod(*JOB).spec['terminationGracePeriodSeconds']}", name)
    return stage.end(name)


def too_little_memory(stage: Stage) -> Ended:
    """Limit the memory to less than it needs to begin."""
    return stage.run(memory="12Mi")


def still_pending(stage: Stage) -> Ended:
    """Let an app's pod wait, where no Job migrates."""
    stage.project.migration("0001_create_users", USERS)
    return stage.run(form=WAITING, SMALLS_WAIT_TIMEOUT="2")


POSTGRES, MYSQL = "postgres15", "mysql9"
KILLED = 137
SCENES: dict[str, tuple[Callable[[Stage], Ended], str, int]] = {
    "Wrong password": (wrong_password, POSTGRES, Exit.CONFIG),
    "Database unreachable": (unreachable, POSTGRES, Exit.UNREACHABLE),
    "Another run holds the lock": (lock_timeout, POSTGRES, Exit.LOCK_TIMEOUT),
    "A migration fails": (failed, POSTGRES, Exit.FAILED_CLEAN),
    "A migration fails half-way": (partial, MYSQL, Exit.FAILED_PARTIAL),
    "A file was edited": (edited, POSTGRES, Exit.HISTORY),
    "The database is newer than the image": (newer, POSTGRES, Exit.NEWER),
    "The app waits in vain": (still_pending, POSTGRES, Exit.PENDING),
    "The seed fails": (seed_failed, POSTGRES, Exit.CHILD),
    "A table is in use": (relation_lock, POSTGRES, Exit.RELATION_LOCK),
    "The pod is stopped": (stopped, POSTGRES, Exit.TERMINATED),
    "Too little memory": (too_little_memory, POSTGRES, KILLED),
}


# ── the page ────────────────────────────────────────────────────────────────────────────────────────────

VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} [\d:]+ \+0000"), "TIME"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "RUN"),
    (re.compile(r"\bsession \d+"), "session N"),
    (re.compile(r"\b\d+ tries\b"), "N tries"),
)


def _plain(text: str) -> str:
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return text


def _block(title: str) -> re.Pattern[str]:
    return re.compile(rf"(?<=^### {re.escape(title)}$)(.*?^```text\n)(.*?)(^```$)", re.MULTILINE | re.DOTALL)


def _section(title: str) -> str:
    (text,) = re.findall(rf"^### {re.escape(title)}$(.*?)(?=^#|\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return text


@pytest.mark.parametrize(
    ("title", "database"), [(title, engine) for title, (_, engine, _) in SCENES.items()], indirect=["database"]
)
def test_a_failure_looks_as_the_page_says(stage: Stage, title: str) -> None:
    """The page has what kubectl prints of it, to the letter but for times and numbers."""
    play, _, code = SCENES[title]
    ended = play(stage)
    assert ended.code == code, ended.message
    assert PASSWORD not in ended.message
    form = WAITING if play is still_pending else JOB
    real = describe(Pod(pod(*form).spec), NAMES[form], ended)
    if os.environ.get("SMALLS_WRITE_PAGES"):
        text = PAGE.read_text()
        PAGE.write_text(_block(title).sub(lambda found: found[1] + real + found[3], text, count=1))
    (found,) = _block(title).findall(PAGE.read_text())
    assert _plain(found[1]) == _plain(real)


def test_the_page_says_of_each_failure_what_comes_next() -> None:
    """A section begins with what the Job's policy, or a Deployment, does after that exit code."""
    (fail, _) = of_kind(*JOB)["spec"]["podFailurePolicy"]["rules"]
    for title, (play, _, code) in SCENES.items():
        of_job = "The Job fails at once" if code in fail["onExitCodes"]["values"] else "The Job tries again"
        assert _section(title).strip().startswith("The pod tries again" if play is still_pending else of_job)
