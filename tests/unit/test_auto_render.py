"""Migration files: short, formatted, and equal operations when they are loaded again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from smalls.differ import diff
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
    DropTable,
    MoveTable,
    Operation,
    RawSQL,
    RenameColumn,
    RenameIndex,
    RenameTable,
    RunPython,
    StateOnly,
    to_dict,
)
from smalls.render import render, summary
from smalls.schema import (
    Check,
    Column,
    ForeignKey,
    Generated,
    Index,
    Options,
    Schema,
    Sql,
    Table,
    TableKey,
    Type,
    Unique,
    types,
)
from tests.strategies import schemas

few = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

POST = Table(
    "post",
    [
        Column("id", types.bigauto()),
        Column("title", types.varchar(200), default="'it''s \"new\"'", comment="C:\\dir", checks="title <> ''"),
        Column("tags", types.array(types.varchar(20), 2), null=True),
        Column("price", types.decimal(8, 2), python={"choices": [[1, "a"]], "default": 1.5}),
        Column("kind", Type("enum", {"values": ["a", "b"]}), null=True),
        Column("name", types.raw("CITEXT"), collation="C", extra=["COMPRESSION lz4"]),
        Column("low", types.text(), generated=Generated("lower(title)", stored=False), null=True),
        Column("n", types.integer(unsigned=True), identity="always"),
        Column("s", types.integer(), sequence="s_seq", unindexed=True),
    ],
    primary_key="id",
    indexes=[
        Index("post_low", Sql("lower(title)"), unique=True, where="id > 1", nulls_distinct=False),
        Index("post_tags", "tags", method="GIN"),
        Index("post_raw", sql='CREATE INDEX "post_raw" ON "post" ("title" DESC)'),
        Index("post_two", ["title", Sql("id DESC")]),
    ],
    constraints=[
        Check("price > 0", name="dear"),
        Unique(["title", "price"], deferrable="INITIALLY DEFERRED"),
        ForeignKey("s", ("blog", "author"), "id", on_delete="CASCADE", on_update="SET NULL"),
    ],
    options=Options(strict=True, settings="ENGINE=InnoDB", extra={"content": "x"}),
    comment="The posts.",
    schema="blog",
    python={"model": "Post"},
)
EVERYTHING: list[Operation] = [
    AddTable(POST),
    DropTable(POST),
    RenameTable(("blog", "post"), "article"),
    MoveTable("post", "blog"),
    ChangeComment("post", "", "Posts, all of them"),
    ChangeOptions("post", Options(), Options(without_rowid=True)),
    ChangePrimaryKey("post", "id", ["a", "b"]),
    ChangePrimaryKey("post", [], "a"),
    AddColumn("post", Column("views", types.integer()), backfill=0),
    AddColumn("post", Column("slug", types.text()), backfill=Sql("lower(title)")),
    AddColumn("post", Column("flag", types.boolean())),
    DropColumn("post", Column("views", types.integer(), null=True), reverse_backfill="x"),
    RenameColumn("post", "titel", "title"),
    AlterColumn("post", Column("a", types.text(), null=True), Column("a", types.varchar(9)), using="left(a, 9)"),
    AddIndex("post", Index("ix", ["a", "b"]), concurrently=True),
    RenameIndex("post", "ix", "iy"),
    AddConstraint("post", ForeignKey(["a", "b"], "other", ["c", "d"], name="fk", deferrable="INITIALLY DEFERRED")),
    RawSQL("SELECT 1", state=[AddColumn("post", Column("x", types.text(), null=True))]),
    RawSQL(["SELECT\n  'a'", "SELECT '\"'"], "", transactional=False),
    RunPython("fill", "unfill"),
    RunPython("fill", "", transactional=False),
    Backfill("post", "views", 1.5, where="views IS NULL", batch=10),
    StateOnly([RenameTable("a", "b"), AddTable(Table("c", [Column("id", types.auto())], primary_key="id"))]),
]


def load(text: str) -> MigrationManager:
    """Run a rendered file and its migrate()."""
    namespace: dict = {}
    exec(compile(text, "migration", "exec"), namespace)  # noqa: S102 - that is what is tested
    return namespace["migrate"]()


def formatted(text: str) -> bool:
    """Whether ruff would leave the text as it is."""
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if ruff is None:
        pytest.skip("ruff is not installed")
    command = [ruff, "format", "--isolated", "--diff", "--stdin-filename", "m.py", "-"]
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    command = [ruff, "check", "--isolated", "--select", "F,I,E9,W,D300", "--stdin-filename", "m.py", "-"]
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
    return True


@pytest.mark.parametrize("operation", EVERYTHING, ids=lambda operation: operation.name)
def test_every_operation_reloads_to_an_equal_one(operation):
    """Each operation with all that it can carry survives the file, and the file is formatted."""
    text = render([operation])
    again = load(text).operations
    assert again == (operation,)
    assert to_dict(again) == to_dict([operation])
    assert formatted(text)


def test_a_file_with_every_operation_is_formatted():
    """All of them in one file."""
    text = render(EVERYTHING, "Everything there is")
    assert load(text).operations == tuple(EVERYTHING)
    assert formatted(text)


@few
@given(schemas(), schemas(), st.sampled_from([None, lambda question: next(iter(question.options), None)]))
def test_any_difference_reloads_to_equal_operations(a, b, ask):
    """render, load, and nothing has changed; render again, and no byte has."""
    operations = diff(a, b, ask=ask).operations
    text = render(operations)
    manager = load(text)
    assert manager == MigrationManager(operations)
    assert to_dict(manager.operations) == to_dict(operations)
    assert render(manager.operations) == text


@settings(few, max_examples=15)
@given(schemas(), schemas())
def test_any_difference_is_formatted(a, b):
    """A formatter has nothing to say."""
    assert formatted(render(diff(a, b).operations))


@few
@given(st.text(max_size=30))
@example("\"'")
@example("\\'\"")
def test_any_text_survives(text):
    """Quotes, backslashes, line ends and characters of any kind."""
    operation = ChangeComment("t", "", text)
    assert load(render([operation])).operations == (operation,)


@few
@given(st.binary(max_size=30))
@example(b"\"'")
@example(b'""\'')
def test_any_bytes_survive(value):
    """As a formatter leaves them."""
    operation = AddColumn("t", Column("c", types.blob(), python={"default": value}), backfill=value)
    text = render([operation])
    assert formatted(text)
    assert load(text).operations == (operation,)
    assert dict(load(text).operations[0].column.python) == {"default": value}


def test_a_file_reads_well():
    """The very text, for a small change."""
    author = Table(
        "author",
        [Column("id", types.auto()), Column("name", types.varchar(200))],
        primary_key="id",
        indexes=[Index("author_name", "name", unique=True)],
        python={"model": "Author"},
    )
    post = Table(
        "post",
        [
            Column("id", types.auto()),
            Column("titel", types.varchar(255)),
            Column("old", types.text()),
            Column("views", types.integer(), null=True),
        ],
        primary_key="id",
    )
    changed = Table(
        "post",
        [
            Column("id", types.auto()),
            Column("title", types.varchar(100)),
            Column("views", types.bigint(), python={"default": 0}),
            Column("author_id", types.integer(), null=True),
        ],
        primary_key="id",
        constraints=[ForeignKey("author_id", "author", "id", on_delete="CASCADE")],
    )
    found = diff(Schema([post]), Schema([author, changed]), ask=lambda q: next(iter(q.options), None))
    assert (
        render(found.operations, "Authors for posts")
        == '''"""Authors for posts."""

from smalls.manager import MigrationManager
from smalls.schema import Column, ForeignKey, Index, types


def migrate() -> MigrationManager:
    manager = MigrationManager()
    manager.rename_column("post", "titel", "title")
    manager.add_table(
        "author",
        [
            Column("id", types.auto()),
            Column("name", types.varchar(200)),
        ],
        primary_key="id",
        indexes=[Index("author_name", "name", unique=True)],
        python={"model": "Author"},
    )
    manager.add_column("post", Column("author_id", types.integer(), null=True))
    # LOSSY: may lose values longer than 100 characters.
    manager.alter_column(
        "post",
        Column("title", types.varchar(255)),
        Column("title", types.varchar(100)),
    )
    manager.alter_column(
        "post",
        Column("views", types.integer(), null=True),
        Column("views", types.bigint(), python={"default": 0}),
        backfill=0,
    )
    # DESTRUCTIVE: what post.old holds is lost; rolling back does not bring it back.
    manager.drop_column("post", Column("old", types.text()), reverse_backfill="")
    manager.add_constraint(
        "post",
        ForeignKey("author_id", "author", "id", on_delete="CASCADE"),
    )
    return manager
'''
    )


def test_a_column_that_will_fail_on_rows_says_so():
    """Not null, no default, no backfill."""
    text = render([AddColumn("post", Column("n", types.integer()))])
    assert "# Rows that are there have no value for it" in text


def test_the_file_of_nothing():
    """No operations: a file that does nothing, and imports the manager only."""
    text = render([])
    assert load(text).operations == ()
    assert text.count("import") == 1
    assert summary([RenameTable("a", "b"), RenameTable("c", "d")]) == "rename table a to b, and 1 more"


def test_a_table_in_a_schema_is_named_by_both():
    """`("blog", "post")` in the file is the key again when it is loaded."""
    text = render([RenameColumn(TableKey("blog", "post"), "a", "b")])
    assert 'manager.rename_column(("blog", "post"), "a", "b")' in text
