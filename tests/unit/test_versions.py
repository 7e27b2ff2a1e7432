"""Versions of images: integers and PEP 440 releases, in the order that packaging gives them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from smalls.errors import ConfigError
from smalls.versions import as_integer, at_least, later, version_key

ASCENDING = [
    "0",
    "1.0.dev1",
    "1.0a1.dev2",
    "1.0a1",
    "1.0a1.post1",
    "1.0b2",
    "1.0rc1",
    "1.0",
    "1.0.post1.dev1",
    "1.0.post1",
    "1.1",
    "1.9.9",
    "1.10",
    "2",
    "10",
    "42",
    "20241121",
    "1!0.1",
]


def test_order_of_a_table():
    """Pre-releases, releases, post-releases and integers sort as people mean them."""
    keys = [version_key(text, where="x") for text in ASCENDING]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "1.0"), ("1.0", "1.0.0"), ("v1.2", "1.2"), ("1.0alpha1", "1.0a1"), ("1.0-1", "1.0.post1"), (" 3 ", "3")],
)
def test_spellings_of_one_version(one, other):
    """Spellings that PEP 440 calls equal are equal."""
    assert version_key(one, where="x") == version_key(other, where="x")


@pytest.mark.parametrize("text", ["", "latest", "main", "1.x", "a1b2c3d", "1.0+local", "1..2", "-1", "1.0 beta x"])
def test_no_version(text):
    """Anything else is an error that names where it stands."""
    with pytest.raises(ConfigError, match="min_version of 0003_x") as raised:
        version_key(text, where="min_version of 0003_x")
    assert raised.value.exit_code == 3


def test_a_number_of_too_many_digits():
    """A number that Python itself refuses to read is no version either, and no defect."""
    with pytest.raises(ConfigError):
        version_key("9" * 5000, where="x")


NUMBERS = st.integers(0, 30).map(str)
VERSIONS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "v", "1!"]),
        st.lists(NUMBERS, min_size=1, max_size=4).map(".".join),
        st.sampled_from(["", "a1", "b2", ".rc3", "-alpha.1", "_preview4", "c"]),
        st.sampled_from(["", ".post1", "-2", ".rev3", "r"]),
        st.sampled_from(["", ".dev1", "-dev2", "dev"]),
    ),
)


@given(one=VERSIONS, other=VERSIONS)
def test_the_order_is_that_of_packaging(one, other):
    """For any two versions, ours and packaging's say the same of which is later."""
    ours = version_key(one, where="x"), version_key(other, where="x")
    theirs = Version(one), Version(other)
    assert (ours[0] < ours[1], ours[0] == ours[1]) == (theirs[0] < theirs[1], theirs[0] == theirs[1])
    assert later(one, other, where="x") == (theirs[0] > theirs[1])
    assert at_least(one, other, where="x") == (theirs[0] >= theirs[1])


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_integers_sort_as_integers(one, other):
    """Upstream's integer versions compare as numbers."""
    assert later(str(one), str(other), where="x") == (one > other)


@pytest.mark.parametrize(
    ("text", "integer"),
    [("42", 42), (" 7 ", 7), ("1.4.0", 0), (None, 0), ("", 0), ("2147483647", 2147483647), ("202411211822", 0)],
)
def test_upstreams_integer(text, integer):
    """Upstream's column gets the integer, or 0 where the version is none or would not fit the column."""
    assert as_integer(text) == integer
