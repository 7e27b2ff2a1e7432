"""The schema as plain data: immutable, comparable, lossless through JSON."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace

import pytest

from smalls.attrs import Attrs, freeze
from smalls.autoerrors import FormatError, StateError
from smalls.codec import decode, encode
from smalls.schema import (
    Check,
    Column,
    ForeignKey,
    Index,
    Options,
    Schema,
    Sql,
    Table,
    TableKey,
    Type,
    Unique,
    fit,
    table_key,
    types,
)

ID = Column("id", types.auto())
AUTHOR = Table("author", [ID], primary_key="id")
POST = Table(
    "post",
    [ID, Column("title", types.text()), Column("author_id", types.integer())],
    primary_key="id",
    indexes=[Index("ix", ["title", Sql("lower(title)")], unique=True)],
    constraints=[ForeignKey("author_id", "author", "id"), Unique(["title", "id"]), Check("id > 0")],
)


def test_attrs_are_frozen_all_the_way_down():
    """Lists become tuples and dictionaries Attrs; equal ones hash alike, whatever their order."""
    one = Attrs({"b": [1, {"c": [2]}], "a": None})
    assert one["b"] == (1, Attrs(c=(2,)))
    assert one == Attrs(a=None, b=[1, {"c": [2]}])
    assert hash(one) == hash(Attrs(a=None, b=[1, {"c": [2]}]))
    assert list(one) == ["a", "b"]
    assert one != {"a": None}
    assert "Attrs" in repr(one)
    with pytest.raises(TypeError):
        one["a"] = 1


@pytest.mark.parametrize("value", [object(), {1, 2}, float("nan"), {"is": 1}, {1: 2}, [lambda: 1]])
def test_what_json_cannot_hold_is_refused(value):
    """Nothing slips into a state that could not be written down."""
    with pytest.raises(TypeError):
        freeze(value)


def test_values_are_frozen_and_comparable():
    """Equal parts make equal, interchangeable wholes."""
    assert {POST: 1}[replace(POST)] == 1
    assert {Schema([POST, AUTHOR]): 1}[Schema([AUTHOR, POST])] == 1
    with pytest.raises(FrozenInstanceError):
        POST.name = "x"
    with pytest.raises(AttributeError):
        Schema().tables = {}
    with pytest.raises(TypeError):
        Schema().tables[TableKey("", "x")] = POST


def test_equality_of_tables_is_what_a_database_promises():
    """Order of columns, indexes and constraints does not count, nor what only Python knows; all else does."""
    assert POST.with_(columns=POST.columns[::-1], constraints=POST.constraints[::-1]) == POST
    assert POST.with_(python={"model": "Post"}) == POST
    assert hash(POST.with_(columns=POST.columns[::-1])) == hash(POST)
    for change in (
        {"name": "x"},
        {"schema": "s"},
        {"primary_key": ()},
        {"primary_key": ["id", "title"]},
        {"columns": POST.columns[:2]},
        {"indexes": ()},
        {"constraints": POST.constraints[:1]},
        {"comment": "c"},
        {"options": Options(strict=True)},
    ):
        assert POST.with_(**change) != POST
    assert POST != "post"
    assert Schema([POST]) != Schema([AUTHOR])
    assert Schema() != ()


def test_json_keeps_what_only_python_knows():
    """And the order of columns, although neither counts in comparisons."""
    table = POST.with_(python={"model": "Post", "x": [1, [2]], "y": b"\x00\"'"}, columns=POST.columns[::-1])
    again = Schema.from_dict(json.loads(json.dumps(Schema([table]).to_dict())))
    assert again.table(table.key).python == table.python
    assert again.table(table.key).column_names == table.column_names


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"format": 2, "tables": []},
        {"format": 1},
        {"format": 1, "tables": [{"is": "comet"}]},
        {"format": 1, "tables": [{"is": "table", "title": "post"}]},
    ],
)
def test_data_that_is_not_ours_is_refused(data):
    """A later format, something else, or a hand's slip: told apart from a defect."""
    with pytest.raises(FormatError):
        Schema.from_dict(data)


