"""Random edits of random schemas, run on real databases."""

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from smalls.differ import diff
from smalls.hints import Hints
from smalls.operations import reverse
from smalls.reflect import differences
from smalls.schema import Schema, Table, Type
from tests.conftest import obtain
from tests.databases import fresh_database
from tests.operations.harness import Bench, Case, expect_back, expect_kept, places
from tests.strategies import Step, schemas, walks

QUICK = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)


@pytest.fixture(scope="module", params=["sqlite", "postgres15"])
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Keep one connected database."""
    folder = tmp_path_factory.mktemp("random")
    with contextlib.ExitStack() as stack:
        made = Bench(obtain(request.param, lambda: stack.enter_context(fresh_database(request.param, folder))))
        yield made
        made.close()


def _fresh(bench: Bench, schema: Schema) -> object:
    bench.clear()
    bench.run(diff(Schema(), schema).operations, Schema())
    return bench.catalogue()


@QUICK
@given(steps=walks(length=20))
def test_twenty_successive_edits_equal_the_last_state_made_fresh(bench: Bench, steps: list[Step]):
    """Each step is the smallest migration; run one after the other they lead where the last one says."""
    wanted = _fresh(bench, steps[-1].schema)
    bench.clear()
    for before, after in itertools.pairwise(steps):
        bench.run(diff(before.schema, after.schema, hints=Hints.parse(after.renames)).operations, before.schema)
    assert differences(wanted, bench.catalogue()) == []


def _rows(table: Table) -> list[dict[str, Any]]:
    """Give two rows; NULL where that may be, in what refers to other rows above all."""
    linked = {name for fk in table.foreign_keys for name in fk.columns}
    return [
        {
            c.name: None if c.null and (number == 2 or c.name in linked) else _value(c.type, number)
            for c in table.columns
        }
        for number in (1, 2)
    ]


def _value(type_: Type, number: int) -> Any:
    values = {
        "boolean": number == 1,
        "varchar": f"it's {number}",
        "text": f"a  b {number}",
        "date": f"2020-01-0{number}",
        "datetime": f"2020-01-0{number} 03:04:05",
    }
    return values.get(type_.kind, number)


@QUICK
@given(steps=walks(length=1, start=schemas()))
def test_an_edit_and_its_reverse_lead_there_and_back(bench: Bench, steps: list[Step]):
    """Forward gives the catalogue of the new schema, back that of the old, with the rows that were there."""
    old, new = steps[0].schema, steps[1].schema
    wanted = _fresh(bench, new)
    first = _fresh(bench, old)
    bench.insert({str(key): _rows(table) for key, table in old.tables.items()})
    rows = bench.contents(old)
    operations = diff(old, new, hints=Hints.parse(steps[1].renames)).operations
    bench.run(operations, old)
    assert differences(wanted, bench.catalogue()) == []
    expect_kept(Case("random", "", ""), rows, bench.contents(new), places(operations, old))
    bench.run(reverse(operations), new)
    assert differences(first, bench.catalogue()) == []
    expect_back(Case("random", "", ""), rows, bench.contents(old), places(operations, old))
