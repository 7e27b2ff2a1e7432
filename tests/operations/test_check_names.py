"""Unnamed checks of MySQL and MariaDB, which both write anew in words of their own, are found by what they say."""

from collections.abc import Iterator
from pathlib import Path

import peewee
import pytest

from smalls.compiling import compiler_for
from smalls.operations import AddConstraint, AddTable, DropConstraint
from smalls.program import prepare
from smalls.reflect import differences
from smalls.schema import Check, Column, Schema, Table, types
from smalls.steps import Start, execute
from tests.conftest import obtain
from tests.databases import fresh_database
from tests.operations.harness import Bench
from tests.servers import MYSQL

CHECKS = [
    "a IN (1, 2, 3)",
    "a IN (1, 2, 4)",
    "a NOT IN (7, 8)",
    "a BETWEEN 1 AND 100",
    "a BETWEEN 1 AND 101",
    "NOT (a BETWEEN 200 AND 300)",
    "(a + b) * 2 > 0",
    "a + (b * 2) > 0",
    "a + b * 2 > -1",
    "((a > 0) AND ((b > 0) OR (a = 1)))",
    "(a > 0 AND b > 0) OR a = 1",
    "a != 50",
    "a <> 51",
    "NOT a = 52",
    "a % 60 <> 59",
    "MOD(a, 61) <> 60",
    "a IS NOT NULL",
    "c LIKE 'x%'",
    "c NOT LIKE '%z%'",
    "c <> 'it''s'",
    "c <> 'a\\\\b'",
    "c <> 'ü'",
    "c <> '(a)'",
    "c <> 'a'",
    'c <> "d"',
    "CHAR_LENGTH(c) > 0",
    "LENGTH(c) < 100",
    "LOWER(c) = 'x'",
    "UPPER(TRIM(c)) = 'X'",
    "COALESCE(c, '') <> ''",
    "CONCAT(c, 'a') <> 'a'",
    "c REGEXP '^[a-z]+$'",
    "JSON_VALID(d)",
    "JSON_EXTRACT(d, '$.a') IS NULL",
    "(CASE WHEN a = 1 THEN b ELSE 2 END) > 0",
    "IF(a = 1, 1, 0) = 1",
    "e > '2000-01-01'",
    "YEAR(e) > 1999",
    "CAST(a AS CHAR(5)) <> '9'",
    "(a DIV 2 < 10 AND b > 0) XOR (a = 0)",
    "`a` < `b` + 1000",
    '"a" < "b" + 1001',
    "a\n<\n2000",
]
COLUMNS = [
    Column("a", types.integer()),
    Column("b", types.integer()),
    Column("c", types.varchar(20)),
    Column("d", types.text()),
    Column("e", types.date()),
]
ROW = {"a": 1, "b": 1, "c": "x", "d": "{}", "e": "2020-02-02"}


@pytest.fixture(params=MYSQL)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Give an empty database."""
    with obtain(request.param, lambda: fresh_database(request.param, tmp_path)) as database:
        made = Bench(database)
        yield made
        made.close()


def table(checks: list[str]) -> Table:
    """Make the state with those checks, beside one that has a name."""
    named = Check("a > -9", name="thing_chk_99")
    return Table("thing", COLUMNS, constraints=[*map(Check, checks), named])


def remake(bench: Bench, checks: list[str]) -> Table:
    """Make the table afresh, with a row."""
    bench.clear()
    made = table(checks)
    bench.run([AddTable(made)], Schema())
    bench.insert({"thing": [ROW]})
    return made


def test_each_of_many_is_told_from_the_others(bench: Bench):
    """The one that is dropped goes, in whatever words the server keeps it, and comes back."""
    for number, gone in enumerate(CHECKS):
        rest = [*CHECKS[:number], *CHECKS[number + 1 :]]
        remake(bench, rest)
        wanted = bench.catalogue()
        made = remake(bench, CHECKS)
        before = bench.catalogue()
        drop = DropConstraint("thing", Check(gone))
        bench.run([drop], Schema([made]))
        assert differences(wanted, bench.catalogue()) == [], gone
        bench.run([drop.inverse()], drop.apply(Schema([made])))
        assert differences(before, bench.catalogue()) == [], gone


def test_one_made_under_another_character_set_is_found(bench: Bench):
    """A server notes with each string in which set its connection spoke."""
    bench.query("SET NAMES latin1")
    checks = ["c <> 'a'", "c <> 'b'"]
    made = remake(bench, checks)
    bench.query("SET NAMES utf8mb4")
    bench.run([DropConstraint("thing", Check(checks[1]))], Schema([made]))
    shown = bench.query("SHOW CREATE TABLE thing")[0][1]
    assert ("'a'" in shown, "'b'" in shown) == (True, False)


def test_in_doubt_an_equal_check_is_not_made_twice(bench: Bench):
    """A run was killed before it could note that the check was there."""
    made = remake(bench, CHECKS)
    before = bench.catalogue()
    missing = Schema([table([sql for sql in CHECKS if sql != "a != 50"])])
    program = prepare(compiler_for(bench.db), [AddConstraint("thing", Check("a != 50"))], missing)
    execute(program, bench.db, {}, start=Start(doubt=True))
    assert differences(before, bench.catalogue()) == []
    program = prepare(compiler_for(bench.db), [AddConstraint("thing", Check("a != 53"))], Schema([made]))
    execute(program, bench.db, {}, start=Start(doubt=True))
    assert differences(before, bench.catalogue()) != []


def test_a_user_who_may_make_no_temporary_table_drops_what_reads_the_same(bench: Bench):
    """Then the text of the file is all there is to go by."""
    made = remake(bench, CHECKS)
    bench.query("CREATE USER nobody IDENTIFIED BY 'x'")
    name = bench.db.database
    try:
        bench.query(f"GRANT SELECT, INSERT, ALTER, CREATE, DROP ON `{name}`.* TO nobody")
        other = peewee.MySQLDatabase(name, **{**bench.db.connect_params, "user": "nobody", "password": "x"})
        program = prepare(compiler_for(other), [DropConstraint("thing", Check("a != 50"))], Schema([made]))
        execute(program, other, {})
        other.close()
    finally:
        bench.query("DROP USER nobody")
    after = bench.catalogue()
    remake(bench, [sql for sql in CHECKS if sql != "a != 50"])
    assert differences(bench.catalogue(), after) == []
