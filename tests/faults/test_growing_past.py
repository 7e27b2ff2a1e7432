"""What a run reads does not grow with what happened to the database before: counted, not timed."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.databases import Database
from tests.faults.forking import Forks
from tests.faults.scenes import sessions
from tests.running import Project, Result, wait_until

PAST = 4000  # of entries, of things that were brought to an end long ago
FEW = 400  # of rows, what differs between two runs that do the same: a page of each migration, twice
EVENTS = ("undo_started", "undo_step", "undone", "started", "statement", "step", "failed", "started", "applied")
DECLARATIVE = """\
from smalls.manager import MigrationManager
from smalls.schema import Column, types

transaction = False


def migrate():
    manager = MigrationManager()
    manager.add_table("{name}", [Column("n", types.integer())])
    return manager
"""
ENGINES = ("sqlite", "postgres15", "mariadb10", "mysql9")
READ = {
    "postgres": (
        "SELECT t.seq_tup_read + coalesce(t.idx_tup_fetch, 0) + sum(i.idx_tup_read)"
        " FROM pg_stat_user_tables t JOIN pg_stat_user_indexes i USING (relid) WHERE t.relname = 'smalls_journal'"
        " GROUP BY t.seq_tup_read, t.idx_tup_fetch"
    ),
    "mysql9": (
        "SELECT count_read FROM performance_schema.table_io_waits_summary_by_table"
        " WHERE object_schema = database() AND object_name = 'smalls_journal'"
    ),
    "mysql": (
        "SELECT rows_read FROM information_schema.table_statistics"
        " WHERE table_schema = database() AND table_name = 'smalls_journal'"
    ),
}


@pytest.fixture
def forks(tmp_path: Path) -> Iterator[Forks]:
    """Give what runs smalls and notes what it asks SQLite for."""
    with Forks(tmp_path) as made:
        yield made


class Counted:
    """A project whose runs are counted by the rows of the journal that each reads, as the server tells."""

    def __init__(self, database: Database, project: Project, forks: Forks) -> None:
        self.database, self.project, self.forks = database, project, forks
        self.trace = project.path / "trace"
        if database.engine.startswith("mariadb"):
            database.execute("SET GLOBAL userstat = 1")

    def read_by(self, *words: str) -> int:
        """Run smalls, and tell what it read."""
        before = self._read()
        result = self._run(*words)
        assert result.code == 0, result.stderr
        return self._read() - before if self.database.server else self._replayed()

    def _run(self, *words: str) -> Result:
        if self.database.server:
            return self.project.run(*words, env=self.database.env)
        hook = {"trace": str(self.trace)}
        return self.forks.run(*words, cwd=self.project.path, env=self.database.env, hook=hook)

    def _read(self) -> int:
        if not self.database.server:
            return 0
        wait_until(lambda: not sessions(self.database))
        rows = self.database.query(READ.get(self.database.engine) or READ[self.database.family])
        return int(rows[0][0]) if rows else 0

    def _replayed(self) -> int:
        """Count SQLite's own instructions for what the run asked of the journal; one row takes several."""
        steps = [0]
        with closing(sqlite3.connect(self.database.name)) as connection:
            connection.set_progress_handler(lambda: steps.__setitem__(0, steps[0] + 1), 10)
            for sql in self.trace.read_text().split("\0"):
                if sql.startswith("SELECT") and "smalls_journal" in sql:
                    connection.execute(sql, ["0001_one"] * sql.count("?")).fetchall()
        return steps[0]

    def happen(self, count: int) -> None:
        """Write a past."""
        rows = [f"('2026-01-01 00:00:00', 'r{n}', '{name}', '{event}', '{{\"next\": 1}}')"
                for n in range(count // 18) for name in ("0001_one", "0002_two") for event in EVENTS]  # fmt: skip
        self.database.execute(
            f"INSERT INTO smalls_journal (at, run_id, migration, event, detail) VALUES {', '.join(rows)}"
        )
        counts = {
            "sqlite": "ANALYZE",
            "postgres": "ANALYZE smalls_journal",
            "mysql": "ANALYZE TABLE smalls_journal",
        }
        self.database.query(counts[self.database.family])  # which servers do by themselves, a little later


@pytest.mark.parametrize("database", ENGINES, indirect=True)
def test_what_is_read_does_not_grow_with_the_past(database: Database, project: Project, forks: Forks) -> None:
    """Looking, going forward and going back read as little after thousands of entries as at the beginning."""
    (project.migrations / "0001_one.py").write_text(DECLARATIVE.format(name="one"))
    project.migration(
        "0002_two", "db.execute_sql('CREATE TABLE two (n INTEGER)')", "db.execute_sql('DROP TABLE two')",
        "transaction = False\n",
    )  # fmt: skip
    counted = Counted(database, project, forks)
    walks = (("rollback", "zero", "--yes"), ("migrate",), ("migrate",), ("status",))
    counted.read_by("migrate")
    young = [counted.read_by(*words) for words in walks]
    counted.happen(PAST)
    old = [counted.read_by(*words) for words in walks]
    assert all(after < before + FEW for before, after in zip(young, old, strict=True)), (young, old)
    told = project.run("history", "--json", env=database.env)
    assert told.stdout.count('"undone"') == 2 * (PAST // 18) + 4
