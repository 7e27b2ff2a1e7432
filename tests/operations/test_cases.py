"""Each case on each engine: what a change of models does to a database with rows in it."""

import pytest

from smalls.autoerrors import UnsupportedError
from smalls.compiling import compiler_for
from smalls.manager import MigrationManager
from smalls.program import prepare
from tests.operations.cases import CASES
from tests.operations.harness import Bench, Case, changes, put_through
from tests.servers import ENGINES, family


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
