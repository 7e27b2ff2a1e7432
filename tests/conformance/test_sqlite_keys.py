"""SQLite's foreign keys are looked at before the commit: all rows only where a statement may have broken a key."""

import pytest

from smalls.dialects.sqlite import SqliteDialect
from smalls.guard import BadOutcomeError
from smalls.outcomes import inspect_outcome
from tests.conformance.test_transaction import OpenRun, guarded
from tests.databases import Database

ALL = "PRAGMA foreign_key_check"
FAMILY = """
CREATE TABLE parent (id INTEGER PRIMARY KEY, code TEXT);
CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent (id));
INSERT INTO parent VALUES (1, 'a'), (2, 'b');
INSERT INTO child VALUES (1, 1), (2, 2);
"""
sqlite_only = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.mark.parametrize(
    ("sql", "check"),
    [
        ("CREATE TABLE t (id INTEGER PRIMARY KEY)", None),
        ("create table t (id integer)", None),
        ("CREATE UNIQUE INDEX i ON t (id)", None),
        ("CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM parent; END", None),
        ("SELECT * FROM t", None),
        ("SAVEPOINT s", None),
        ("CREATE TABLE t (id INTEGER REFERENCES u)", f"{ALL}(t)"),
        ('CREATE TABLE IF NOT EXISTS "a b" (id INTEGER, FOREIGN KEY (id)\nREFERENCES u (id))', f'{ALL}("a b")'),
        ("CREATE TABLE main.t (id INTEGER REFERENCES u)", ALL),
        ("CREATE VIRTUAL TABLE t USING fts5 (a)", ALL),
        ("ALTER TABLE t ADD COLUMN a INTEGER DEFAULT 1 REFERENCES u", ALL),
        ("INSERT INTO t VALUES (1)", ALL),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", ALL),
        ("-- a word\nCREATE TABLE t (id INTEGER REFERENCES u)", ALL),
        ("DROP TABLE t", ALL),
        ("", ALL),
    ],
)
def test_what_is_looked_at(sql: str, check: str | None) -> None:
    """Nothing after what can break no key, one table after its making, else everything."""
    assert SqliteDialect().key_check(sql) == check


@sqlite_only
def test_making_tables_looks_at_no_row(database: Database, open_run: OpenRun) -> None:
    """However large the other tables are."""
    database.execute(FAMILY)
    run = open_run(database.url)
    guard, _ = guarded(run)
    with guard.watching():
        run.chosen.database.execute_sql("CREATE TABLE pet (id INTEGER, child_id INTEGER REFERENCES child (id))")
        run.chosen.database.execute_sql("CREATE INDEX pets ON pet (child_id)")
    inspect_outcome(guard)
    assert list(guard.keys.before) == [f"{ALL}(pet)"]
    guard.commit()


@sqlite_only
def test_a_key_to_what_is_not_unique_is_refused(database: Database, open_run: OpenRun) -> None:
    """It could never hold: SQLite would refuse every row."""
    database.execute(FAMILY)
    run = open_run(database.url)
    guard, _ = guarded(run)
    with guard.watching():
        run.chosen.database.execute_sql("CREATE TABLE pet (code TEXT REFERENCES parent (code))")
    with pytest.raises(Exception, match="foreign key mismatch"):
        inspect_outcome(guard)
    assert guard.undo()


@sqlite_only
def test_a_key_may_hold_at_the_end_only(database: Database, open_run: OpenRun) -> None:
    """What it refers to is made unique by a later statement, with rows written in between."""
    database.execute(FAMILY)
    run = open_run(database.url)
    guard, _ = guarded(run)
    with guard.watching():
        run.chosen.database.execute_sql("CREATE TABLE pet (code TEXT REFERENCES parent (code))")
        run.chosen.database.execute_sql("INSERT INTO pet VALUES ('a')")
        run.chosen.database.execute_sql("CREATE UNIQUE INDEX codes ON parent (code)")
    inspect_outcome(guard)
    guard.commit()
    assert database.query("SELECT count(*) FROM pet") == [(1,)]


@sqlite_only
@pytest.mark.parametrize("way", ["statement", "connection", "connection of the cursor"])
def test_a_row_without_its_parent_is_found(database: Database, open_run: OpenRun, way: str) -> None:
    """Whichever way the statement goes, and whatever came before it."""
    database.execute(FAMILY)
    run = open_run(database.url)
    db = run.chosen.database
    guard, _ = guarded(run)
    with guard.watching():
        db.execute_sql("CREATE TABLE pet (id INTEGER, child_id INTEGER REFERENCES child (id))")
        if way == "statement":
            db.execute_sql("DELETE FROM parent WHERE id = 2")
        else:
            connection = db.connection() if way == "connection" else db.cursor().connection
            connection.execute("DELETE FROM parent WHERE id = 2")
    with pytest.raises(BadOutcomeError, match="child row 2 has no parent in parent"):
        inspect_outcome(guard)
    assert guard.undo()
