"""Each case on each engine: what a change of models does to a database with rows in it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from smalls.autoerrors import UnsupportedError
from smalls.compiling import compiler_for
from smalls.manager import MigrationManager
from smalls.steps import prepare
from tests.conftest import obtain
from tests.databases import fresh_database
from tests.operations.cases import CASES
from tests.operations.harness import Bench, Case, changes, put_through
from tests.servers import ENGINES, family


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


def _refused(case: Case, engine: str) -> str | None:
    return case.refused.get(engine) or case.refused.get(family(engine))


def _applies(case: Case, engine: str) -> bool:
    return family(engine) in case.only or engine in case.only


GOES = [
    (engine, case) for engine in ENGINES for case in CASES if _applies(case, engine) and not _refused(case, engine)
]
STOPS = [
    (engine, case) for engine in ENGINES for case in CASES if _applies(case, engine) and _refused(case, engine)
]


def _ids(pairs: list[tuple[str, Case]]) -> list[str]:
    return [f"{engine}-{case.id}" for engine, case in pairs]


def test_cases_have_ids_of_their_own():
    """No case hides another."""
    ids = [case.id for case in CASES]
    assert sorted(set(ids)) == sorted(ids)


@pytest.mark.parametrize(("engine", "case"), GOES, ids=_ids(GOES))
def test_forward_and_back_and_forward(engine: str, case: Case, benches: dict[str, Bench]):
    """The database equals a fresh one at each end, the rows are kept, and nothing is left to do."""
    put_through(case, benches[engine])


@pytest.mark.parametrize(("engine", "case"), STOPS, ids=_ids(STOPS))
def test_refused_before_anything_runs(engine: str, case: Case, benches: dict[str, Bench]):
    """What the engine cannot do is refused, with the reason, by looking at the operations alone."""
    bench = benches[engine]
    with pytest.raises(UnsupportedError, match=_refused(case, engine)):
        _compile_both_ways(case, bench)


def _compile_both_ways(case: Case, bench: Bench) -> None:
    from smalls.autogen.models import schema_of
    from tests.operations.harness import models_of

    old, new = (schema_of(models_of(source, bench.db)) for source in (case.before, case.after))
    forward = changes(case, old, new)
    prepare(compiler_for(bench.db), forward, old)
    prepare(compiler_for(bench.db), MigrationManager(forward).rollback_operations, new)
