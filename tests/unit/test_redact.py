"""Secrets taken out of text, in every spelling they may have."""

import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from smalls.redact import MASK, Redactor

AWKWARD = "p@ss:/%#word?&=+ 'ü\"\\"


@pytest.mark.parametrize(
    "spelling",
    [
        AWKWARD,
        quote(AWKWARD),
        quote(AWKWARD, safe=""),
        quote(AWKWARD, safe="").lower(),
        quote_plus(AWKWARD),
        repr(AWKWARD)[1:-1],
        json.dumps(AWKWARD)[1:-1],
        json.dumps(AWKWARD, ensure_ascii=False)[1:-1],
        AWKWARD.replace("'", "''"),
        AWKWARD.replace("\\", "\\\\").replace("'", "\\'"),
        ascii(AWKWARD)[1:-1],
        repr(AWKWARD.encode())[2:-1],
    ],
)
def test_spellings(spelling):
    """A password is masked as it is, percent-encoded, as Python's repr, as JSON and as an SQL literal."""
    assert Redactor([AWKWARD]).text(f"before {spelling} after") == f"before {MASK} after"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgresql://u:hunter2@h/n", f"postgresql://u:{MASK}@h/n"),
        ("see redis://:hunter2@cache:6379/0, or not", f"see redis://:{MASK}@cache:6379/0, or not"),
        ("'mysql+pymysql://u:a@b:c@h/n'", f"'mysql+pymysql://u:{MASK}@h/n'"),
        ("u1://a:b@c/d u2://e:f@g/h", f"u1://a:{MASK}@c/d u2://e:{MASK}@g/h"),
        ("postgresql://u@h:5432/n", "postgresql://u@h:5432/n"),
        ("https://example.com:80/a@b", "https://example.com:80/a@b"),
        ("sqlite:////var/x.db", "sqlite:////var/x.db"),
        ("Write postgresql://user:password@host/name", "Write postgresql://user:password@host/name"),
    ],
)
def test_passwords_in_urls_that_nobody_told_us(text, clean):
    """A URL with a password is masked even where that password is none of ours."""
    assert Redactor().text(text) == clean


def test_short_secrets_are_left():
    """A password under three characters would mask half of every line, and hide nothing."""
    assert Redactor(["ab", "", None]).text("abba") == "abba"


def test_the_longer_secret_first():
    """A secret that contains another is masked whole."""
    assert Redactor(["abc", "abcdef"]).text("abcdef") == MASK


def test_every_depth():
    """Strings are cleaned at any depth of a value; other things stay as they are."""
    value = {"a": ["xyz", ("xyz", 1)], "b": {"c": "-xyz-"}, "d": None, "e": 2.5}
    assert Redactor(["xyz"]).value(value) == {"a": [MASK, [MASK, 1]], "b": {"c": f"-{MASK}-"}, "d": None, "e": 2.5}


@settings(deadline=None)  # it measures the machine, not us
@given(secret=st.text(min_size=3, max_size=30), before=st.text(max_size=20), after=st.text(max_size=20))
def test_no_secret_is_left(secret, before, after):
    """Whatever surrounds it, the secret is not in the cleaned text."""
    assume(secret not in MASK and not set(secret) & set(MASK))
    cleaned = Redactor([secret]).text(f"{before}{secret}{after}")
    assert secret not in cleaned.replace(MASK, "\x00" if "\x00" not in secret else "\x01")
