"""Operations as SQLite's statements: its own ALTER where that is safe, else one rebuild from state."""

from __future__ import annotations

import sqlite3

import peewee
import pytest

from smalls.autoerrors import UnsupportedError
from smalls.compilers.base import Batches, Call, Rebuild, compile_all
from smalls.compilers.refusals import REFUSED, SQLITE
from smalls.compilers.sqlite import SqliteCompiler
from smalls.compilers.sqlite.ddl import type_word
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
    RawSQL,
    RenameColumn,
    RenameIndex,
    RenameTable,
    RunPython,
    StateOnly,
)
from smalls.schema import Column, ForeignKey, Generated, Index, Options, Schema, Sql, Table, Unique, types
from tests.unit.compilers.states import AGE, CHECK, ID, KEY, POST, STATE, TITLE, USER, USER_ID, lines

N = Column("n", types.integer())
SPARE = USER.column("spare")

NATIVE = [
    (
        AddTable(Table("new", [ID, Column("b", types.boolean())], primary_key="id", indexes=[Index("new_b", "b")])),
        [
            'CREATE TABLE "new" ("id" INTEGER NOT NULL PRIMARY KEY, "b" INTEGER NOT NULL)',
            'CREATE INDEX "new_b" ON "new" ("b")',
        ],
    ),
    (
        AddTable(
            Table(
                "new",
                [Column("k", types.text(), collation="NOCASE"), Column("v", types.integer(), null=True)],
                primary_key=["k", "v"],
                options=Options(strict=True, without_rowid=True),
            )
        ),
        [
            (
                'CREATE TABLE "new" ("k" TEXT NOT NULL COLLATE NOCASE, "v" INTEGER, PRIMARY KEY ("k", "v")) '
                "STRICT, WITHOUT ROWID"
            )
        ],
    ),
    (
        AddTable(Table("new", [ID.with_(extra="AUTOINCREMENT")], primary_key="id")),
        ['CREATE TABLE "new" ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT)'],
    ),
    (
        AddTable(
            Table(
                "new",
                [ID, Column("body", types.raw("")), Column("hid", types.raw(""), unindexed=True)],
                options=Options(module="fts5", extra={"tokenize": "porter"}),
            )
        ),
        ['CREATE VIRTUAL TABLE "new" USING fts5 ("body", "hid" UNINDEXED, tokenize=porter)'],
    ),
    (DropTable(POST), ['DROP TABLE "post"']),
    (RenameTable("post", "story"), ['ALTER TABLE "post" RENAME TO "story"']),
    (
        RenameTable("post", "Post"),
        ['ALTER TABLE "post" RENAME TO "post_aside"', 'ALTER TABLE "post_aside" RENAME TO "Post"'],
    ),
    (RenameColumn("post", "title", 'a "b"'), ['ALTER TABLE "post" RENAME COLUMN "title" TO "a ""b"""']),
    (AddColumn("post", N.with_(null=True)), ['ALTER TABLE "post" ADD COLUMN "n" INTEGER']),
    (AddColumn("post", N.with_(default="7")), ['ALTER TABLE "post" ADD COLUMN "n" INTEGER NOT NULL DEFAULT 7']),
    (
        AddColumn("post", N.with_(default="7"), backfill=Sql("7")),
        ['ALTER TABLE "post" ADD COLUMN "n" INTEGER NOT NULL DEFAULT 7'],
    ),
    (
        AddColumn("post", Column("n", types.text(), null=True), backfill="it's"),
        ['ALTER TABLE "post" ADD COLUMN "n" TEXT', """UPDATE "post" SET "n" = 'it''s'"""],
    ),
    (
        AddColumn("post", N.with_(null=True, generated=Generated("age + 1", stored=False))),
        ['ALTER TABLE "post" ADD COLUMN "n" INTEGER GENERATED ALWAYS AS (age + 1) VIRTUAL'],
    ),
    (DropColumn("user", SPARE), ['ALTER TABLE "user" DROP COLUMN "spare"']),
    (
        AddIndex("post", Index("i", ["title", Sql("lower(title)")], unique=True, where="age > 1")),
        ['CREATE UNIQUE INDEX "i" ON "post" ("title", lower(title)) WHERE age > 1'],
    ),
    (AddIndex("post", Index("i", sql="CREATE INDEX i ON post (age)")), ["CREATE INDEX i ON post (age)"]),
    (DropIndex("post", POST.indexes[0]), ['DROP INDEX "post_user_id"']),
    (
        RenameIndex("post", "post_user_id", "i"),
        ['DROP INDEX "post_user_id"', 'CREATE INDEX "i" ON "post" ("user_id")'],
    ),
    # nothing that SQLite keeps changes
    (AlterColumn("post", AGE, AGE.with_(type=types.bigint())), []),
    (AlterColumn("post", TITLE, TITLE.with_(comment="other")), []),
    (ChangeComment("post", "", "c"), []),
    (StateOnly([DropColumn("user", SPARE)]), []),
    (RawSQL(["VACUUM"], transactional=False), ["VACUUM"]),
    (RunPython("f"), [Call("f")]),
    (RunPython(""), []),
    (Backfill("post", "age", 1), [Batches(Backfill("post", "age", 1), POST)]),
]


