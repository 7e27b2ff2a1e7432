"""Managers and the snapshots that they add up to."""

from __future__ import annotations

import pytest

from smalls.autoerrors import IrreversibleError, StateError
from smalls.manager import MigrationManager
from smalls.operations import AddColumn, AddTable, DropTable, RawSQL, RenameTable, RunPython
from smalls.schema import Column, Schema, Table, TableKey, types
from smalls.snapshot import SchemaSnapshot

ID = Column("id", types.auto())
POST = Table("post", [ID], primary_key="id", python={"model": "Post"})


def first() -> MigrationManager:
    manager = MigrationManager()
    manager.add_table("post", [ID], primary_key="id", python={"model": "Post"})
    return manager


def second() -> MigrationManager:
    manager = MigrationManager()
    manager.rename_table("post", "article")
    manager.add_column("article", Column("n", types.integer(), null=True))
    return manager


def test_methods_add_operations_in_order():
    """A table is given by its name, or by schema and name."""
    assert first().operations == (AddTable(POST),)
    assert second().operations[1] == AddColumn("article", Column("n", types.integer(), null=True))
    manager = MigrationManager()
    manager.drop_table("post", [ID], primary_key="id")
    manager.rename_column(("blog", "post"), "a", "b")
    assert manager.operations[0] == DropTable(POST)
    assert manager.operations[1].table == TableKey("blog", "post")
    assert manager.destructive
    assert not second().destructive


def test_managers_are_equal_when_their_operations_are():
    """So that a file can be held against what it was written from."""
    assert first() == first() == MigrationManager(first().operations)
    assert first() != second()
    assert first() != ()
    assert "AddTable" in repr(first())


def test_rollback_is_derived():
    """The inverses, last first, lead back."""
    both = MigrationManager(first().operations + second().operations)
    state = both.apply(Schema())
    assert MigrationManager(both.rollback_operations).apply(state) == Schema()
    both.run_sql("x")
    assert not both.reversible
    with pytest.raises(IrreversibleError):
        _ = both.rollback_operations


def fill(): ...


def test_run_python_takes_functions_or_names():
    """The operation holds the name; a lambda or a local function has none that lasts."""
    manager = MigrationManager()
    manager.run_python(fill, "")
    manager.run_python("fill", fill, transactional=False)
    assert manager.operations == (RunPython("fill", ""), RunPython("fill", "fill", transactional=False))
    assert manager.functions == {"fill": fill}
    assert manager.non_transactional
    with pytest.raises(StateError, match="name of its own"):
        manager.run_python(lambda: None)


def test_a_snapshot_is_the_sum_of_managers():
    """At the end, after, and before any migration."""
    snapshot = SchemaSnapshot([("0001_a", first()), ("0002_b", second())])
    assert list(snapshot.schema.tables) == [TableKey("", "article")]
    assert snapshot.after("0002_b") == snapshot.schema
    assert snapshot.after("0001_a") == snapshot.before("0002_b") == Schema([POST])
    assert snapshot.before("0001_a") == Schema()
    assert SchemaSnapshot([]).schema == Schema()
    assert SchemaSnapshot([("0002_b", second())], base=Schema([POST])).schema == snapshot.schema
    with pytest.raises(StateError):
        snapshot.after("0009_z")


def test_a_migration_that_does_not_fit_is_named():
    """With what is wrong."""
    with pytest.raises(StateError, match=r"^0002_b: there is no table post") as error:
        SchemaSnapshot([("0001_a", MigrationManager()), ("0002_b", second())])
    assert error.value.fields["migration"] == "0002_b"


def test_state_of_direct_files_and_adoption():
    """Operations that run no SQL count in the sum."""
    manager = MigrationManager()
    manager.state_only([AddTable(POST)])
    manager.run_sql("ALTER TABLE …", "…", state=[RenameTable("post", "article")])
    assert list(SchemaSnapshot([("0001", manager)]).schema.tables) == [TableKey("", "article")]
    assert isinstance(manager.operations[1], RawSQL)
