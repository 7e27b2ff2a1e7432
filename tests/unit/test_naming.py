"""Names of migrations: numbers, stems, history keys, and file names from any description."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smalls.errors import UsageError
from smalls.model import Revision
from smalls.naming import looks_like_migration, next_number, revision_of_key, revision_of_stem, stem_for


@pytest.mark.parametrize(
    ("stem", "number"),
    [
        ("0001_add_x", 1),
        ("0001", 1),
        ("0000_first", 0),
        ("9999_last", 9999),
        ("10000_more", 10000),
        ("123456-dash", 123456),
        ("0001_a.b", 1),
        ("0001_añadir", 1),
    ],
)
def test_stem_of_a_migration(stem, number):
    """Four digits or more, then anything but a digit, is a migration of that number."""
    assert revision_of_stem(stem) == Revision("", number, stem)


@pytest.mark.parametrize("stem", ["__init__", "12_add_x", "add_0001", "", "model", "001", ".0001_x", "x0001_y"])
def test_stem_of_no_migration(stem):
    """Other files in the folder are left alone."""
    assert revision_of_stem(stem) is None


@pytest.mark.parametrize(
    ("stem", "doubtful"),
    [("12_add_x", True), ("1-x", True), ("3 x", True), ("0001_x", False), ("__init__", False), ("42", False)],
)
def test_a_stem_that_was_probably_meant(stem, doubtful):
    """A number of fewer than four digits before a word was probably meant as a migration."""
    assert looks_like_migration(stem) is doubtful


@pytest.mark.parametrize(
    ("key", "revision"),
    [
        ("0003_x", Revision("", 3, "0003_x")),
        ("0003_x.y", Revision("", 3, "0003_x.y")),
        ("shop.0003_x", Revision("shop", 3, "0003_x")),
        ("shop.0003_x.y", Revision("shop", 3, "0003_x.y")),
        ("by hand", Revision("", -1, "by hand")),
        ("shop.by_hand", Revision("shop", -1, "by_hand")),
    ],
)
def test_key_of_the_history(key, revision):
    """A history row's name is a stem, or an app and a stem; it reads back as it was."""
    assert revision_of_key(key) == revision
    assert str(revision_of_key(key)) == key


@pytest.mark.parametrize(
    ("numbers", "following"), [((), 1), ((1, 2), 3), ((1, 7), 8), ((9999,), 10000), ((12345, 3), 12346), ((0,), 1)]
)
def test_next_number(numbers, following):
    """The next number is above the highest, gaps and all, past 9999 too."""
    assert next_number(Revision("", number, f"{number:04d}_x") for number in numbers) == following


@pytest.mark.parametrize(
    ("description", "stem"),
    [
        ("add reset count", "0001_add_reset_count"),
        ("a/b\\c:d*e?f", "0001_a_b_c_d_e_f"),
        ('it\'s "quoted"', "0001_its_quoted"),
        ("🎉 party 🎉", "0001_party"),
        ("naïve café", "0001_naive_cafe"),
        ("  __spaces__\n\t", "0001_spaces"),
        ("../../etc/passwd", "0001_etc_passwd"),
        ("x" * 300, "0001_" + "x" * 100),
        (("word " * 60).strip(), "0001_" + "word_" * 19 + "word"),
        ("-rf", "0001_rf"),
        ("CON", "0001_CON"),
    ],
)
def test_safe_name(description, stem):
    """A description becomes a safe file name that a person still recognises."""
    assert stem_for(1, description).removesuffix("_") == stem


@pytest.mark.parametrize("description", ["", "   ", "🎉🎉", "///", "'", "\x00", "миграция"])
def test_description_without_a_name_in_it(description):
    """A description of which nothing can be kept gets a clear answer."""
    with pytest.raises(UsageError, match="no letter or digit"):
        stem_for(1, description)


@given(number=st.integers(0, 10**7), description=st.text(max_size=400))
@example(number=9999, description="1")
@example(number=10000, description="x" * 100 + "/y")
def test_any_description_is_a_safe_name_or_a_clear_answer(number, description):
    """Whatever the description: an ASCII stem of bounded length that reads back as its number, or UsageError."""
    try:
        stem = stem_for(number, description)
    except UsageError:
        return
    assert re.fullmatch(r"\d{4,}_[0-9A-Za-z_]{1,100}", stem)
    assert not stem.endswith("_")
    assert revision_of_stem(stem) == Revision("", number, stem)
    assert revision_of_key(stem) == Revision("", number, stem)
