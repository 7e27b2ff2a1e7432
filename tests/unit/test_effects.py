"""What a schema change leaves behind, as its text tells."""

import pytest

from smalls.effects import effect_of


@pytest.mark.parametrize(
    ("sql", "effect", "present"),
    [
        ("CREATE TABLE a (n INTEGER)", "table a", True),
        ('create table if not exists "s"."a b" (n INTEGER)', "table s.a b", True),
        ("/* x */ DROP TABLE IF EXISTS a;", "table a", False),
        ("ALTER TABLE a RENAME TO b", "table b", True),
        ("RENAME TABLE a TO b", "table b", True),
        ("ALTER TABLE a ADD COLUMN b INTEGER, ADD COLUMN c INTEGER", "column a.b", True),
        ("ALTER TABLE ONLY a ADD b INTEGER", "column a.b", True),
        ("ALTER TABLE `a` DROP COLUMN `b`", "column a.b", False),
        ("ALTER TABLE a DROP b", "column a.b", False),
        ("ALTER TABLE a RENAME COLUMN b TO c", "column a.c", True),
        ("ALTER TABLE a CHANGE COLUMN b c INTEGER", "column a.c", True),
        ("CREATE UNIQUE INDEX i ON a (n)", "index a.i", True),
        ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY a (n)", "index a.i", True),
        ("CREATE INDEX i USING btree ON a (n)", "index a.i", True),
        ("DROP INDEX CONCURRENTLY i", "index i", False),
        ("DROP INDEX i ON a", "index a.i", False),
        ("ALTER TABLE a ADD UNIQUE INDEX i (n)", "index a.i", True),
        ("ALTER TABLE a ADD CONSTRAINT c CHECK (n > 0)", "constraint a.c", True),
        ("ALTER TABLE a DROP FOREIGN KEY c", "constraint a.c", False),
        ("ALTER TABLE a DROP KEY i", "index a.i", False),
        ("ALTER TABLE a RENAME INDEX i TO j", "index a.j", True),
    ],
)
def test_what_is_understood(sql: str, effect: str, present: bool) -> None:
    """The first thing that a statement makes or takes away."""
    found = effect_of(sql)
    assert found is not None
    assert (str(found), found.present) == (effect, present)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "CREATE",
        "CREATE TABLE",
        "INSERT INTO a VALUES (1)",
        "CREATE TEMPORARY TABLE a (n INTEGER)",
        "CREATE VIEW a AS SELECT 1",
        "CREATE INDEX ON a (n)",
        "DROP TABLE a, b",
        "RENAME TABLE a TO b, b TO c",
        "ALTER TABLE a MODIFY n BIGINT",
        "ALTER TABLE a CHANGE n n BIGINT",
        "ALTER TABLE a ADD PRIMARY KEY (n)",
        "ALTER TABLE a ADD (n INTEGER)",
        "ALTER TABLE a ALTER COLUMN n TYPE bigint",
        "ALTER TABLE a DROP PRIMARY KEY",
    ],
)
def test_what_is_not(sql: str) -> None:
    """Nothing is said of it."""
    assert effect_of(sql) is None
