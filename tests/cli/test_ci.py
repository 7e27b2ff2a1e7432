"""The CI script of the guide, run whole on real servers: what it proves, and what it refuses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import Database
from tests.running import Project, Result, clean_environment

SCRIPT = Path(__file__).parent.parent.parent / "docs/ci/ci.sh"
SOME = pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10"], indirect=True)
ONE = pytest.mark.parametrize("database", ["postgres15"], indirect=True)


def prove(project: Project, database: Database) -> Result:
    """Run the script in a project's folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = clean_environment({**database.env, "PATH": path})
    done = subprocess.run(
        ["sh", str(SCRIPT)], cwd=project.path, env=environment, capture_output=True, text=True, check=False
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def two(project: Project) -> Project:
    """Give a project of two migrations."""
    for number, name in enumerate(("a", "b"), start=1):
        make, drop = f"CREATE TABLE t_{name} (n INTEGER)", f"DROP TABLE t_{name}"
        project.migration(f"000{number}_{name}", f"db.execute_sql('{make}')", f"db.execute_sql('{drop}')")
    return project


@SOME
def test_good_migrations_are_proven(two: Project, database: Database) -> None:
    """All applied, the newest undone and applied again, nothing pending; every step was made."""
    done = prove(two, database)
    assert done.code == 0, done.stderr
    assert [each["migration"] for each in done.named("migration.applied")] == ["0001_a", "0002_b", "0002_b"]
    assert [each["migration"] for each in done.named("migration.undone")] == ["0002_b"]
    commands = [each["command"] for each in done.named("run.finished") if each["command"] != "status"]
    assert commands == ["check", "migrate", "migrate", "rollback", "rollback", "migrate"]
    assert {"t_a", "t_b"} <= set(database.tables())


@ONE
def test_the_only_migration_goes_back_to_zero(project: Project, database: Database) -> None:
    """Also one that is numbered 0000."""
    project.migration("0000_a", "db.execute_sql('CREATE TABLE t (n INTEGER)')", "db.execute_sql('DROP TABLE t')")
    done = prove(project, database)
    assert done.code == 0, done.stderr
    assert [each["migration"] for each in done.named("migration.undone")] == ["0000_a"]


@ONE
def test_one_without_a_way_back_is_passed_over(two: Project, database: Database) -> None:
    """Where it says so; the rest is proven."""
    two.migration("0003_c", "db.execute_sql('DROP TABLE t_a')", None, header="reversible = False")
    done = prove(two, database)
    assert done.code == 0, done.stderr
    assert not done.named("migration.undone")
    assert "0003_c has no way back, and says so" in done.stderr


@pytest.mark.parametrize(
    ("migrate", "rollback", "code"),
    [
        ("db.execute_sql('nonsense')", "pass", 6),
        ("pass", None, 3),
        ("pass", "db.execute_sql('DROP TABLE nowhere')", 6),
        ("db.execute_sql('CREATE TABLE t (n INTEGER)')", "pass", 6),
    ],
    ids=["fails", "no way back", "way back fails", "not forward again"],
)
@ONE
def test_bad_migrations_are_refused(two: Project, database: Database, migrate, rollback, code) -> None:
    """With the exit code of the step that found it."""
    two.migration("0003_c", migrate, rollback)
    done = prove(two, database)
    assert done.code == code, done.stderr


@ONE
def test_a_database_with_a_history_is_refused(two: Project, database: Database) -> None:
    """It proves nothing, and may be somebody's."""
    assert two.run("migrate", "1", env=database.env).code == 0
    done = prove(two, database)
    assert done.code == 3
    assert "has a history already" in done.stderr
    assert "t_b" not in database.tables()
