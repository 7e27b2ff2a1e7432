"""The termination message of real runs: SMALLS_TERMINATION_LOG, as `kubectl describe` would show it."""

import pytest

some_engines = pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
LIMIT = 4096


@pytest.fixture
def left(project):
    """Give `left(*words, env=…)`: a run, and what it left in the file."""
    path = project.path / "termination-log"

    def run(*words, env, code):
        done = project.run(*words, env={**env, "SMALLS_TERMINATION_LOG": str(path)})
        assert done.code == code, done.stderr
        assert done.events[-1]["event"] == "run.finished"
        return path.read_bytes().decode()

    return run


@some_engines
def test_a_run_that_fails_and_one_that_succeeds(project, database, left):
    """The failing migration with its statement, error, place and remedy; then one line."""
    project.migration("0001_a", "db.execute_sql('CREATE TABEL ünïque (n INTEGER)')")
    text = left("migrate", env=database.env, code=6)
    assert len(text.encode()) <= LIMIT
    head, migration, error, *rest = text.splitlines()
    assert head == "smalls migrate failed: exit code 6, SML-MIGRATION-FAILED"
    assert migration == "migration: 0001_a"
    assert error.startswith("error: 0001_a failed: ")
    assert "TABEL" in error
    assert rest[:2] == ["statement: CREATE TABEL ünïque (n INTEGER)", "at: migrations/0001_a.py:10"]
    assert rest[2].startswith("what to do: ")
    project.migration("0001_a", "db.execute_sql('CREATE TABLE t (n INTEGER)')")
    text = left("migrate", env=database.env, code=0)
    assert text == "smalls migrate, exit code 0: Applied 1 migration; the database is up to date.\n"
    text = left("migrate", env=database.env, code=0)
    assert text == "smalls migrate, exit code 0: Nothing to do: 1 migration applied, nothing pending.\n"


def test_every_command_and_errors_before_settings_are_read(project, left):
    """Also a setting that cannot be read, a command that does not exist, and an answer that is an exit code."""
    env = {"SMALLS_DATABASE_URL": "sqlite:///x.db"}
    assert "exit code 3, SML-CONFIG" in left("migrate", env={**env, "SMALLS_ENV": "TEST"}, code=3)
    assert "exit code 2, SML-USAGE" in left("nonsense", env=env, code=2)
    assert "exit code 2, SML-USAGE" in left("migrate", "--nonsense", env=env, code=2)
    assert "exit code 3, SML-SCRIPT-MISSING" in left("init", env=env, code=3)
    project.write("seed.py", "")
    assert "exit code 13, SML-CONSENT" in left("seed", env={**env, "SMALLS_ENV": "PROD"}, code=13)
    project.migration("0001_a")
    assert "exit code 10, SML-PENDING" in left("status", "--exit-code", env=env, code=10)
    assert left("status", env=env, code=0).startswith("smalls status, exit code 0: ")


@pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
def test_no_secret_is_in_it(project, database, left):
    """A password that the failing code tells is masked there too."""
    url = database.user_url(password="hunter2-hunter2")
    project.migration("0001_a", "raise ValueError(db.connect_params['password'])")
    text = left("migrate", env={"SMALLS_DATABASE_URL": url}, code=6)
    assert "ValueError: ***" in text
    assert "hunter2" not in text


def test_a_file_that_cannot_be_written_changes_nothing_else(project):
    """It is a warning before the last line; the exit code is the run's own."""
    project.migration("0001_a")
    env = {"SMALLS_DATABASE_URL": "sqlite:///x.db", "SMALLS_TERMINATION_LOG": str(project.path)}
    done = project.run("migrate", env=env)
    assert done.code == 0
    assert [event["event"] for event in done.events[-2:]] == ["termination.warned", "run.finished"]
