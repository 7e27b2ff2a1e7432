"""The report and the metrics of real runs, of success and of every kind of failure."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from smalls.report import schema
from tests.running import finish, wait_until

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/report.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
REPORT = {"SMALLS_REPORT": "report.json", "SMALLS_METRICS_FILE": "smalls.prom"}


@pytest.fixture
def run(project, database):
    """Run a command and give its report, held against the schema, the log and the metrics."""

    def call(*words, code=0, **changes):
        result = project.run(*words, env={**database.env, **REPORT, **changes})
        assert result.code == code, result.stderr
        return told(project, result)

    return call


def told(project, result):
    """Read a run's report, and hold it against the schema, the log and the metrics."""
    report = json.loads((project.path / "report.json").read_text(encoding="utf-8"))
    assert [error.message for error in VALIDATOR.iter_errors(report)] == []
    last = result.events[-1]
    shared = set(last) & set(report)
    assert {"run_id", "command", "outcome", "exit_code", "applied", "undone", "pending"} <= shared
    assert {name: report[name] for name in shared} == {name: last[name] for name in shared}
    failed = result.named("run.failed")
    assert report["error"] == (failed[0]["error"] if failed else None)
    found = metrics(project)
    assert found["smalls_last_run_exit_code"] == report["exit_code"] == result.code
    assert found["smalls_last_run_success"] == (result.code == 0)
    assert found["smalls_last_run_applied"] == report["applied"]
    assert found["smalls_last_run_undone"] == report["undone"]
    assert found.get("smalls_pending_migrations") == report["pending"]
    assert found.get("smalls_held_migrations") == report["held"]
    assert found["smalls_last_run_duration_seconds"] == report["duration_ms"] / 1000
    return report


def samples(project):
    """Read the metrics with Prometheus' own parser."""
    text = (project.path / "smalls.prom").read_text(encoding="utf-8")
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation and family.type == "gauge" for family in families)
    assert all(len(family.samples) == 1 and family.samples[0].timestamp is None for family in families)
    return {family.name: family.samples[0] for family in families}


def metrics(project):
    return {name: sample.value for name, sample in samples(project).items()}


def parts(report):
    return [(part["migration"], part["direction"], part["kind"], part["state"]) for part in report["migrations"]]


def test_the_schema_is_up_to_date():
    """docs/report.schema.json is what `python -m smalls.report` writes now."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert schema() == SCHEMA, "run python -m smalls.report > docs/report.schema.json"


@pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
def test_a_whole_story(project, database, run):
    """Every command's report holds and says what became of each migration."""
    project.migration("0001_a", "db.execute_sql('CREATE TABLE t (n INTEGER)')", "db.execute_sql('DROP TABLE t')")
    project.migration("0002_b")
    project.write("migrations/3_c.py", "")
    report = run("migrate", SMALLS_VERSION="1.2", SMALLS_ENV="PROD")
    assert parts(report) == [(name, "forward", "applied", "applied") for name in ("0001_a", "0002_b")]
    assert [part["statements"] for part in report["migrations"]] == [1, 0]
    assert (report["image_version"], report["environment"]) == ("1.2", "PROD")
    assert report["database"].endswith(database.name)
    assert report["engine"] == {"postgres": "postgresql"}.get(database.family, database.family)
    assert [warning["event"] for warning in report["warnings"]] == ["migration.warned"]
    assert report["retryable"] is False
    assert run("migrate")["migrations"] == []
    assert run("status")["pending"] == 0
    assert run("check")["pending"] is None
    assert parts(run("rollback", "1", "--yes")) == [("0002_b", "backward", None, "undone")]
    assert parts(run("migrate", "--fake")) == [("0002_b", "forward", "faked", "applied")]
    project.migration("0003_c", "db.execute_sql('CREATE TABLE u (n INTEGER)')\nraise ValueError('no')")
    report = run("migrate", code=7 if database.family == "mysql" else 6)
    assert parts(report) == [("0003_c", "forward", None, "failed")]
    assert report["migrations"][0]["error"] == report["error"]
    assert (report["migrations"][0]["statements"], report["outcome"]) == (1, "failed")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("words", "changes", "ending"),
    [
        ("nope", {}, (2, "SML-USAGE")),
        ("migrate", {"SMALLS_ENV": "x"}, (3, "SML-CONFIG")),
        ("migrate", {"SMALLS_DATABASE_URL": "mysql://u:p@127.0.0.1:1/n"}, (4, "SML-DATABASE-UNREACHABLE")),
        ("status --exit-code", {}, (10, "SML-PENDING")),
        ("rollback 0", {}, (0, None)),
    ],
)
def test_runs_that_end_early(project, run, words, changes, ending):
    """A run that ends before it began its work is told as well, also where its settings cannot be read."""
    project.migration("0001_a")
    code, error = ending
    report = run(*words.split(), code=code, **changes)
    assert (report["error"] or {}).get("code") == error
    assert report["retryable"] is (code == 4)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_models_that_differ(project, run):
    """The error of `check` names operations, which the schemas know."""
    models = "from peewee import *\ndb = Proxy()\nclass User(Model):\n    class Meta: database = db\n"
    project.write("models.py", models)
    run("create", "users", "--auto", SMALLS_MODEL="models")
    project.write("models.py", models + "    email = TextField()\n")
    report = run("check", code=16, SMALLS_MODEL="models")
    assert report["error"]["operations"]


