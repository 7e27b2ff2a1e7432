"""A run in this process, for every suite that looks at its parts."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.ports import Opened


@pytest.fixture
def open_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Opened]]:
    """Give `open_run(url, SMALLS_X="…")`: a run in this process; all are closed when the test ends."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "migrations").mkdir(exist_ok=True)
    with ExitStack() as stack:
        opened: list[Opened] = []

        def begin(url: str, **environ: str) -> Opened:
            run = Opened({"SMALLS_DATABASE_URL": url, **environ}, f"run{len(opened)}")
            opened.append(run)
            stack.callback(run.close)
            return run

        yield begin
