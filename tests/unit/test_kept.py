"""Operations kept with the history: they come back whole, or not at all."""

from __future__ import annotations

import base64
import dataclasses
import json
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smalls import codec
from smalls.autoerrors import FormatError
from smalls.compilers.postgres import PostgresCompiler
from smalls.differ import diff
from smalls.kept import Kept, keep, restore
from smalls.operations import AddColumn, AddIndex, Backfill, DropColumn, RawSQL, RunPython, StateOnly
from smalls.schema import Check, Column, Index, Schema, Sql, Table, types
from smalls.structural import RULES, beyond_structure, rule_of
from tests.strategies import schemas

few = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
KEYS = (b"new", b"old")
ADD = AddColumn("post", Column("n", types.integer(), null=True))


@few
@given(schemas(), schemas(), st.sampled_from([(), KEYS[:1]]))
def test_what_is_kept_comes_back(a, b, keys):
    """Nothing is lost, signed or not."""
    operations = diff(a, b).operations
    kept = restore(keep(Kept("0001_a", operations), keys), "0001_a", KEYS)
    assert kept.operations == operations
    assert kept.signed == bool(keys)


def test_any_of_the_keys_vouches_and_the_first_one_signs():
    """Keys can be changed: the new one signs, the old one is still believed."""
    text = keep(Kept("0001_a", (ADD,)), (b"old",))
    assert restore(text, "0001_a", KEYS).signed
    assert keep(Kept("0001_a", (ADD,)), KEYS) == keep(Kept("0001_a", (ADD,)), KEYS[:1]) != text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.replace("1.", "2.", 1), "not of the form"),
        (lambda t: t[: len(t) // 2], "do not fit their signature"),
        (lambda t: t.split(".")[0], "not of the form"),
        (lambda t: ".".join([*t.split(".")[:2], "0" * 64, t.split(".")[3]]), "do not fit their signature"),
        (lambda t: t[:-8] + "AAAA" + t[-4:], "do not fit their signature"),
        (lambda _: keep(Kept("0001_a", (ADD,)), (b"other",)), "a key that is not set here"),
        (lambda _: keep(Kept("0002_b", (ADD,)), KEYS), "those of '0002_b'"),
    ],
)
def test_what_was_tampered_with_is_refused(change, words):
    """Truncated, changed, of a later form, of another row, signed by another."""
    with pytest.raises(FormatError, match=words):
        restore(change(keep(Kept("0001_a", (ADD,)), KEYS)), "0001_a", KEYS)


def test_what_is_damaged_is_refused_without_keys_too():
    """Cut data is not read as far as it goes, and a bomb is not unpacked."""
    text = keep(Kept("0001_a", (ADD,)))
    bomb = "1..." + base64.b64encode(zlib.compress(b" " * 10_000_000)).decode()
    for bad in (text[:-10], text[:-4], bomb, "1...", "1...!!"):
        with pytest.raises(FormatError, match="damaged"):
            restore(bad, "0001_a")


@few
@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda s: st.lists(s, max_size=3))
)
def test_any_document_is_operations_or_refused(value):
    """Forged data never ends otherwise than as operations or as our own error."""
    document = {
        "migration": "m",
        "format": codec.FORMAT,
        "operations": [{"is": "add_column", "table": value, "column": value}],
    }
    text = "1..." + base64.b64encode(zlib.compress(json.dumps(document).encode())).decode()
    try:
        kept = restore(text, "m")
    except FormatError:
        return
    assert beyond_structure(kept.operations)


def test_every_field_has_its_rule():
    """A field that is added later is refused until somebody has said what it may hold."""
    plain = list(codec._TAGS)
    for cls in plain:
        for item in dataclasses.fields(cls):
            assert rule_of(cls.__name__, item.name)
    known = {(cls.__name__, item.name) for cls in plain for item in dataclasses.fields(cls)}
    assert {pair for pair in RULES if pair[0] != "*"} <= known


EVIL = "x); DROP TABLE users; --"


@pytest.mark.parametrize(
    "operation",
    [
        RawSQL(EVIL),
        RawSQL((), EVIL),
        RunPython("forward"),
        StateOnly([RawSQL(EVIL)]),
        AddColumn("t", Column("c", types.raw(EVIL))),
        AddColumn("t", Column("c", types.of("varchar", length=EVIL))),
        AddColumn("t", Column("c", types.of(EVIL))),
        AddColumn("t", Column("c", types.array(types.raw(EVIL)))),
        AddColumn("t", Column("c", types.text(), default=EVIL)),
        AddColumn("t", Column("c", types.text(), default="'a\\' || evil() || '")),
        AddColumn("t", Column("c", types.text(), default="evil()")),
        AddColumn("t", Column("c", types.text(), collation=EVIL)),
        AddColumn("t", Column("c", types.text(), checks=[EVIL])),
        AddColumn("t", Column("c", types.text(), extra=[EVIL])),
        AddColumn("t", Column("c", types.text()), backfill=Sql(EVIL)),
        AddColumn("t", Column("c", types.text()), backfill=float("nan")),
        AddIndex("t", Index("i", [Sql(EVIL)])),
        AddIndex("t", Index("i", ["a"], where=EVIL)),
        AddIndex("t", Index("i", ["a"], method=EVIL)),
        AddIndex("t", Index("i", sql=EVIL)),
        AddIndex("t", Check(EVIL)),
        Backfill("t", "c", Sql(EVIL)),
        Backfill("t", "c", 1, where=EVIL),
        DropColumn("t", Sql(EVIL)),
    ],
    ids=lambda operation: operation.name,
)
def test_sql_of_anybodys_own_is_more_than_structure(operation):
    """Wherever SQL text could stand, an unsigned row may not have any."""
    assert beyond_structure([ADD]) == []
    assert beyond_structure([operation])


@few
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_names_of_structure_reach_sql_quoted(name):
    """A forged name is a name: its quotes are doubled, so that it cannot end there."""
    table = Table(
        name, [Column("id", types.auto()), Column(name + "c", types.text(), comment=name)], primary_key="id"
    )
    operation = AddColumn(name, Column(name, types.text(), null=True, comment=name))
    assert beyond_structure([operation]) == []
    sql = [step.sql for step in PostgresCompiler().compile(operation, Schema([table]))]
    assert sql
    outside = [text for text in sql if _bare(text).strip() and name in _bare(text) and len(name) > 3]
    assert not outside


def _bare(sql: str) -> str:
    """Return what stands outside quotes of PostgreSQL, given E-less strings."""
    out, quote, at = [], "", 0
    while at < len(sql):
        char = sql[at]
        if quote:
            if char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        else:
            out.append(char)
        at += 1
    return "".join(out)
