"""The bounds: on a statement, on the whole run, and on the wait for a table that another session holds."""

import contextlib
import time

import pytest

from tests.databases import Database
from tests.faults.scenes import (
    applied,
    code_of,
    logged,
    logs,
    make_tables,
    nothing_is_left,
    running,
    slow_query,
)
from tests.running import Project

some_engines = pytest.mark.parametrize("database", ["sqlite", "postgres15", "mariadb10", "mysql9"], indirect=True)


@some_engines
def test_a_statement_that_takes_too_long(database: Database, project: Project) -> None:
    """It ends at SMALLS_STATEMENT_TIMEOUT, on every engine; nothing of it took effect, and the hint says why."""
    make_tables(database)
    project.migration("0001_one", logs("0001_one"))
    project.migration("0002_slow", f'db.execute_sql("{slow_query(database, 60)}")')
    began = time.monotonic()
    result = project.run("migrate", env={**database.env, "SMALLS_STATEMENT_TIMEOUT": "0.5"})
    assert time.monotonic() - began < 15
    assert result.code == 6, result.stderr
    assert "SMALLS_STATEMENT_TIMEOUT" in result.named("run.failed")[0]["error"]["hint"]
    assert applied(database) == logged(database) == ["0001_one"]
    assert running(database) == []
    nothing_is_left(database)


@some_engines
def test_quick_statements_are_not_touched(database: Database, project: Project) -> None:
    """The bound is each statement's own, and code between statements does not count."""
    make_tables(database)
    steps = [logs("0001_one"), "time.sleep(0.4)"] * 3
    project.migration("0001_one", "\n".join(steps))
    result = project.run("migrate", env={**database.env, "SMALLS_STATEMENT_TIMEOUT": "0.3"})
    assert result.code == 0, result.stderr
    assert logged(database) == ["0001_one"] * 3


@some_engines
@pytest.mark.parametrize("where", ["statement", "sleep"])
def test_a_run_that_takes_too_long(database: Database, project: Project, where: str) -> None:
    """SMALLS_RUN_TIMEOUT stops it at a safe point, as SIGTERM would, and says that it was the deadline."""
    make_tables(database)
    project.migration("0001_one", logs("0001_one"))
    assert project.run("migrate", env=database.env).code == 0
    slow = f'db.execute_sql("{slow_query(database, 60)}")' if where == "statement" else "time.sleep(60)"
    project.migration("0002_slow", slow)
    result = project.run("migrate", env={**database.env, "SMALLS_RUN_TIMEOUT": "1"}, timeout=20)
    assert result.code == 143, result.stderr
    assert code_of(result) == "SML-RUN-TIMEOUT"
    assert applied(database) == ["0001_one"]
    assert running(database) == []
    nothing_is_left(database)


def test_a_table_that_another_session_holds(database: Database, project: Project) -> None:
    """After SMALLS_DDL_LOCK_TIMEOUT exit 14, nothing changed; once the other is done, the next run succeeds."""
    make_tables(database)
    project.migration("0001_alter", "db.execute_sql('ALTER TABLE log ADD COLUMN more INTEGER')")
    before = database.dump()
    with contextlib.closing(database.connect()) as other:
        cursor = other.cursor()
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO log VALUES ('other', 1)")
        result = project.run("migrate", env={**database.env, "SMALLS_DDL_LOCK_TIMEOUT": "1"})
        cursor.execute("ROLLBACK")
    assert result.code == 14, result.stderr
    assert code_of(result) == "SML-RELATION-LOCK"
    assert 1000 <= result.events[-1]["duration_ms"] < 4500
    assert database.dump(without=("migration_history", "smalls_journal")) == before
    again = project.run("migrate", env=database.env)
    assert again.code == 0, again.stderr
