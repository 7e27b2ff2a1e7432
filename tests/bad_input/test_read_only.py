"""Folders that may be read and not written, as an image has them: what is there is read, the rest is refused."""

import pytest

from tests.bad_input.conftest import EMPTY
from tests.bad_input.forked import smalls

SINKS = ("SMALLS_REPORT", "SMALLS_METRICS_FILE", "SMALLS_TERMINATION_LOG")


@pytest.fixture
def read_only(applied):
    """Give a project with one migration applied, in which nothing may be written once `run` has been called."""
    yield applied
    for path in (applied.path, applied.migrations):
        path.chmod(0o755)


def run(project, *words, **env):
    """Run a command as somebody who may not write."""
    for path in (project.database, project.migrations, project.path):
        path.chmod(0o444 if path.is_file() else 0o555)
    return smalls(*words, cwd=project.path, env={"SMALLS_WAIT_TIMEOUT": "1", **env}, powerless=True)


def error(result):
    return result.named("run.failed")[0]["error"]


def names(project):
    return sorted(str(path) for path in project.path.rglob("*"))


@pytest.mark.parametrize(
    "words", ["migrate", "status --exit-code", "wait --migrated", "repair", "history", "config", "migrate --plan"]
)
def test_where_nothing_is_to_be_written(read_only, words):
    """What only reads works, and so does a run with nothing to do."""
    before = names(read_only)
    result = run(read_only, *words.split())
    assert result.code == 0, result.stderr
    assert names(read_only) == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("migrate", "SML-DATABASE-PERMISSION"),
        ("migrate --fake", "SML-DATABASE-PERMISSION"),
        ("baseline 2", "SML-DATABASE-PERMISSION"),
        ("rollback 0 --yes", "SML-DATABASE-PERMISSION"),
        ("create more", "SML-MIGRATIONS-FOLDER"),
    ],
)
def test_where_something_is_to_be_written(read_only, words, code):
    """It is refused in words (3), and nothing is changed."""
    read_only.write("migrations/0002_b.py", EMPTY)
    before = names(read_only)
    result = run(read_only, *words.split())
    assert (result.code, error(result)["code"]) == (3, code), result.stderr
    assert names(read_only) == before
    assert run(read_only, "status", "--exit-code").code == 10


@pytest.mark.parametrize("where", ["nowhere/told", ".", "/proc/told", "/dev/full"])
def test_what_the_end_is_told_to(applied, where):
    """A report, metrics or a termination message that cannot be written are warnings; what was done is done."""
    applied.migration("0002_b")
    result = applied.smalls("migrate", **dict.fromkeys(SINKS, where))
    assert result.code == 0
    warned = [each["event"] for each in result.events if each["level"] == "warning"]
    assert sorted(warned) == ["report.warned", "report.warned", "termination.warned"]
    assert applied.smalls("status", "--exit-code", **dict.fromkeys(SINKS, where)).code == 0
    assert applied.smalls("migrate", "nonsense", **dict.fromkeys(SINKS, where)).code == 2


def test_a_note_that_cannot_be_written(fresh):
    """The lock is held without the note that says by whom: on a full disk it has no room."""
    (fresh.path / "smalls.db.smalls-lock").symlink_to("/dev/full")
    assert fresh.smalls("migrate").code == 0
