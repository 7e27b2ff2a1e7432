"""One live database an engine, shared by all cases of a module."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import obtain
from tests.databases import fresh_database
from tests.operations.harness import Bench


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Bench]]:
    """Keep one database an engine, connected, for all cases."""
    with ExitStack() as stack:
        yield _Benches(stack, tmp_path_factory.mktemp("cases"))


class _Benches(dict[str, Bench]):
    def __init__(self, stack: ExitStack, folder: Path) -> None:
        super().__init__()
        self.stack, self.folder = stack, folder

    def __missing__(self, engine: str) -> Bench:
        database = obtain(engine, lambda: self.stack.enter_context(fresh_database(engine, self.folder, "cases")))
        bench = self[engine] = Bench(database)
        self.stack.callback(bench.close)
        return bench
