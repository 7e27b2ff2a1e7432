"""Expand and contract: what is held, what runs in which phase, and whether it may go past what is held."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalls.assessment import assess
from smalls.errors import ExpandPendingError, MigrationLoadError, PhaseOrderError
from smalls.holding import promises_around
from smalls.migration import Migration, read_traits
from smalls.model import (
    Direction,
    Edited,
    HistoryRow,
    OnNewer,
    OutOfOrder,
    Phase,
    Policies,
    Unfinished,
)
from smalls.naming import revision_of_key, revision_of_stem
from smalls.planner import of_phase, parse_target, plan_backward, plan_baseline, plan_forward
from smalls.refusals import refusals

PROD = Policies(OutOfOrder.REFUSE, Edited.REFUSE, OnNewer.ACCEPT)
CONTRACT = 'phase = "contract"\n'
HEAD = (
    "from smalls.manager import MigrationManager\n"
    "from smalls.schema import Column, Index, types\n"
    "{phase}"
    "def migrate():\n"
    "    manager = MigrationManager()\n"
    "    {body}\n"
    "    return manager\n"
)
TABLE = (
    "manager.add_table('t', [Column('id', types.auto()), Column('a', types.integer(), null=True)], "
    "primary_key='id')"
)
DROP_A = "manager.drop_column('t', Column('a', types.integer(), null=True))"
ADD_B = "manager.add_column('t', Column('b', types.integer(), null=True))"
ADD_A = "manager.add_column('t', Column('a', types.integer(), null=True))"
REQUIRE_A = "manager.alter_column('t', Column('a', types.integer(), null=True), Column('a', types.integer()))"
WIDEN_A = "manager.alter_column('t', Column('a', types.integer()), Column('a', types.bigint()))"
INDEX_B = "manager.add_index('t', Index('t_b', ['b']))"
INDEX_A = "manager.add_index('t', Index('t_a', ['a']))"


def direct(number, *, contract=False, app=""):
    source = ("" if not contract else CONTRACT) + "def migrate(): pass\ndef rollback(): pass\n"
    return Migration(revision_of_stem(f"{number:04d}_x", app), f"migrations/{number:04d}_x.py", source.encode())


def declared(number, body, *, contract=False):
    source = HEAD.format(phase=CONTRACT if contract else "", body=body)
    return Migration(revision_of_stem(f"{number:04d}_x"), f"migrations/{number:04d}_x.py", source.encode())


def rows(files, *numbers):
    named = {migration.revision.number: migration for migration in files}
    return [HistoryRow(place, named[number].revision) for place, number in enumerate(numbers, 1)]


def numbers(migrations):
    return [migration.revision.number for migration in migrations]


def ran(files, applied, phase=Phase.EXPAND, policies=PROD):
    return numbers(plan_forward(assess(files, rows(files, *applied), (), policies), policies, phase=phase))


# ── the attribute ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("line", "contracts"), [("", False), ('phase = "expand"', False), (CONTRACT, True)])
def test_the_phase_of_a_file(line: str, contracts: bool):
    """A file that says nothing is an expand migration."""
    assert read_traits(f"{line}\ndef migrate(): pass\n".encode(), "x.py").contracts is contracts


@pytest.mark.parametrize("said", ['"Contract"', '"all"', '""', "None", "CONTRACT", "1"])
def test_any_other_phase_is_an_error(said: str):
    """A typing error must not turn a contract migration into one that runs at once."""
    with pytest.raises(MigrationLoadError, match="phase"):
        read_traits(f"phase = {said}\ndef migrate(): pass\n".encode(), "x.py")


def test_the_word_in_a_comment_says_nothing():
    """Only the attribute counts."""
    source = b'"""The last phase = "contract" of it."""\n# phase = "contract"\ndef migrate(): pass\n'
    assert not Migration(revision_of_stem("0001_x"), "x.py", source).contracts


# ── what is held ────────────────────────────────────────────────────────────────────────────────────────

FILES = [direct(1), direct(2), direct(3, contract=True), direct(4), direct(5, contract=True), direct(6)]


@pytest.mark.parametrize(
    ("applied", "phase", "expected"),
    [
        ((1, 2), Phase.EXPAND, [4, 6]),
        ((1, 2), Phase.ALL, [3, 4, 5, 6]),
        ((1, 2, 4, 6), Phase.EXPAND, []),
        ((1, 2, 4, 6), Phase.CONTRACT, [3, 5]),
        ((1, 2, 4, 6, 3), Phase.CONTRACT, [5]),
        ((1, 2, 4, 6, 3, 5), Phase.CONTRACT, []),
        ((1, 2, 4), Phase.CONTRACT, [3, 5]),
        ((), Phase.EXPAND, [1, 2, 3, 4, 5, 6]),
        ((), Phase.ALL, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_what_runs_in_which_phase(applied: tuple, phase: Phase, expected: list):
    """Contract migrations wait for their phase; on an app without a row there is no code to wait for."""
    assert ran(FILES, applied, phase) == expected


def test_contract_migrations_wait_for_the_expand_ones_below_them():
    """Nothing is taken away before what replaces it is there; a target takes those that can go."""
    assessment = assess(FILES, rows(FILES, 1, 2), (), PROD)
    with pytest.raises(ExpandPendingError, match="0004_x") as raised:
        plan_forward(assessment, PROD, phase=Phase.CONTRACT)
    assert "0006_x" not in raised.value.message
    assert int(raised.value.exit_code) == 10
    assert numbers(plan_forward(assessment, PROD, parse_target("3", []), Phase.CONTRACT)) == [3]


def test_what_was_begun_is_brought_to_its_end():
    """Half of a contract migration is worse for old code than the whole of it."""
    begun = Unfinished("0003_x", "failed", Direction.FORWARD, "", {}, resumable=True)
    assessment = assess(FILES, rows(FILES, 1, 2, 4), [begun], PROD)
    assert (numbers(assessment.held), numbers(assessment.pending)) == ([5], [3, 6])


def test_apps_are_held_each_by_its_own_history():
    """An app that is new has no code that its contract migrations could break."""
    files = [direct(n, contract=n == 2, app=app) for app in ("old", "new") for n in (1, 2, 3)]
    recorded = [HistoryRow(1, revision_of_key("old.0001_x"))]
    assessment = assess(files, recorded, (), PROD)
    assert [m.key for m in assessment.held] == ["old.0002_x"]
    assert [m.key for m in assessment.pending] == ["old.0003_x", "new.0001_x", "new.0002_x", "new.0003_x"]


def test_a_baseline_covers_what_is_held():
    """A schema that is adopted up to a number has its contract migrations, too."""
    assessment = assess(FILES, rows(FILES, 1), (), PROD)
    assert numbers(plan_baseline(assessment, parse_target("4", []))) == [2, 3, 4]


# ── laws ────────────────────────────────────────────────────────────────────────────────────────────────


@given(
    st.lists(st.booleans(), min_size=1, max_size=12),
    st.lists(st.sampled_from([*Phase]), max_size=6),
    st.lists(st.integers(1, 12), min_size=6, max_size=6),
)
def test_holding_is_never_out_of_order(contracts: list, phases: list, released: list):
    """Whatever the phases, and however files arrive by releases in order of number, no run is refused for order.

    Expand ones are applied at once, each once, and contract ones only when they were asked for; and running
    everything at last leaves nothing.
    """
    every = [direct(number, contract=contract) for number, contract in enumerate(contracts, 1)]
    applied: list[int] = []
    for phase, count in zip(phases, sorted(released), strict=False):
        files = every[:count]
        assessment = assess(files, rows(files, *applied), (), PROD)
        assert refusals(assessment, PROD) == []
        assert not assessment.out_of_order
        try:
            run = numbers(plan_forward(assessment, PROD, phase=phase))
        except ExpandPendingError:
            assert phase is Phase.CONTRACT
            continue
        assert run == sorted(run)
        assert not set(run) & set(applied)
        if phase is Phase.EXPAND and applied:
            assert not any(contracts[number - 1] for number in run)
            assert {m.revision.number for m in files if not m.contracts} <= {*run, *applied}
        if phase is Phase.CONTRACT:
            assert all(contracts[number - 1] for number in run)
        applied += run
    last = assess(every, rows(every, *applied), (), PROD)
    assert sorted(applied + numbers(of_phase(last, Phase.ALL))) == list(range(1, len(every) + 1))
    assert {*last.pending, *last.held} == {*last.waiting}


@given(st.sets(st.integers(1, 6)))
def test_an_expand_migration_that_comes_late_is_late_as_ever(applied: set):
    """Holding excuses contract migrations only."""
    recorded = rows(FILES, *sorted(applied))
    late = numbers(assess(FILES, recorded, (), PROD).out_of_order)
    assert late == [n for n in (1, 2, 4, 6) if n not in applied and n < max(applied, default=0)]


# ── past what is held ───────────────────────────────────────────────────────────────────────────────────


def around(files, applied, direction=Direction.FORWARD, target="1", phase=Phase.EXPAND):
    assessment = assess(files, rows(files, *applied), (), PROD)
    if direction is Direction.FORWARD:
        moves = plan_forward(assessment, PROD, phase=phase)
    else:
        moves = tuple(undo.migration for undo in plan_backward(assessment, PROD, parse_target(target, [])))
    return promises_around("", files, assessment, moves, direction)


def columns(schema):
    (table,) = schema.tables.values()
    return set(table.column_names)


def test_an_expand_migration_finds_what_the_held_one_has_not_taken_yet():
    """Its steps are made for the table as it is, or a table made anew would lose a column."""
    files = [declared(1, TABLE), declared(2, DROP_A, contract=True), declared(3, ADD_B)]
    assert columns(around(files, (1,)).snapshot.before("0003_x")) == {"id", "a"}
    after = around(files, (1, 3), phase=Phase.CONTRACT)
    assert columns(after.snapshot.before("0002_x")) == {"id", "a", "b"}
    assert columns(after.schema) == {"id", "b"}


@pytest.mark.parametrize(
    ("held", "body", "why"),
    [
        (DROP_A, ADD_A, "0003_x: table t has a column 'a' already"),
        (REQUIRE_A, WIDEN_A, "0003_x: table t, columns: expected"),
        (ADD_B, INDEX_B, "0003_x: table t has no column 'b'"),
        (DROP_A, "manager.rename_table('t', 'u')", "0002_x: there is no table t"),
    ],
)
def test_one_that_builds_on_a_held_one_is_refused(held: str, body: str, why: str):
    """Both are named, before anything is compiled, also where it is the held one that would be stuck later."""
    files = [declared(1, TABLE), declared(2, held, contract=True), declared(3, body)]
    with pytest.raises(PhaseOrderError) as raised:
        around(files, (1,))
    assert f"0003_x cannot be run before 0002_x, held until the rollout is over: {why}" in raised.value.message
    assert int(raised.value.exit_code) == 8
    around(files, (1,), phase=Phase.ALL)


def test_only_the_one_that_stands_in_the_way_is_named():
    """Of several held ones."""
    files = [
        declared(1, TABLE),
        declared(2, "manager.run_sql('SELECT 1', reverse='')", contract=True),
        declared(3, REQUIRE_A, contract=True),
        declared(4, ADD_B),
        declared(5, WIDEN_A),
    ]
    with pytest.raises(PhaseOrderError) as raised:
        around(files, (1,))
    assert raised.value.fields["migrations"] == ["0005_x", "0003_x"]


def test_a_rollback_from_under_a_contract_migration_that_stays():
    """What commutes is undone from the table as it is; what the later one was built on is not."""
    files = [declared(1, TABLE), declared(2, DROP_A, contract=True), declared(3, ADD_B)]
    found = around(files, (1, 3, 2), Direction.BACKWARD, "2")
    assert columns(found.snapshot.after("0003_x")) == {"id", "b"}
    assert columns(found.snapshot.before("0003_x")) == {"id"}


def test_a_rollback_that_a_contract_migration_was_built_on():
    """A contract migration of another branch may have been run after an expand one with a higher number."""
    files = [
        declared(1, TABLE),
        declared(2, "manager.drop_column('t', Column('b', types.integer(), null=True))", contract=True),
        declared(3, ADD_B),
    ]
    with pytest.raises(PhaseOrderError, match="0003_x cannot be undone while 0002_x stays"):
        around(files, (1, 3, 2), Direction.BACKWARD, "2")


def test_rows_that_do_not_add_up_as_they_stand():
    """A repair writes a row again at the end; then the numbers say in which order it was."""
    files = [declared(1, TABLE), declared(2, ADD_B), declared(3, INDEX_A)]
    assert columns(around(files, (2, 1)).snapshot.before("0003_x")) == {"id", "a", "b"}
