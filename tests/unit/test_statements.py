"""SQL looked at from outside: split, first word, whether it only reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalls.statements import only_reads, shown, split_statements, verb


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", []),
        (" ; ;; ", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SET a = 1; SET b = 2;", ["SET a = 1", "SET b = 2"]),
        ("SELECT ';'; SELECT 2", ["SELECT ';'", "SELECT 2"]),
        ("SELECT 'it''s;'; SELECT 2", ["SELECT 'it''s;'", "SELECT 2"]),
        ('SELECT "a;b", `c;d`; X', ['SELECT "a;b", `c;d`', "X"]),
        ("DO $$ BEGIN a; END $$; X", ["DO $$ BEGIN a; END $$", "X"]),
        ("DO $f$ a; $$ b; $f$; X", ["DO $f$ a; $$ b; $f$", "X"]),
        ("A -- x; y\n; B", ["A -- x; y", "B"]),
        ("A /* ; \n ; */; B", ["A /* ; \n ; */", "B"]),
        ("SELECT '; no end", ["SELECT '", "no end"]),
    ],
)
def test_split(text, statements):
    """Semicolons inside quotes, dollar quotes and comments do not split."""
    assert split_statements(text) == statements


@given(st.lists(st.sampled_from(["a", ";", "'x;'", "--c\n", " ", "$$;$$", "/*;*/"]), max_size=20))
def test_split_loses_nothing_but_semicolons_and_blanks(pieces):
    """Every character but splitting semicolons and blanks around them is kept, in order."""
    text = "".join(pieces)
    kept = "".join("".join(split_statements(text)).split())
    assert kept.replace(";", "") == "".join(text.split()).replace(";", "")


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("select 1", "SELECT"),
        ("  \n/* hello */ -- more\n INSERT INTO x", "INSERT"),
        ("(SELECT 1)", "SELECT"),
        ("/*!40101 SET x */", ""),
        ("", ""),
        ("-- only", ""),
        ("1", ""),
    ],
)
def test_verb(sql, word):
    """The first word counts, after blanks, comments and parentheses."""
    assert verb(sql) == word


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
        "SET x = 1",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "VALUES (1)",
    ],
)
def test_only_reads(sql):
    """What surely changes nothing is said to."""
    assert only_reads(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO x VALUES (1)",
        "WITH a AS (DELETE FROM x RETURNING *) SELECT * FROM a",
        "SELECT 1 INTO x",
        "EXPLAIN ANALYZE UPDATE x SET a = 1",
        "CREATE TABLE x (a int)",
        "CALL p()",
        "DO $$ $$",
        "ANALYZE",
        "",
        "/*! DROP TABLE x */",
        "EXECUTE p",
    ],
)
def test_may_write(sql):
    """In doubt a statement is not said to only read."""
    assert not only_reads(sql)


@given(st.text(max_size=3000))
def test_shown_is_one_bounded_line(sql):
    """What is shown of a statement is one line of bounded length."""
    line = shown(sql)
    assert len(line.splitlines()) <= 1
    assert len(line) < 1100