def test_a_run_that_is_stopped(project, database, start):
    """SIGTERM in the middle: the report is written, the migration stopped, and a retry is worth it."""
    project.migration("0001_a", "open('begun', 'w').close()\ntime.sleep(30)")
    process = start("migrate", cwd=project.path, env={**database.env, **REPORT})
    wait_until((project.path / "begun").exists)
    process.terminate()
    result = finish(process)
    assert result.code == 143, result.stderr
    report = told(project, result)
    assert parts(report) == [("0001_a", "forward", None, "stopped")]
    assert (report["outcome"], report["retryable"]) == ("stopped", True)


@pytest.mark.parametrize("database", ["postgres15", "mariadb10", "sqlite"], indirect=True)
def test_waiting_is_measured(project, database, start):
    """How long a run waited for the lock is told when it got it, and when it did not."""
    project.migration(
        "0001_a", "import os\nopen('begun', 'w').close()\nwhile not os.path.exists('go'): time.sleep(0.05)"
    )
    first = start("migrate", cwd=project.path, env=database.env)
    wait_until((project.path / "begun").exists)
    result = project.run("migrate", env={**database.env, **REPORT, "SMALLS_LOCK_TIMEOUT": "0.5"})
    assert result.code == 5
    assert told(project, result)["lock_wait_ms"] >= 500
    second = start("migrate", cwd=project.path, env={**database.env, **REPORT})
    assert any("lock.waiting" in line for line in second.stderr)
    project.write("go", "")
    assert finish(first).code == 0
    result = finish(second)
    assert 0 < told(project, result)["lock_wait_ms"] <= result.events[-1]["duration_ms"]
    assert metrics(project)["smalls_last_run_lock_wait_seconds"] > 0


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_waiting_for_the_database_is_measured(project, run):
    """Also where it never answered."""
    url = "postgresql://u@127.0.0.1:1/n"
    report = run("migrate", code=4, SMALLS_DATABASE_URL=url, SMALLS_WAIT_TIMEOUT="0.5")
    assert 500 <= report["database_wait_ms"] <= report["duration_ms"]
    assert metrics(project)["smalls_last_run_database_wait_seconds"] >= 0.5


@pytest.mark.parametrize("path", ["nowhere/report.json", ".", "/dev/full", "/proc/report.json"])
@pytest.mark.parametrize("variable", ["SMALLS_REPORT", "SMALLS_METRICS_FILE"])
def test_what_cannot_be_written_is_a_warning(project, variable, path):
    """A report that cannot be written changes no exit code, is told before the end, and costs nothing else."""
    project.migration("0001_a")
    result = project.run("migrate", env={**REPORT, variable: path})
    assert result.code == 0
    assert [event["path"] for event in result.named("report.warned")] == [path]
    assert result.events[-1]["event"] == "run.finished"
    assert [name.name for name in project.path.iterdir() if name.suffix == ".tmp"] == []
    assert len([name for name in REPORT.values() if (project.path / name).exists()]) == 1


def test_labels_are_escaped(project):
    """Quotes, backslashes and line ends in a database's name come through Prometheus' parser as they were."""
    project.migration("0001_a")
    name = 'a"b\\c\nd.db'
    project.write("config.ini", "[smalls]\n")
    result = project.run("migrate", env={**REPORT, "SMALLS_DB_ENGINE": "sqlite", "SMALLS_DB_NAME": name})
    assert result.code == 0, result.stderr
    for sample in samples(project).values():
        assert sample.labels["command"] == "migrate"
        assert sample.labels["database"] == name
    told(project, result)


def test_how_it_ended_is_a_label(project):
    """The error's code and the versions are labels of one metric of their own."""
    project.migration("0001_a", "raise ValueError('no')")
    result = project.run("migrate", env={**REPORT, "SMALLS_VERSION": "7"})
    assert result.code == 6
    labels = samples(project)["smalls_last_run_info"].labels
    assert (labels["outcome"], labels["error"], labels["image_version"]) == ("failed", "SML-MIGRATION-FAILED", "7")


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_no_secret(project, database):
    """Whatever the migration does with the password, it is in neither file."""
    project.migration("0001_a", "raise ValueError('sesame%21 ' + str(db.connect_params))\n")
    user = database.user_url(password="sesame!")
    result = project.run("migrate", env={**REPORT, "SMALLS_DATABASE_URL": user})
    assert result.code in {3, 6}, result.stderr
    report = told(project, result)
    assert "***" in json.dumps(report) or result.code == 3
    for name in REPORT.values():
        assert "sesame" not in (project.path / name).read_text()


def test_the_page_names_every_metric(project):
    """docs/report.md has each metric that there is, and no other."""
    project.migration("0001_a")
    assert project.run("migrate", env=REPORT).code == 0
    page = (Path(__file__).parents[2] / "docs/report.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `smalls_")]
    assert {name for row in rows for name in re.findall(r"smalls_\w+", row)} == set(samples(project))
