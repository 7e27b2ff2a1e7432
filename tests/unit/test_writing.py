"""A file is written whole or not at all."""

import os
import threading

import pytest

from smalls.writing import write_whole


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_it_replaces_what_was_there(tmp_path):
    """The new content stands there, for anybody to read, whatever the umask, and nothing else was left."""
    path = tmp_path / "report.json"
    path.write_text("old")
    before = os.umask(0o077)
    try:
        write_whole(str(path), b"new")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert names(tmp_path) == ["report.json"]


def test_a_reader_never_sees_a_part(tmp_path):
    """While it is written again and again, every read finds one whole version."""
    path = tmp_path / "m.prom"
    versions = {bytes([letter]) * 200_000 for letter in b"ab"}
    write_whole(str(path), min(versions))
    seen, stop = set(), threading.Event()

    def read():
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for version in [*versions] * 20:
        write_whole(str(path), version)
    stop.set()
    reader.join()
    assert seen <= versions


def test_a_failure_leaves_the_old_and_nothing_else(tmp_path, monkeypatch):
    """A disk that is full when the data must be on it costs neither the old content nor a stray file."""
    path = tmp_path / "report.json"
    path.write_text("old")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(str(path), b"new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["report.json"]


def test_through_a_link(tmp_path):
    """A link stays one; what it points to is written."""
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_whole(str(tmp_path / "link"), b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"x"


def test_a_pipe(tmp_path):
    """A pipe gets the data; without a reader that is an error at once, and the pipe stays."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="No such device"):
        write_whole(str(pipe), b"x")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(str(pipe), b"x")
    assert os.read(reader, 10) == b"x"
    os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.parametrize("path", ["", "no/such/folder/x", ".", "/dev/full", "/proc/x", "a\0b"])
def test_where_nothing_can_be_written(tmp_path, monkeypatch, path):
    """It raises what the caller expects."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises((OSError, ValueError)):
        write_whole(path, b"x")
    assert names(tmp_path) == []
