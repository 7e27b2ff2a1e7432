"""Names in SQL texts: found, and renamed as the engines do it."""

from __future__ import annotations

import pytest

from smalls.schema import Check, Column, Generated, Index, Sql, Table, types
from smalls.sqltokens import names_in, rename_in, tokens, with_numbers


@pytest.mark.parametrize(
    ("sql", "want"),
    [
        ("age > 0", "years > 0"),
        ("AGE > 0 AND 'age' <> \"age\"", "years > 0 AND 'age' <> \"years\""),
        ("`age` > t.age", "`years` > t.years"),
        ("age(age) > page", "age(years) > page"),
        ("'it''s age' /* age */ = age -- age", "'it''s age' /* age */ = years -- age"),
        ("age::text ~ '^[0-9]'", "years::text ~ '^[0-9]'"),
    ],
)
def test_a_renamed_column_is_renamed_in_sql(sql, want):
    """Bare and quoted names; not strings, comments, functions or other words. And back."""
    assert rename_in(sql, {"age": "years"}) == want
    assert rename_in(rename_in("age > 0", {"age": "years"}), {"years": "age"}) == "age > 0"


@pytest.mark.parametrize(
    ("new", "want"),
    [("Years", '"Years" > 0 and "Years" < 9'), ("order", '"order" > 0 and "order" < 9')],
)
def test_a_name_that_needs_quotes_gets_them(new, want):
    """Else it would be another name, or a word of SQL."""
    assert rename_in('age > 0 and "age" < 9', {"age": new}) == want


def test_names_swap():
    """Both at once, so that neither is renamed twice."""
    assert rename_in("a < b", {"a": "b", "b": "a"}) == "b < a"


def test_words_of_sql_are_no_names():
    """Unless quoted."""
    assert names_in('a is not null and "null" in (B, count(*))') == {"a", "null", "b"}


def test_tokens_lose_nothing():
    """Their texts joined are the SQL."""
    sql = "a>=1 AND \"b\"\"c\" <> '--''' -- end\n/* x */ OR [d] || `e`"
    assert "".join(token.text for token in tokens(sql)) == sql


def test_a_table_renames_its_columns_in_all_its_texts():
    """Checks of columns and of the table, generated columns, partial indexes and those over expressions."""
    table = Table(
        "t",
        [
            Column("age", types.integer(), checks="age > 0"),
            Column("g", types.integer(), generated=Generated("age + 1")),
        ],
        indexes=[Index("i", [Sql("abs(age)")], where="age > 1")],
        constraints=[Check("age < 200")],
    )
    renamed = table.rename_columns({"age": "years"})
    assert renamed.column("years").checks == ("years > 0",)
    assert renamed.column("g").generated == Generated("years + 1")
    assert renamed.indexes == (Index("i", [Sql("abs(years)")], where="years > 1"),)
    assert renamed.constraints == (Check("years < 200"),)
    assert renamed.rename_columns({"years": "age"}) == table


def test_booleans_as_numbers():
    """Words only, and not where they say IS TRUE, which is no comparison."""
    said = "a = TRUE AND b = false OR 'true' = \"true\" AND c IS TRUE AND d IS  NOT false AND NOT e = true"
    want = "a = 1 AND b = 0 OR 'true' = \"true\" AND c IS TRUE AND d IS  NOT false AND NOT e = 1"
    assert with_numbers(said) == want
