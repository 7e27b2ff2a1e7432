"""What an image can live with that does not know it: migrations that only add things."""

from __future__ import annotations

import pytest

from smalls.additive import only_adds
from smalls.operations import (
    AddColumn,
    AddConstraint,
    AddIndex,
    AddTable,
    AlterColumn,
    Backfill,
    ChangeComment,
    DropColumn,
    DropIndex,
    DropTable,
    RawSQL,
    RenameColumn,
    RunPython,
    StateOnly,
)
from smalls.schema import Check, Column, Index, Table, Unique, types

COLUMN = Column("n", types.integer(), null=True)
TABLE = Table("made", [Column("id", types.auto())], primary_key="id")


@pytest.mark.parametrize(
    "operations",
    [
        [],
        [AddTable(TABLE)],
        [AddColumn("post", COLUMN)],
        [AddColumn("post", Column("n", types.integer(), default="0"))],
        [AddIndex("post", Index("i", ["n"]))],
        [
            AddTable(TABLE),
            AddIndex("made", Index("i", ["id"], unique=True)),
            AddConstraint("made", Check("id > 0")),
        ],
        [AddTable(TABLE), AddColumn("made", Column("n", types.integer()))],
        [ChangeComment("post", "", "words")],
        [AlterColumn("post", COLUMN, COLUMN.with_(comment="words"))],
        [StateOnly([DropTable(TABLE)])],
    ],
)
def test_what_old_code_goes_on_with(operations):
    """Whoever does not know it reads and writes as before."""
    assert only_adds(operations)


@pytest.mark.parametrize(
    "operation",
    [
        AddColumn("post", Column("n", types.integer())),
        AddColumn("post", Column("n", types.integer()), backfill=1),
        AddColumn("post", Column("n", types.integer(), default="NULL")),
        AddIndex("post", Index("i", ["n"], unique=True)),
        AddIndex("post", Index("i", sql="CREATE UNIQUE INDEX i ON post (n)")),
        AddConstraint("post", Unique(["n"])),
        AlterColumn("post", COLUMN, COLUMN.with_(null=False)),
        AlterColumn("post", COLUMN.with_(null=False), COLUMN),
        DropColumn("post", COLUMN),
        DropIndex("post", Index("i", ["n"])),
        DropTable(TABLE),
        RenameColumn("post", "a", "b"),
        RawSQL("SELECT 1"),
        RunPython("forward"),
        Backfill("post", "n", 1),
    ],
    ids=lambda operation: operation.describe(),
)
def test_what_changes_something_for_old_code(operation):
    """A row that it writes, or reads, may no longer be what it was."""
    assert not only_adds([operation])
    assert not only_adds([AddTable(TABLE), operation])
