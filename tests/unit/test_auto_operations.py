"""Operations: apply, inverse, refusals, and what they say of themselves."""

from __future__ import annotations

import json

import pytest

from smalls.autoerrors import FormatError, IrreversibleError, StateError
from smalls.errors import Exit
from smalls.manager import MigrationManager
from smalls.operations import (
    AddColumn,
    AddConstraint,
    AddIndex,
    AddTable,
    AlterColumn,
    Backfill,
    ChangeComment,
    ChangeOptions,
    ChangePrimaryKey,
    DropColumn,
    DropConstraint,
    DropIndex,
    DropTable,
    MoveTable,
    Operation,
    RawSQL,
    RenameColumn,
    RenameIndex,
    RenameTable,
    RunPython,
    StateOnly,
    from_dict,
    reverse,
    to_dict,
)
from smalls.schema import Check, Column, ForeignKey, Generated, Index, Options, Schema, Table, Unique, types

ID = Column("id", types.auto())
TITLE = Column("title", types.varchar(50))
AUTHOR = Table("author", [ID], primary_key="id")
POST = Table(
    "post",
    [ID, TITLE, Column("author_id", types.integer()), Column("spare", types.text(), null=True)],
    primary_key="id",
    indexes=[Index("ix", "title"), Index("iy", "id")],
    constraints=[ForeignKey("author_id", "author", "id"), Check("id > 0", name="ck")],
)
BASE = Schema([AUTHOR, POST, Table("empty")])
FK, CK = POST.constraints

FITTING: list[Operation] = [
    AddTable(Table("new", [ID], primary_key="id")),
    DropTable(POST),
    RenameTable("author", "writer"),
    MoveTable("author", "s"),
    ChangeComment("post", "", "c"),
    ChangeOptions("post", Options(), Options(strict=True)),
    ChangePrimaryKey("post", "id", ["id", "title"]),
    AddColumn("post", Column("n", types.integer())),
    DropColumn("post", POST.column("spare")),
    RenameColumn("post", "title", "name"),
    RenameColumn("author", "id", "key"),
    AlterColumn("post", TITLE, TITLE.with_(null=True)),
    AddIndex("post", Index("iz", "spare")),
    DropIndex("post", POST.indexes[0]),
    RenameIndex("post", "ix", "iz"),
    AddConstraint("post", Unique("title")),
    DropConstraint("post", FK),
    RawSQL("x", "y", state=[RenameTable("author", "writer")]),
    RunPython("f", "g"),
    Backfill("post", "spare", "x"),
    StateOnly([DropColumn("post", POST.column("spare")), RenameTable("author", "writer")]),
]


@pytest.mark.parametrize("operation", FITTING, ids=lambda operation: operation.describe())
def test_apply_and_inverse(operation):
    """The inverse leads back; its own inverse does the same as the operation; JSON keeps both."""
    after = operation.apply(BASE)
    back = operation.inverse()
    assert back.apply(after) == BASE
    assert back.inverse().apply(BASE) == after
    for value in (operation, back):
        assert from_dict(json.loads(json.dumps(to_dict([value])))) == (value,)
        assert to_dict([value])["operations"][0]["is"] == value.name
    assert operation.reversible
    assert hash(operation) == hash(from_dict(to_dict([operation]))[0])


UNFIT: list[Operation] = [
    AddTable(POST),
    AddTable(Table("new", [ID], primary_key="key")),
    DropTable(AUTHOR),
    DropTable(POST.with_(comment="other")),
    RenameTable("author", "post"),
    RenameTable("nobody", "x"),
    MoveTable("nobody", "x"),
    ChangeComment("post", "old", "new"),
    ChangeOptions("post", Options(strict=True), Options()),
    ChangePrimaryKey("post", "title", "id"),
    ChangePrimaryKey("post", "id", "nothing"),
    AddColumn("post", TITLE),
    DropColumn("post", TITLE),
    DropColumn("author", ID),
    DropColumn("post", Column("spare", types.blob())),
    RenameColumn("post", "title", "id"),
    RenameColumn("post", "nothing", "x"),
    AlterColumn("post", Column("title", types.text()), TITLE),
    AddIndex("post", Index("ix", "id")),
    AddIndex("post", Index("iz", "nothing")),
    DropIndex("post", Index("ix", "id")),
    RenameIndex("post", "nothing", "x"),
    RenameIndex("post", "ix", "iy"),
    AddConstraint("post", CK),
    AddConstraint("post", Check("id > 9", name="ck")),
    AddConstraint("post", Unique("nothing")),
    DropConstraint("post", Unique("id")),
    Backfill("post", "nothing", 1),
    StateOnly([RenameTable("nobody", "x")]),
]


