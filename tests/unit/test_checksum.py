"""Checksums: what does not matter does not count, and every changed token does."""

import io
import sysconfig
import tokenize
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalls.checksum import Checksum, normalise

SOURCE = b'''"""Say."""

from smalls import db

NAME = """two

lines  """  # a note


def migrate():
    db.execute_sql("SELECT '# no comment'")  # yes, one
    if NAME:

        pass
'''


@pytest.mark.parametrize(
    "same",
    [
        SOURCE.replace(b"\n", b"\r\n"),
        SOURCE.replace(b"\n", b"\r"),
        SOURCE.replace(b"  # a note", b""),
        SOURCE.replace(b"  # yes, one", b"# another"),
        SOURCE.replace(b"pass\n", b"pass   \n\n\n"),
        SOURCE.removesuffix(b"\n"),
        b"# a licence\n" + SOURCE,
        b"\xef\xbb\xbf" + SOURCE,
        SOURCE.replace(b"        pass", b"        # why\n        pass"),
    ],
)
def test_what_does_not_matter(same):
    """Line ends, trailing blanks, blank lines, comments and a byte order mark are no edit."""
    assert same != SOURCE
    assert Checksum(same).matches(Checksum(SOURCE).recorded())


@pytest.mark.parametrize(
    "other",
    [
        SOURCE.replace(b"# no comment", b"# a comment"),
        SOURCE.replace(b"two\n\nlines", b"two\nlines"),
        SOURCE.replace(b"lines  ", b"lines"),
        SOURCE.replace(b"two\n", b"two  # it is text\n"),
        SOURCE.replace(b"pass", b"return"),
        SOURCE.replace(b"    if NAME", b"    if not NAME"),
        SOURCE + b"x = 1\n",
    ],
)
def test_what_matters(other):
    """A change of any token, the text of strings included, is an edit."""
    assert other != SOURCE
    assert not Checksum(other).matches(Checksum(SOURCE).recorded())


@pytest.mark.parametrize("between", [b"\n", b"# a note\n"])
def test_a_line_end_after_a_backslash_matters(between):
    """After a continued line a blank line ends the statement: taking it out changes what the file does."""
    assert not Checksum(b"x = a \\\n" + between + b"-b\n").matches(Checksum(b"x = a \\\n-b\n").recorded())


@pytest.mark.parametrize(
    "source",
    [b"", b"def (", b"'", b"\xff\xfe", b"# coding: nonsense\n", b"# coding: rot13\nk = 1\n", b"a\x00b", b"\x0c"],
)
def test_a_source_that_is_no_python(source):
    """What cannot be read as Python still has a checksum, of its bytes."""
    assert Checksum(source).matches(Checksum(source).recorded())
    assert not Checksum(source).matches(Checksum(source + b"!x").recorded())


TOKENS = st.sampled_from(
    [
        "x",
        "y",
        "1",
        "=",
        "+",
        "-",
        "(",
        ")",
        "'#'",
        '"""a\n b  """',
        "\n",
        "\\\n",
        "# c\n",
        "    ",
        "f'{x}'",
        ":",
        "if",
    ]
)
SOURCES = st.lists(TOKENS, max_size=12).map(lambda words: " ".join(words).replace("\n ", "\n"))


def _tokens(source):
    """Give what matters of a source, as Python itself reads it; None where it cannot."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER}
    try:
        found = list(tokenize.generate_tokens(io.StringIO(source).readline))
        compile(source, "x", "exec")
    except (tokenize.TokenError, SyntaxError, ValueError):
        return None
    return [
        (token.type, "" if token.type in {tokenize.NEWLINE, tokenize.DEDENT} else token.string)
        for token in found
        if token.type not in skipped
    ]


@given(one=SOURCES, other=SOURCES)
def test_equal_normal_forms_have_equal_tokens(one, other):
    """Two Python files of one normal form do the same; no change of a token goes unseen."""
    first, second = _tokens(one), _tokens(other)
    if first is not None and second is not None and normalise(one.encode()) == normalise(other.encode()):
        assert first == second


@given(SOURCES)
def test_the_normal_form_reads_as_the_source(source):
    """The normal form of a Python file has the tokens of the file: nothing that matters was taken out."""
    tokens = _tokens(source)
    if tokens:
        assert _tokens(normalise(source.encode()).decode() + "\n") == tokens


@given(SOURCES)
def test_the_short_way_to_the_normal_form(source):
    """Of what is known to be Python, the normal form is the one that all tokens give."""
    if _tokens(source) is not None:
        assert normalise(source.encode(), parsed=True) == normalise(source.encode())


def test_the_short_way_to_the_normal_form_of_real_files():
    """It is so for the standard library's files too, most of which take that way."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:15]
    assert files
    for file in files:
        source = file.read_bytes()
        plain = b"\n".join(line for line in source.split(b"\n") if b"\\" not in line)
        for each in (source, plain):
            if _tokens(each.decode()) is not None:
                assert normalise(each, parsed=True) == normalise(each), file


def test_the_short_way_is_taken(monkeypatch):
    """A plain migration file's tokens are never told, once it is known to be Python."""
    monkeypatch.delattr(tokenize, "generate_tokens")
    assert normalise(b"x = '#'  # a note\n\n", parsed=True) == b"x = '#'"


@given(st.text(max_size=200))
def test_any_text_has_a_checksum(text):
    """No text makes the checksum fail, and every text matches itself."""
    source = text.encode(errors="surrogatepass")
    assert Checksum(source).matches(Checksum(source).recorded())


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=5))
def test_all_that_was_accepted_stays_accepted(sources):
    """Recording one file after another keeps every earlier one acceptable, whatever their order."""
    recorded = None
    for source in sources:
        recorded = Checksum(source).recorded(recorded)
    assert all(Checksum(source).matches(recorded) for source in sources)
    assert Checksum(sources[-1]).recorded(recorded).split().count(Checksum(sources[-1]).recorded()) == 1


def test_nothing_recorded_accepts_anything():
    """A row that another tool wrote has no checksum and accepts the file."""
    assert Checksum(b"x").matches(None)
    assert Checksum(b"x").matches("")


def test_a_recorded_text_of_another_kind_accepts_nothing():
    """A checksum that is not one of ours does not match, and does not break the comparison."""
    assert not Checksum(b"x").matches("sha256:abc")
    assert not Checksum(b"x").matches("rubbish : :: 1: 2:a:b")
