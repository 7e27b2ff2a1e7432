"""What may stand where a SQLite database is expected."""

import os
from random import Random

import pytest

COMMANDS = ("status", "repair", "migrate", "baseline 1")


def names(project):
    return sorted(path.name for path in project.path.iterdir())


def refused(project, code, **env):
    """Hold that every command ends with one code for it, and none leaves anything behind."""
    before = names(project)
    for words in COMMANDS:
        result = project.smalls(*words.split(), **env)
        assert [each["error"]["code"] for each in result.named("run.failed")] == [code], words
        assert result.code == 3
    assert [name for name in names(project) if "lock" not in name] == before
    config = project.smalls("config", **env)
    assert config.code in {0, 3}
    assert project.smalls("check", **env).code == 0


@pytest.mark.parametrize("data", [b"hello", b"\x00" * 5000, b"SQLite format 2\x00" * 300, b"PK\x03\x04" * 2000])
def test_a_file_that_is_no_database(fresh, data):
    """Something else's file is refused and not touched."""
    fresh.database.write_bytes(data)
    refused(fresh, "SML-DATABASE-UNKNOWN")
    assert fresh.database.read_bytes() == data


def test_an_empty_file(fresh):
    """An empty file is an empty database."""
    fresh.database.write_bytes(b"")
    assert fresh.smalls("migrate").code == 0


@pytest.mark.parametrize("length", [100, 4096, 5000, 9000])
def test_a_file_that_was_cut_off(applied, length):
    """What is left of a database is told to be damaged, and not touched."""
    (applied.path / "smalls.db.smalls-lock").unlink()
    data = applied.database.read_bytes()[:length]
    applied.database.write_bytes(data)
    refused(applied, "SML-DATABASE-DAMAGED")
    assert applied.database.read_bytes() == data


@pytest.mark.parametrize("first", [100, 4096])
def test_pages_that_were_overwritten(applied, first):
    """Noise where tables were is told to be damage."""
    (applied.path / "smalls.db.smalls-lock").unlink()
    data = applied.database.read_bytes()
    applied.database.write_bytes(data[:first] + Random(1).randbytes(len(data) - first))  # noqa: S311 -- the same noise each time
    refused(applied, "SML-DATABASE-DAMAGED")


def test_single_bytes_that_changed(applied):
    """Wherever one byte is another than it was, no command trips over it."""
    data = applied.database.read_bytes()
    places = Random(2)  # noqa: S311 -- the same places each time
    for _ in range(60):
        spoilt = bytearray(data)
        spoilt[places.randrange(len(data))] ^= 1 << places.randrange(8)
        applied.database.write_bytes(bytes(spoilt))
        for words in ("status", "migrate", "repair"):
            applied.smalls(words)


@pytest.mark.parametrize("make", ["folder", "pipe", "loop", "dangling"])
def test_no_file_at_all(fresh, make):
    """A folder, a pipe, a link in a ring or into nowhere is refused at once."""
    if make == "folder":
        fresh.database.mkdir()
    elif make == "pipe":
        os.mkfifo(fresh.database)
    else:
        fresh.database.symlink_to("smalls.db" if make == "loop" else "nowhere/x.db")
    refused(fresh, "SML-DATABASE-UNKNOWN")


def test_a_link_to_a_file_that_is_not_made_yet(fresh):
    """A link into a folder that exists is followed, and the file made there."""
    fresh.database.symlink_to("other.db")
    assert fresh.smalls("status").code == 0
    assert not (fresh.path / "other.db").exists()
    assert fresh.smalls("migrate").code == 0
    assert fresh.database.is_symlink()
    assert (fresh.path / "other.db").exists()


@pytest.mark.parametrize(
    "name",
    ["/dev/null", "/dev/full", "nowhere/x.db", "/proc/x/y.db", "migrations/0001_a.py/x.db", "x" * 300, "."],
)
def test_paths_at_which_there_can_be_none(fresh, name):
    """A path at which no database can be is refused by every command, whatever it would do."""
    refused(fresh, "SML-DATABASE-UNKNOWN", SMALLS_DATABASE_URL=f"sqlite:///{name}")


@pytest.mark.parametrize(
    ("url", "code"), [("sqlite:///a%00b", "SML-DATABASE-UNKNOWN"), ("sqlite:///a\udcff.db", "SML-CONFIG")]
)
def test_texts_that_are_no_path(fresh, url, code):
    """A NUL, and bytes that are not UTF-8, are refused before anything is opened."""
    result = fresh.smalls("migrate", SMALLS_DATABASE_URL=url)
    assert result.code == 3
    assert result.named("run.failed")[0]["error"]["code"] == code


def test_a_migration_as_the_database(fresh):
    """A path that was mixed up costs no file."""
    before = (fresh.migrations / "0001_a.py").read_bytes()
    refused(fresh, "SML-DATABASE-UNKNOWN", SMALLS_DATABASE_URL="sqlite:///migrations/0001_a.py")
    assert (fresh.migrations / "0001_a.py").read_bytes() == before