@pytest.mark.parametrize(("operation", "want"), NATIVE, ids=lambda value: getattr(value, "name", None))
def test_without_a_rebuild(operation, want):
    """What SQLite does by itself, safely, and what needs nothing done."""
    assert lines(SqliteCompiler().compile(operation, STATE)) == want


def test_a_rebuild_is_the_procedure_of_the_manual():
    """A new table from state, rows by named columns, the old one gone, the name, the indexes."""
    (step,) = SqliteCompiler().compile(AlterColumn("post", TITLE, TITLE.with_(default="'y'")), STATE)
    assert isinstance(step, Rebuild)
    assert (step.before.column("title").default, step.after.column("title").default) == ("'x'", "'y'")
    assert lines([step]) == [
        (
            'CREATE TABLE "post_smalls_new" ("id" INTEGER NOT NULL PRIMARY KEY, "title" VARCHAR(50) NOT NULL '
            'DEFAULT \'y\', "user_id" INTEGER, "age" INTEGER NOT NULL CHECK (age > 0), FOREIGN KEY ("user_id") '
            'REFERENCES "user" ("id") ON DELETE CASCADE, CHECK (age < 200), UNIQUE ("title", "age"))'
        ),
        (
            'INSERT INTO "post_smalls_new" ("id", "title", "user_id", "age") '
            'SELECT "id", "title", "user_id", "age" FROM "post"'
        ),
        'DROP TABLE "post"',
        "PRAGMA legacy_alter_table = ON",
        'ALTER TABLE "post_smalls_new" RENAME TO "post"',
        "PRAGMA legacy_alter_table = OFF",
        'CREATE INDEX "post_user_id" ON "post" ("user_id")',
    ]
    assert [statement.rewrites for statement in step.statements] == [False, True, *[False] * 5]


COPIED = [
    (AddColumn("post", N, backfill=5), "n", "5"),
    (AddColumn("post", N, backfill=Sql("age + 1")), "n", "(age + 1)"),
    (AddColumn("post", Column("n", types.auto())), "n", "ROW_NUMBER() OVER ()"),
    (AddColumn("post", N), "n", None),
    (AlterColumn("post", USER_ID, USER_ID.with_(null=False), backfill=1), "user_id", 'COALESCE("user_id", 1)'),
    (
        AlterColumn("post", USER_ID, USER_ID.with_(type=types.text()), using="hex(user_id)"),
        "user_id",
        "hex(user_id)",
    ),
    (AlterColumn("post", AGE, AGE.with_(generated=Generated("1"))), "age", None),
    (DropConstraint("post", CHECK), "age", '"age"'),
    (DropConstraint("post", KEY), "user_id", '"user_id"'),
    (AddConstraint("post", ForeignKey("age", "user", "id", deferrable="INITIALLY DEFERRED")), "age", '"age"'),
    (ChangePrimaryKey("post", "id", ["id", "age"]), "id", '"id"'),
    (ChangeOptions("post", Options(), Options(without_rowid=True)), "id", '"id"'),
]


@pytest.mark.parametrize(("operation", "column", "want"), COPIED)
def test_rows_are_copied(operation, column, want):
    """From the old column, from a value, by an expression; None leaves the column to its default."""
    (step,) = SqliteCompiler().compile(operation, STATE)
    assert dict(step.copy).get(column) == want
    assert step.after == operation.apply(STATE).table(POST.key)


def test_changes_of_a_table_are_one_rebuild():
    """Whatever else happens in between; a rename that SQLite does itself ends one."""
    other = Column("m", types.integer())
    operations = [
        DropConstraint("post", KEY),
        DropIndex("post", POST.indexes[0]),
        AddColumn("user", other.with_(null=True)),
        AlterColumn("post", TITLE, TITLE.with_(type=types.text())),
        AddColumn("post", N, backfill=1),
        AddIndex("post", Index("post_n", "n")),
    ]
    found = compile_all(SqliteCompiler(), operations, STATE)
    assert [item.operations for item in found] == [(), (operations[2],), (*operations[:2], *operations[3:])]
    steps = [step for item in found for step in item.steps]
    assert lines(steps[:2]) == ['DROP INDEX "post_user_id"', 'ALTER TABLE "user" ADD COLUMN "m" INTEGER']
    assert lines(steps[2:])[-1] == 'CREATE INDEX "post_n" ON "post" ("n")'
    renamed = compile_all(
        SqliteCompiler(), [operations[0], RenameColumn("post", "title", "t"), operations[4]], STATE
    )
    assert [type(step).__name__ for item in renamed for step in item.steps] == ["Rebuild", "Statement", "Rebuild"]


