"""Laws that hold for any two schemas and any edits of them."""

from __future__ import annotations

import json
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smalls.differ import diff
from smalls.hints import Hints, Question
from smalls.manager import MigrationManager
from smalls.operations import apply_all, from_dict, reverse, to_dict
from smalls.schema import Schema, Unique
from smalls.snapshot import SchemaSnapshot
from tests.strategies import KEY_TYPES, Step, schemas, walks

few = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def first(question: Question) -> str | None:
    """Answer yes to the likeliest."""
    return question.options[0] if question.options else None


@few
@given(schemas(), schemas(), st.sampled_from([None, first]))
def test_the_difference_leads_from_one_schema_to_the_other_and_back(a, b, ask):
    """apply(diff(a, b), a) == b, and the inverses in reverse order lead back."""
    operations = diff(a, b, ask=ask).operations
    assert apply_all(operations, a) == b
    assert apply_all(reverse(operations), b) == a


@few
@given(schemas())
def test_a_schema_does_not_differ_from_itself(a):
    """diff(a, a) is empty, also when the tables and columns come in another order."""
    assert diff(a, a).operations == ()
    shuffled = Schema(t.with_(columns=t.columns[::-1]) for t in reversed(list(a.tables.values())))
    assert diff(a, shuffled).operations == ()


@few
@given(schemas(), schemas(), st.sampled_from([None, first]))
def test_each_operation_is_undone_by_its_inverse(a, b, ask):
    """inverse∘apply is the identity, operation by operation."""
    state = a
    for operation in diff(a, b, ask=ask).operations:
        after = operation.apply(state)
        assert operation.inverse().apply(after) == state
        assert operation.reversible
        state = after


@few
@given(schemas(), schemas())
def test_operations_and_schemas_survive_json(a, b):
    """Nothing is lost through JSON, what only Python knows included."""
    operations = diff(a, b, ask=first).operations
    again = from_dict(json.loads(json.dumps(to_dict(operations))))
    assert again == operations
    assert to_dict(again) == to_dict(operations)
    assert Schema.from_dict(json.loads(json.dumps(b.to_dict()))).to_dict() == b.to_dict()


@few
@given(schemas(), schemas())
def test_the_order_of_tables_does_not_change_the_difference(a, b):
    """Same schemas, same operations, in whatever order their tables were given."""
    backwards = [Schema(reversed(list(schema.tables.values()))) for schema in (a, b)]
    assert diff(a, b, ask=first) == diff(*backwards, ask=first)


@settings(few, max_examples=60)
@given(walks(length=20))
def test_twenty_successive_edits(steps: list[Step]):
    """Twenty differences in a row, with their hints, sum up to the twentieth schema, and back to nothing."""
    state, done = Schema(), []
    for step in steps:
        found = diff(state, step.schema, hints=Hints.parse(step.renames))
        done += found.operations
        for operation in found.operations:
            state = operation.apply(state)
            _acceptable(state)
        assert state == step.schema, step.what
        assert not (step.renames and any(operation.destructive for operation in found.operations)), step.what
    assert apply_all(done, Schema()) == steps[-1].schema
    assert apply_all(reverse(done), state) == Schema()


@settings(few, max_examples=60)
@given(walks(length=20))
def test_a_snapshot_is_what_one_operation_after_another_leads_to(steps: list[Step]):
    """As of every migration, asked for in either direction; where it began is left as it was."""
    state, states, managers = Schema(), [Schema()], []
    for step in steps:
        operations = diff(state, step.schema, hints=Hints.parse(step.renames)).operations
        for operation in operations:
            state = operation.apply(state)
        states.append(state)
        managers.append(MigrationManager(operations))
    names = [f"{place:04}" for place in range(len(managers))]
    for stride in (1, 3, 100):
        with mock.patch("smalls.snapshot.STRIDE", stride):
            snapshot = SchemaSnapshot(zip(names, managers, strict=True))
            for place in (*range(len(names)), *reversed(range(len(names)))):
                assert snapshot.before(names[place]).to_dict() == states[place].to_dict()
                assert snapshot.after(names[place]).to_dict() == states[place + 1].to_dict()
        assert list(snapshot.schema.tables) == list(state.tables)
        assert snapshot.schema.to_dict() == state.to_dict()
    assert SchemaSnapshot([("1", MigrationManager())], base=state).after("1") == state == states[-1]


def _unique_names(names: list[object]) -> bool:
    return len(names) == len(set(names))


def _acceptable(schema: Schema) -> None:
    """Assert what every database demands of every intermediate state."""
    tables = schema.tables.values()
    assert _unique_names([(t.schema, t.name.casefold()) for t in tables])
    assert _unique_names([(t.schema, i.name.casefold()) for t in tables for i in t.indexes])
    assert _unique_names([(t.schema, c.name.casefold()) for t in tables for c in t.constraints if c.name])
    for table in tables:
        assert table.columns
        assert not table.unknown_columns()
        assert _unique_names([name.casefold() for name in table.column_names])
        for fk in table.foreign_keys:
            target = schema.table(fk.ref_table)
            uniques = [c.columns for c in target.constraints if isinstance(c, Unique)]
            assert fk.ref_columns in (target.primary_key, *uniques)
            for name, ref in zip(fk.columns, fk.ref_columns, strict=True):
                wanted = target.column(ref).type
                assert table.column(name).type in (wanted, KEY_TYPES.get(wanted.kind))


@few
@given(schemas(), schemas(), st.randoms(use_true_random=False))
def test_every_state_on_the_way_is_one_that_a_database_accepts(a, b, random):
    """Forward and back, whatever is answered, no name is taken twice and no foreign key lacks its target."""
    operations = diff(a, b, ask=lambda question: random.choice([None, *question.options])).operations
    state = a
    for operation in (*operations, *reverse(operations)):
        state = operation.apply(state)
        _acceptable(state)
