"""The way back of kept operations: the inverse, without what only undoing it again would run."""

from __future__ import annotations

import pytest

from smalls.autoerrors import IrreversibleError
from smalls.kept import Kept
from smalls.operations import AddColumn, AddIndex, AlterColumn, Backfill, DropColumn, RawSQL, RunPython
from smalls.reversal import way_back
from smalls.schema import Column, Index, Sql, types

EVIL = "evil(); --"
N = Column("n", types.integer(), null=True)


def test_what_was_only_run_forward_asks_for_no_signature():
    """Casts and values for rows were SQL of its own, and nothing on the way back runs them."""
    operations = (
        AddColumn("t", N, backfill=Sql(EVIL)),
        Backfill("t", "n", Sql(EVIL), where=EVIL),
        AlterColumn("t", N, N.with_(null=False), using=EVIL, backfill=Sql(EVIL)),
        RunPython("forward", ""),
    )
    back = way_back(Kept("0001_a", operations))
    assert EVIL not in repr(back)
    assert [item.name for item in back] == ["state_only", "alter_column", "state_only", "drop_column"]


@pytest.mark.parametrize(
    "operation",
    [
        DropColumn("t", N, reverse_backfill=Sql(EVIL)),
        AlterColumn("t", N, N, reverse_using=EVIL),
        AddIndex("t", Index("i", [Sql(EVIL)])),
        RawSQL("SELECT 1", EVIL),
    ],
    ids=lambda operation: operation.name,
)
def test_what_is_run_back_is_run_for_a_signature_only(operation):
    """Whoever can write the history must not gain what the migrator may do."""
    with pytest.raises(IrreversibleError, match="no key that is set here signed it"):
        way_back(Kept("0001_a", (operation,)))
    assert way_back(Kept("0001_a", (operation,), signed=True))


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (Kept("0001_a", (RunPython("forward", "back"),), signed=True), r"it ran Python, back\(\)"),
        (Kept("0001_a", (RunPython("forward"),), signed=True), "has no reverse"),
        (Kept("0001_a", (), back="own"), r"a rollback\(\) of its own"),
        (Kept("0001_a", (), back="none"), "reversible = False"),
        (Kept("0001_a", (), back="later"), "unknown kind"),
    ],
)
def test_what_cannot_be_undone_is_said(kept, words):
    """Code is never kept, and what a file refuses stays refused."""
    with pytest.raises(IrreversibleError, match=words):
        way_back(kept)