def test_a_table_that_goes_is_not_rebuilt_before():
    """Two tables that refer to each other come apart without copying a row."""
    found = compile_all(
        SqliteCompiler(), [DropConstraint("post", KEY), DropTable(POST.swap("constraints", KEY, None))], STATE
    )
    assert lines([step for item in found for step in item.steps]) == ['DROP TABLE "post"']


def test_sql_over_altered_columns_waits_for_them():
    """A backfill from another column means the column as it is by then."""
    operations = [
        AlterColumn("post", AGE, AGE.with_(type=types.text()), using="hex(age)"),
        AddColumn("post", N, backfill=Sql("length(age)")),
    ]
    found = compile_all(SqliteCompiler(), operations, STATE)
    assert [item.operations for item in found] == [(operations[0],), (operations[1],)]


def test_numbers_that_were_given_are_not_given_again():
    """An AUTOINCREMENT table keeps its count, also when the last rows are gone."""
    table = Table("t", [ID.with_(extra="AUTOINCREMENT"), N], primary_key="id")
    steps = SqliteCompiler().compile(AlterColumn("t", N, N.with_(default="1")), Schema([table]))
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for sql in (*lines(SqliteCompiler().compile(AddTable(table), Schema())), "INSERT INTO t (n) VALUES (1), (2)"):
        connection.execute(sql)
    connection.execute("DELETE FROM t WHERE id = 2")
    for sql in lines(steps):
        connection.execute(sql)
    connection.execute("INSERT INTO t DEFAULT VALUES")
    assert connection.execute("SELECT id, n FROM t").fetchall() == [(1, 1), (3, 1)]


VIRTUAL = Table("doc", [Column("body", types.raw(""))], options=Options(module="fts5"))
REFUSALS = [
    ("move-table", MoveTable("post", "other")),
    ("identity", AddColumn("post", N.with_(identity="always", null=True))),
    ("sequence", AddColumn("post", N.with_(sequence="s", null=True))),
    ("method", AddIndex("post", Index("i", "age", method="GIN"))),
    ("nulls", AddIndex("post", Index("i", "age", unique=True, nulls_distinct=False))),
    ("deferrable-unique", AddConstraint("post", Unique("age", deferrable="INITIALLY DEFERRED"))),
    ("virtual", AddColumn("doc", N)),
    ("strict", ChangeOptions("post", Options(), Options(strict=True))),
    ("rename-raw-index", RenameIndex("raw", "i", "j")),
    ("temporary", ChangeOptions("post", Options(), Options(temporary=True))),
]


@pytest.mark.parametrize(("key", "operation"), REFUSALS)
def test_refused_with_the_reason(key, operation):
    """Before anything runs; the reason is the one that the docs print."""
    raw = Table("raw", [ID], primary_key="id", indexes=[Index("i", sql="CREATE INDEX i ON raw (id)")])
    with pytest.raises(UnsupportedError) as error:
        SqliteCompiler().compile(operation, STATE.add(VIRTUAL).add(raw))
    assert REFUSED[key].what in error.value.message
    assert REFUSED[key].reason in error.value.message


def test_every_refusal_is_tried():
    """The table of refusals promises no more and no less than what is refused."""
    assert {key for key, _ in REFUSALS} == {key for key, held in REFUSED.items() if SQLITE in held.engines}


FIELDS = [
    (peewee.AutoField(), types.auto()),
    (peewee.BigAutoField(), types.bigauto()),
    (peewee.SmallIntegerField(), types.smallint()),
    (peewee.IntegerField(), types.integer()),
    (peewee.BigIntegerField(), types.bigint()),
    (peewee.BooleanField(), types.boolean()),
    (peewee.FloatField(), types.real()),
    (peewee.DoubleField(), types.double()),
    (peewee.DecimalField(8, 2), types.decimal(8, 2)),
    (peewee.FixedCharField(8), types.char(8)),
    (peewee.CharField(8), types.varchar(8)),
    (peewee.TextField(), types.text()),
    (peewee.BlobField(), types.blob()),
    (peewee.UUIDField(), types.uuid()),
    (peewee.BinaryUUIDField(), types.binary_uuid()),
    (peewee.DateField(), types.date()),
    (peewee.TimeField(), types.time()),
    (peewee.DateTimeField(), types.datetime()),
    (peewee.JSONField(), types.json()),
    (peewee.BareField(), types.raw("")),
]


@pytest.mark.parametrize(("field", "type_"), FIELDS, ids=lambda value: type(value).__name__)
def test_types_are_those_that_peewee_makes(field, type_):
    """Word for word, so that a migrated table equals a fresh one."""
    sql = field.ddl_datatype(peewee.SqliteDatabase(":memory:").get_sql_context())
    assert type_word(type_) == (sql.sql if sql else "")
