"""The log of real runs, of success and of every kind of failure, against the schema in docs/."""

import json
from pathlib import Path

import jsonschema
import pytest

from tests.running import wait_until

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/events.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
DEBUG = {"SMALLS_LOG_LEVEL": "debug"}


def hold(result, code):
    """Hold a run's stderr against the schema: every line one event, the last run.finished with its counts."""
    assert result.code == code, result.stderr
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    for line in lines:
        errors = [each.message for each in VALIDATOR.iter_errors(line)]
        assert errors == [], line
    last = lines[-1]
    assert (last["event"], last["exit_code"]) == ("run.finished", code)
    assert [line["event"] for line in lines].count("run.finished") == 1
    assert {"outcome", "applied", "undone", "pending", "duration_ms"} <= set(last)
    assert len({line["run_id"] for line in lines}) == 1
    assert lines == sorted(lines, key=lambda line: line["timestamp"])
    if code not in {0, 10}:
        assert lines[-2]["event"] == "run.failed"
        assert lines[-2]["error"]["hint"]
    return lines


@pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
def test_a_whole_story(project, database):
    """Every command's log, from an empty database to a repaired one, holds."""
    env = {**database.env, **DEBUG, "SMALLS_VERSION": "2", "SMALLS_END": "x"}

    def run(*words, code=0, **changes):
        return hold(project.run(*words, env={**env, **changes}), code)

    run("create", "first")
    project.migration(
        "0002_b", "print('hello')\ndb.execute_sql('CREATE TABLE t (n INTEGER)')", "db.execute_sql('DROP TABLE t')"
    )
    project.write("migrations/3_c.py", "")
    run("check")
    run("config")
    run("status")
    run("status", "--exit-code", code=10)
    run("migrate", "--plan")
    run("migrate")
    run("migrate")
    run("wait", "--migrated")
    run("rollback", "1", code=13)
    run("rollback", "1", "--plan")
    run("rollback", "1", "--yes")
    run("baseline", "2")
    project.migration("0003_c", "db.execute_sql('CREATE TABLE u (n INTEGER)')\nraise ValueError('no')")
    run("migrate", code=7 if database.family == "mysql" else 6)
    run("repair")
    if database.family == "mysql":
        run("migrate", code=7)
        run("repair", "--retry", "0003_c", "--yes")
    project.migration("0003_c")
    run("migrate", "--fake")
    project.migration("0003_c", "x = 1")
    run("migrate")
    run("migrate", SMALLS_ENV="PROD", code=8)
    run("repair", "--accept", "0003_c", "--yes")
    project.write("seed.py", "print('planted')\n")
    run("seed")
    project.write("initdb.py", "raise SystemExit(1)\n")
    run("init", code=12)
    (project.migrations / "0003_c.py").unlink()
    run("migrate", code=9, SMALLS_VERSION="1")
    run("migrate", code=8, SMALLS_VERSION="3")


def test_the_catalogue_is_seen(project, start):
    """Waiting for a lock and being stopped are told by events that hold, too."""
    project.migration("0001_a", "open('begun', 'w').close()\ntime.sleep(20)")
    slow = start("migrate", cwd=project.path, env=DEBUG)
    wait_until((project.path / "begun").exists)
    waited = hold(project.run("migrate", env={**DEBUG, "SMALLS_LOCK_TIMEOUT": "0.2"}), 5)
    assert "lock.waiting" in [line["event"] for line in waited]
    slow.terminate()
    _, stderr = slow.communicate(timeout=20)
    stopped = [json.loads(line) for line in stderr.splitlines()]
    assert all(VALIDATOR.is_valid(line) for line in stopped), stderr
    assert (stopped[-1]["event"], stopped[-1]["outcome"]) == ("run.finished", "stopped")
    assert "stop.requested" in [line["event"] for line in stopped]


@pytest.mark.parametrize(
    ("words", "env", "code"),
    [
        (("nope",), {}, 2),
        (("migrate", "nope"), {}, 2),
        (("migrate",), {"SMALLS_ENV": "x"}, 3),
        (("migrate",), {"SMALLS_ENV": "PROD"}, 3),
        (("migrate",), {"SMALLS_MODEL": "nope"}, 3),
        (("seed",), {}, 3),
        (("migrate",), {"SMALLS_DATABASE_URL": "mysql://u:p@127.0.0.1:1/n", "SMALLS_WAIT_TIMEOUT": "0.2"}, 4),
        (("config",), {"SMALLS_DATABASE_URL": "mysql://u:p@127.0.0.1:1/n"}, 0),
        (("migrate",), {"SMALLS_LOCK": "none", "SMALLS_YES": "1", "DATABASE_URL": "sqlite:///:memory:"}, 0),
    ],
)
def test_runs_that_end_early(project, words, env, code):
    """A run that ends before it began its work still ends with run.finished."""
    project.migration("0001_a")
    hold(project.run(*words, env={**env}), code)


def test_a_defect_of_ours(project):
    """An exception that nobody foresaw is 1, told as a defect, in the same form."""
    project.migration("0001_a")
    project.write(
        "sitecustomize.py",
        """\
        import smalls.history
        def broken(self):
            raise ZeroDivisionError("unforeseen")
        smalls.history.History.read = broken
        """,
    )
    lines = hold(project.run("migrate", env={"PYTHONPATH": str(project.path)}), 1)
    assert lines[-2]["error"]["code"] == "SML-DEFECT"


def test_a_defect_before_there_are_settings(project):
    """Even where reading the settings fails unforeseen, the run ends with one error and run.finished."""
    project.write(
        "sitecustomize.py",
        """\
        import smalls.settings
        def broken(*args, **options):
            raise ZeroDivisionError("unforeseen")
        smalls.settings.read_config_file = broken
        """,
    )
    hold(project.run("migrate", env={"PYTHONPATH": str(project.path)}), 1)


def test_levels(project):
    """A level leaves out what is below it; the last line is always there."""
    project.migration("0001_a")
    quiet = hold(project.run("migrate", env={"SMALLS_LOG_LEVEL": "error"}), 0)
    assert [line["event"] for line in quiet] == ["run.finished"]
    assert "database.chosen" in [line["event"] for line in hold(project.run("status", env=DEBUG), 0)]
    assert "database.chosen" not in [line["event"] for line in hold(project.run("status"), 0)]
