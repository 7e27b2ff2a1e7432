"""Whether a SQLite file can be there: told by one look, since other runs make it meanwhile."""

import threading
from pathlib import Path

import pytest

from smalls.errors import UnknownDatabaseError
from smalls.sqlitefile import is_file


def test_a_file_that_another_run_makes_meanwhile_is_no_fault(tmp_path: Path) -> None:
    """It is there or not there yet, never something that is no file."""
    path, over = tmp_path / "a.db", threading.Event()

    def make_and_remove() -> None:
        while not over.is_set():
            path.touch()
            path.unlink()

    other = threading.Thread(target=make_and_remove)
    other.start()
    try:
        answers = {is_file(str(path)) for _ in range(20_000)}
    finally:
        over.set()
        other.join()
    assert answers == {True, False}


@pytest.mark.parametrize(
    ("name", "why"), [(".", "it is no file"), ("gone/a.db", "its folder"), ("a/b.db", "its folder")]
)
def test_what_can_be_no_file(tmp_path: Path, name: str, why: str) -> None:
    """A folder, a missing one, and a file in a folder's place."""
    (tmp_path / "a").touch()
    with pytest.raises(UnknownDatabaseError, match=why):
        is_file(str(tmp_path / name))
