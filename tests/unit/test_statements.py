"""SQL looked at from outside: split, first word, whether it only reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalls.statements import only_reads, shown, split_statements, verb, without_values


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


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("ALTER USER 'a'@'%' IDENTIFIED BY 'it''s'", "ALTER USER 'a'@'%' IDENTIFIED BY '***'"),
        ('ALTER USER a IDENTIFIED BY "x\'y"', "ALTER USER a IDENTIFIED BY '***'"),
        ("CREATE ROLE a PASSWORD $p$x$p$ VALID UNTIL '1'", "CREATE ROLE a PASSWORD '***' VALID UNTIL '***'"),
        ("SET PASSWORD FOR a = PASSWORD('x')", "SET PASSWORD FOR a = PASSWORD('***')"),
        (
            "INSERT INTO u (id, password) VALUES ('a', 'b')",
            "INSERT INTO u (id, password) VALUES ('***', '***')",
        ),
        ('CREATE TABLE "u" ("password" TEXT, "email" TEXT)', 'CREATE TABLE "u" ("password" TEXT, "email" TEXT)'),
        ("CREATE SUBSCRIPTION s CONNECTION 'host=h password=p'", "CREATE SUBSCRIPTION s CONNECTION '***'"),
        ("SELECT 'x' FROM t", "SELECT 'x' FROM t"),
    ],
)
def test_passwords_are_not_shown(sql: str, text: str) -> None:
    """From a word that speaks of secrets on, strings are masked."""
    assert shown(sql) == text


def test_values_of_other_programs_are_not_shown() -> None:
    """Names stay, strings and numbers go."""
    sql = "UPDATE t1 SET a = 'x', b2 = 1.5, c = $$y$$ WHERE `n 1` = 3 AND \"m 2\" = -4"
    assert without_values(sql) == 'UPDATE t1 SET a = ?, b2 = ?, c = ? WHERE `n 1` = ? AND "m 2" = -?'
    assert without_values('SELECT "a", `b 1`', names_in="`") == "SELECT ?, `b 1`"
