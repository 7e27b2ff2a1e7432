"""The termination message: within its bytes, with the parts that a person needs, and without a secret."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalls.errors import Exit, LockTimeoutError, MigrationFailedError, SmallsError
from smalls.redact import Redactor
from smalls.termination import LIMIT, cut, leave, message


def failed(text="no", **fields):
    """Give the message of a failed migration."""
    error = MigrationFailedError(text, **fields)
    return message("migrate", error.exit_code, error.message, error, Redactor(["hunter2"]))


def test_a_failure_has_all_its_parts():
    """Exit code, code, migration, error, statement, place and remedy, a line each."""
    text = failed("0002_b failed: no", migration="0002_b", statement="CREATE\n  TABLE t", file="/m/2.py", line=7)
    assert text.splitlines() == [
        "smalls migrate failed: exit code 6, SML-MIGRATION-FAILED",
        "migration: 0002_b",
        "error: 0002_b failed: no",
        "statement: CREATE TABLE t",
        "at: /m/2.py:7",
        f"what to do: {MigrationFailedError.hint}",
    ]


def test_what_a_retry_may_mend_says_so():
    """A person who reads it need not look the exit code up."""
    error = LockTimeoutError("no")
    assert "a retry may help" in message("migrate", error.exit_code, "no", error, Redactor())


def test_a_success_is_a_line():
    """The sentence that the run ended with."""
    text = message("migrate", Exit.OK, "Applied 3 migrations.", None, Redactor())
    assert text == "smalls migrate, exit code 0: Applied 3 migrations.\n"


@given(st.text(min_size=1), st.integers(1, 5000), st.data())
def test_no_text_is_too_long_nor_pushes_another_out(word, times, data):
    """Whatever is long, every part is there, and all of it is UTF-8 within the limit."""
    long = data.draw(st.sampled_from(["message", "statement", "migration", "file", "hint"]))
    told = {"migration": "0002_b", "statement": "DROP it", "file": "m.py", "hint": "Mend it.", "text": "no"}
    told["text" if long == "message" else long] = "x" + word * times
    encoded = failed(**told).encode()
    assert len(encoded) <= LIMIT
    lines = encoded.decode().splitlines()
    for start in ("smalls migrate failed: exit code 6", "migration: ", "error: ", "statement: ", "at: ", "what to"):
        assert any(line.startswith(start) for line in lines)


def test_all_that_is_long_at_once():
    """Every part at its longest is still within the limit."""
    text = failed("é" * 9000, migration="m" * 900, statement="s" * 9000, file="f" * 9000, hint="h" * 9000)
    assert LIMIT - 500 < len(text.encode()) <= LIMIT


@given(st.text(), st.integers(3, 40))
def test_cut_between_characters(text, limit):
    """What is cut is the beginning of the text and a mark; what fits is left alone."""
    found = cut(text, limit)
    assert len(found.encode()) <= limit
    assert found == text or (found.endswith("…") and text.startswith(found[:-1]))


def test_half_a_character_is_left_out_and_half_a_pair_is_spelt():
    """A lone surrogate, as from a file name, does not keep the message from being written."""
    assert cut("éé", 4) == "éé"
    assert cut("ééé", 6) == "ééé"
    assert cut("ééé", 5) == "é…"
    assert cut("\udcff", 10) == "\\udcff"


@pytest.mark.parametrize("place", range(1180, 1320))
def test_a_secret_is_gone_before_anything_is_cut(place):
    """Wherever the cut falls, not even the half of a password is there."""
    text = failed("x" * place + "hunter2" + "y" * 2000, hint="hunter2")
    assert "hunt" not in text


def leaving(path):
    """Write a message and give what was logged."""
    logged = []
    leave("new\n", {"SMALLS_TERMINATION_LOG": str(path)}, lambda event, _message, **_fields: logged.append(event))
    return logged


def test_it_replaces_what_was_there(tmp_path):
    """The file keeps its identity, which a mount needs, and has the last run's message alone."""
    path = tmp_path / "log"
    path.write_text("what an earlier run had to say, which was longer")
    before = path.stat().st_ino
    assert leaving(path) == []
    assert (path.read_text(), path.stat().st_ino) == ("new\n", before)


def test_what_cannot_be_written_is_a_warning(tmp_path):
    """A folder, a missing folder, a name that is none, and a pipe that nobody reads."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, tmp_path / "no" / "log", "nul\0", pipe, "/dev/full"):
        assert leaving(path) == ["termination.warned"], path


def test_without_a_name_a_laptop_gets_no_file(monkeypatch, tmp_path):
    """The default is written only where it is there already."""
    path = tmp_path / "termination-log"
    monkeypatch.setattr("smalls.termination.DEFAULT", str(path))
    for environ in ({}, {"SMALLS_TERMINATION_LOG": ""}):
        leave("new\n", environ, lambda *_words, **_fields: pytest.fail("warned"))
    assert not path.exists()
    path.touch()
    leave("new\n", {}, lambda *_words, **_fields: pytest.fail("warned"))
    assert path.read_text() == "new\n"


def test_an_error_without_a_migration_has_no_such_line():
    """What is not known is left out."""
    error = SmallsError("oh")
    assert message("check", error.exit_code, "oh", error, Redactor()).count("\n") == 3