@pytest.mark.parametrize("operation", UNFIT, ids=lambda operation: operation.describe())
def test_what_does_not_fit_the_state_is_refused(operation):
    """Before anything runs, as a file that cannot be loaded."""
    with pytest.raises(StateError) as error:
        operation.apply(BASE)
    assert error.value.exit_code == Exit.CONFIG


def test_altering_does_not_rename():
    """Two operations, so that each can be undone alone."""
    with pytest.raises(StateError, match="two operations"):
        AlterColumn("post", TITLE, Column("name", types.text()))


@pytest.mark.parametrize("operation", [RawSQL("x"), RunPython("f"), StateOnly([RawSQL("x")])])
def test_what_has_no_reverse_says_so(operation):
    """`reversible` tells beforehand; `inverse` raises, exit 8."""
    assert not operation.reversible
    with pytest.raises(IrreversibleError) as error:
        operation.inverse()
    assert error.value.exit_code == Exit.HISTORY


def test_nothing_to_undo_is_a_reverse():
    """An empty reverse is not a missing one."""
    assert RawSQL("x", "").inverse() == RawSQL([], ["x"])
    assert RunPython("f", "").inverse() == RunPython("", "f")
    assert Backfill("post", "title", "x").inverse() == StateOnly([])


def test_inverses_come_in_reverse_order():
    """The last done is the first undone."""
    operations = [RenameTable("a", "b"), RenameTable("b", "c")]
    assert reverse(operations) == (RenameTable("c", "b"), RenameTable("b", "a"))


@pytest.mark.parametrize(
    ("operation", "destructive", "loss"),
    [
        (DropTable(POST), True, "every row"),
        (DropColumn("post", TITLE), True, "holds"),
        (DropColumn("post", Column("g", types.text(), generated=Generated("1"))), False, ""),
        (AlterColumn("post", TITLE, Column("title", types.varchar(9))), False, "longer than 9"),
        (AlterColumn("post", TITLE, TITLE.with_(generated=Generated("1"))), False, "holds"),
        (AlterColumn("post", TITLE, Column("title", types.text())), False, ""),
        (AddTable(POST), False, ""),
        (StateOnly([DropTable(POST)]), False, ""),
        (RenameTable("a", "b"), False, ""),
    ],
)
def test_what_is_lost(operation, destructive, loss):
    """Destroyed for certain, or perhaps, or nothing."""
    assert operation.destructive == destructive
    assert loss in operation.loss
    assert bool(operation.loss) == bool(loss)


@pytest.mark.parametrize(
    ("operation", "want"),
    [
        (AddIndex("post", Index("i", "id"), concurrently=True), True),
        (AddIndex("post", Index("i", "id"), concurrently=True).inverse(), True),
        (AddIndex("post", Index("i", "id")), False),
        (RawSQL("VACUUM", transactional=False), True),
        (RawSQL("x", "y", transactional=False).inverse(), True),
        (RunPython("f", transactional=False), True),
        (Backfill("post", "title", 1), True),
        (AddTable(POST), False),
    ],
)
def test_what_must_run_outside_a_transaction(operation, want):
    """Concurrent indexes, batched backfills, and what says so itself."""
    assert operation.non_transactional == want


def test_state_only_may_drop_a_table_that_others_refer_to():
    """The table is still there: only this state no longer has it (another app's has)."""
    assert AUTHOR.key not in StateOnly([DropTable(AUTHOR)]).apply(BASE).tables
    with pytest.raises(StateError):
        StateOnly([DropTable(AUTHOR.with_(comment="other"))]).apply(BASE)


def test_a_later_format_is_refused():
    """Reverse operations of a newer smalls are not misread."""
    with pytest.raises(FormatError):
        from_dict({"format": 99, "operations": []})


def test_every_operation_has_a_method_of_its_name():
    """And every class of operation is in the tables above."""
    names = {operation.name for operation in FITTING}
    assert names == {cls.name for cls in Operation.__subclasses__()}
    for name in names:
        assert callable(getattr(MigrationManager, name))