def test_the_codec_takes_plain_values_only():
    """And gives back what it took."""
    assert decode(encode(Attrs(a=[1, "x", None, True]))) == Attrs(a=[1, "x", None, True])
    with pytest.raises(TypeError):
        encode(object())


def test_a_single_name_stands_for_a_list_of_one():
    """As a person would write it."""
    assert POST.primary_key == ("id",)
    assert Unique("a").columns == ("a",)
    assert Index("i", "a").parts == ("a",)
    assert Index("i", Sql("a")).parts == (Sql("a"),)
    assert Options(settings="x").settings == ("x",)


def test_renaming_a_table_takes_foreign_keys_along():
    """In every table, itself included."""
    schema = Schema([POST, AUTHOR]).move(TableKey("", "author"), TableKey("s", "writer"))
    assert schema.table(POST.key).foreign_keys[0].ref_table == ("s", "writer")


def test_renaming_a_column_takes_along_all_that_names_it():
    """Keys, indexes, constraints, and the foreign keys of others."""
    schema = Schema([POST, AUTHOR])
    schema = schema.rename_columns(AUTHOR.key, {"id": "key"}).rename_columns(POST.key, {"title": "t"})
    assert schema.table(POST.key).foreign_keys[0].ref_columns == ("key",)
    assert schema.table(AUTHOR.key).primary_key == ("key",)
    assert schema.table(POST.key).indexes[0].parts == ("t", Sql("lower(t)"))
    assert schema.table(POST.key).constraints[1] == Unique(["t", "id"])


@pytest.mark.parametrize(
    "act",
    [
        lambda s: s.table(TableKey("", "x")),
        lambda s: s.add(POST),
        lambda s: s.remove(TableKey("", "x")),
        lambda s: s.put(Table("x")),
        lambda s: s.move(POST.key, AUTHOR.key),
        lambda s: s.move(TableKey("", "x"), AUTHOR.key),
        lambda s: s.table(POST.key).column("x"),
        lambda s: s.table(POST.key).index("x"),
        lambda s: s.table(POST.key).swap("columns", Column("id", types.text()), None),
        lambda s: Schema([POST, POST]),
    ],
)
def test_what_is_not_there_or_there_already_is_told(act):
    """A StateError, exit 3: the migration is wrong, nothing was run."""
    with pytest.raises(StateError) as error:
        act(Schema([POST, AUTHOR]))
    assert error.value.exit_code == 3


def test_an_unexpected_member_is_told_with_what_is_there():
    """So that one sees what another branch has changed."""
    with pytest.raises(StateError, match=r"expected .*kind='bigint'.*make it .*kind='text'"):
        POST.swap("columns", Column("title", types.bigint()), None)


def test_who_uses_a_column():
    """The primary key, indexes by name, constraints; names without a column are found."""
    assert len(POST.users_of("title")) == 2
    assert POST.users_of("nobody") == ()
    assert POST.with_(columns=[ID]).unknown_columns() == ("author_id", "title")


@pytest.mark.parametrize(
    ("name", "limit", "want"),
    [("abc", 3, "abc"), ("abcd", 3, "abc"), ("ééé", 5, "éé"), ("é" * 40, 63, "é" * 31), ("", 3, "")],
)
def test_names_are_cut_as_postgresql_cuts(name, limit, want):
    """At bytes, never within a character."""
    assert fit(name, limit) == want


def test_types():
    """Parameters that say nothing are left out; arrays hold their items' type; kinds know numbering."""
    assert types.integer() == Type("integer") == types.integer(unsigned=False)
    assert types.item_of(types.array(types.varchar(9), 2)) == types.varchar(9)
    assert types.item_of(types.array(types.text())) == types.text()
    assert types.auto().automatic
    assert not types.integer().automatic
    assert types.varchar(7).get("length") == 7
    with pytest.raises(TypeError):
        Column("x", types.integer(), identity="sometimes")


def test_table_references():
    """A name, or schema and name."""
    assert table_key("a") == ("", "a") == table_key(("", "a"))
    assert str(table_key(("s", "a"))) == "s.a"
