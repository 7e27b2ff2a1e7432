"""What is said of two catalogues that differ."""

from typing import Any

import pytest

from smalls.reflect import Catalogue, LiveColumn, LiveTable, differences

COLUMN = LiveColumn("integer", null=False)
TABLE: dict[str, Any] = {"columns": {"a": COLUMN}, "primary_key": ("a",), "indexes": {"i": "CREATE INDEX i"}}


def _said(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    one, other = (Catalogue({"t": LiveTable(**{**TABLE, **parts})}) for parts in (expected, found))
    return differences(one, other)


def test_equal_catalogues_differ_in_nothing():
    """Nothing is said, whatever the order of columns."""
    columns = {"a": COLUMN, "b": COLUMN}
    assert _said({"columns": columns}, {"columns": dict(reversed(columns.items()))}) == []


@pytest.mark.parametrize(
    ("expected", "found", "want"),
    [
        ({}, {"columns": {}}, "table t: column a is missing"),
        ({}, {"columns": {"a": COLUMN, "b": COLUMN}}, "table t: column b is extra"),
        (
            {},
            {"columns": {"a": LiveColumn("bigint", null=False)}},
            "table t: column a: type is 'bigint', not 'integer'",
        ),
        ({}, {"columns": {"a": LiveColumn("integer", null=True)}}, "table t: column a: null is True, not False"),
        ({}, {"indexes": {}}, "table t: index i is missing"),
        (
            {},
            {"indexes": {"i": "CREATE UNIQUE INDEX i"}},
            "table t: index i is 'CREATE UNIQUE INDEX i', not 'CREATE INDEX i'",
        ),
        ({"constraints": {"c": "CHECK (1)"}}, {}, "table t: constraint c is missing"),
        ({}, {"primary_key": ()}, "table t: primary_key is (), not ('a',)"),
        ({"comment": "x"}, {}, "table t: comment is '', not 'x'"),
        ({"triggers": {"g": "x"}}, {}, "table t: trigger g is missing"),
        ({"sequences": {"s": "x"}}, {}, "table t: sequence s is missing"),
    ],
)
def test_each_difference_is_a_sentence(expected: dict[str, Any], found: dict[str, Any], want: str):
    """One sentence names the place and both sides."""
    assert _said(expected, found) == [want]


def test_missing_and_extra_tables():
    """Whole tables are named alone."""
    table = LiveTable(**TABLE)
    assert differences(Catalogue({"a": table}), Catalogue({"b": table})) == [
        "table a is missing",
        "table b is extra",
    ]
