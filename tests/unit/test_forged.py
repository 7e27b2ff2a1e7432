"""Forged, unsigned rows: no text of theirs reaches SQL but as a quoted name or a literal."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from smalls.autoerrors import UnsupportedError
from smalls.compilers.base import Rebuild, compile_all
from smalls.compilers.mysql import MysqlCompiler
from smalls.compilers.postgres import PostgresCompiler
from smalls.compilers.sqlite import SqliteCompiler
from smalls.differ import diff
from smalls.errors import SmallsError
from smalls.kept import Kept
from smalls.operations import (
    AddColumn,
    AddConstraint,
    AddIndex,
    AddTable,
    AlterColumn,
    ChangeComment,
    DropColumn,
    DropConstraint,
    DropIndex,
    DropTable,
    RenameColumn,
    RenameIndex,
    RenameTable,
    apply_all,
    from_dict,
    to_dict,
)
from smalls.reversal import lasting, require_trust, way_back
from smalls.schema import Column, ForeignKey, Index, Schema, Table, Unique, types
from tests.strategies import schemas

MARK = "evilmark"
FORGED = [
    MARK,
    f'"{MARK}',
    f"'{MARK}",
    f"`{MARK}",
    f"\\'{MARK}",
    f"x); {MARK}; --",
    f"'x' || {MARK}()",
    f"/*{MARK}*/",
]
COMPILERS = [SqliteCompiler(), PostgresCompiler(), MysqlCompiler("mysql"), MysqlCompiler("mariadb")]


def places(data: Any, path: tuple = ()) -> list[tuple]:
    """Name where a text stands that may be forged; the tag of a class is forged, too."""
    if isinstance(data, dict):
        return [place for name, held in data.items() for place in places(held, (*path, name))]
    if isinstance(data, list):
        return [place for number, held in enumerate(data) for place in places(held, (*path, number))]
    return [path] if isinstance(data, str) or data is None else []


def put(data: Any, place: tuple, text: str) -> None:
    """Put a text there."""
    for step in place[:-1]:
        data = data[step]
    data[place[-1]] = text


def bare(sql: str, *, backslashes: bool) -> str:
    """Return what stands outside quotes; a doubled quote opens anew, which comes to the same."""
    out, quote, at = [], "", 0
    while at < len(sql):
        char = sql[at]
        if quote == "'" and char == "\\" and backslashes:
            at += 1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"`":
            quote = char
        else:
            out.append(char)
        at += 1
    return "".join(out) + (f"{MARK} is left open" if quote else "")


def test_what_stands_bare_is_seen() -> None:
    """The test can fail."""
    assert MARK in bare(f"SELECT 'it''s' || {MARK}", backslashes=False)
    assert MARK in bare(f"SELECT 'a\\' || {MARK} || '", backslashes=False)
    assert MARK not in bare(f"SELECT 'a\\'{MARK}', `{MARK}`", backslashes=True)


def outside_quotes(compiler: Any, kept: Kept, before: Schema) -> list[str]:
    """Compile the way back, and return the SQL in which a forged text stands outside quotes."""
    require_trust(kept, lasting(kept))
    compiled = compile_all(compiler, way_back(kept), apply_all(kept.operations, before))
    steps = [step for item in compiled for step in item.steps]
    statements = [each for step in steps for each in (step.statements if isinstance(step, Rebuild) else [step])]
    sqls = [sql for each in statements for sql in (each.sql, *each.otherwise, each.named_by, each.found_by)]
    backslashes = isinstance(compiler, MysqlCompiler)
    return [sql for sql in sqls if isinstance(sql, str) and MARK in bare(sql, backslashes=backslashes)]


KINDS = ["sqlite", "postgres", "mysql", "mariadb"]
few = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("compiler", COMPILERS, ids=KINDS)
@few
@given(schemas(), schemas(), st.data())
def test_a_forged_text_is_quoted_or_refused(compiler: Any, a: Any, b: Any, data: Any) -> None:
    """Whatever text of the kept operations is forged, one or many of them; most end as a refusal."""
    document = json.loads(json.dumps(to_dict(diff(a, b).operations)))
    where = places(document["operations"])
    assume(where)
    for place in data.draw(st.lists(st.sampled_from(where), min_size=1, max_size=3)):
        put(document["operations"], place, data.draw(st.sampled_from(FORGED)))
    with contextlib.suppress(SmallsError, TypeError, ValueError, AttributeError, KeyError):
        assert outside_quotes(compiler, Kept("0001_a", from_dict(document)), a) == []


@pytest.mark.parametrize("compiler", COMPILERS, ids=KINDS)
@few
@given(st.lists(st.sampled_from(FORGED), min_size=9, max_size=9))
def test_forged_structure_is_quoted(compiler: Any, words: list[str]) -> None:
    """Each name, comment and value of each operation; all of it compiles, and stays a name or a literal."""
    table, one, two, index, unique, comment, value, new, key = (f"{word}{n}" for n, word in enumerate(words))
    first = Column(
        one, types.varchar(50), comment=comment, default="'" + value.replace("'", "").replace("\\", "") + "'"
    )
    second = Column(two, types.integer(), null=True)
    parts = {"indexes": [Index(index, [one])], "constraints": [Unique([two], name=unique)], "comment": comment}
    made = Table(table, [Column("id", types.auto()), first, second], primary_key="id", **parts)
    other = Table(new, [Column("id", types.auto())], primary_key="id")
    before = Schema([made, other])
    changed = first.with_(type=types.text(), default=None, comment=new)
    refers = ForeignKey([two], new, ["id"], name=key, on_delete="CASCADE")
    for operations, schema in [
        ([AddTable(made)], Schema([other])),
        ([DropTable(made)], before),
        ([AddColumn(table, Column(new, types.text(), null=True, comment=comment))], before),
        ([DropIndex(table, made.indexes[0]), DropColumn(table, first, reverse_backfill=value)], before),
        ([AlterColumn(table, first, changed, reverse_backfill=value)], before),
        ([RenameColumn(table, one, new)], before),
        ([RenameTable(table, key)], before),
        ([RenameIndex(table, index, new)], before),
        ([AddIndex(table, Index(new, [one, two]))], before),
        ([AddConstraint(table, refers)], before),
        ([DropConstraint(table, made.constraints[0])], before),
        ([ChangeComment(table, comment, value)], before),
    ]:
        with contextlib.suppress(UnsupportedError):
            assert outside_quotes(compiler, Kept("0001_a", tuple(operations)), schema) == []
