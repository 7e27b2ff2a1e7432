"""Operations as MySQL's and MariaDB's statements: whole definitions, algorithms asserted, names looked up."""

from __future__ import annotations

import peewee
import pytest

from smalls.autoerrors import UnsupportedError
from smalls.compilers.base import Batches, Call
from smalls.compilers.mysql import MysqlCompiler
from smalls.compilers.mysql.ddl import Ddl
from smalls.compilers.refusals import MARIADB, MYSQL, REFUSED
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
from smalls.schema import Check, Column, ForeignKey, Generated, Index, Options, Schema, Sql, Table, Unique, types
from tests.unit.compilers.states import AGE, CHECK, ID, KEY, POST, STATE, TITLE, UNIQUE, USER, USER_ID, lines

COMPILERS = {MYSQL: MysqlCompiler("mysql"), MARIADB: MysqlCompiler("mariadb")}
N = Column("n", types.integer())
WIDE = Column("wide", types.varchar(100))
INSTANT = "ALGORITHM=INSTANT"
IN_PLACE = "ALGORITHM=INPLACE, LOCK=NONE"
NO_COPY = "ALGORITHM=NOCOPY, LOCK=NONE"
COPY = "ALGORITHM=COPY, LOCK=SHARED"
POSTED = "ALTER TABLE `post`"

# what MariaDB says is None where it says the same
CASES = [
    (
        AddTable(
            Table(
                "new",
                [ID, Column("b", types.boolean(), comment="it's \\"), Column("d", types.decimal(8, 2), null=True)],
                primary_key="id",
                indexes=[Index("new_b", "b", unique=True)],
                constraints=[Unique(["b", "d"], name="bd")],
                options=Options(settings=["ENGINE=InnoDB"]),
                comment="c",
            )
        ),
        [
            (
                "CREATE TABLE `new` (`id` INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY, `b` BOOL NOT NULL COMMENT "
                "'it''s \\\\', `d` NUMERIC(8, 2), CONSTRAINT `bd` UNIQUE (`b`, `d`)) ENGINE=InnoDB COMMENT='c'"
            ),
            "ALTER TABLE `new` ADD UNIQUE INDEX `new_b` (`b`)",
        ],
        None,
    ),
    (DropTable(POST), ["DROP TABLE `post`"], None),
    (RenameTable("post", "a`b"), [f"{POSTED} RENAME TO `a``b`, {INSTANT}"], None),
    (MoveTable("post", "other"), [f"{POSTED} RENAME TO `other`.`post`, {INSTANT}"], None),
    (
        ChangeComment("post", "", "it's"),
        [f"{POSTED} COMMENT='it''s', {IN_PLACE}"],
        [f"{POSTED} COMMENT='it''s', {INSTANT}"],
    ),
    (
        ChangeOptions("post", Options(), Options(settings=["ROW_FORMAT=COMPACT", "DEFAULT CHARSET=utf8mb4"])),
        [f"{POSTED} ROW_FORMAT=COMPACT, {COPY}", f"{POSTED} CONVERT TO CHARACTER SET utf8mb4, {COPY}"],
        None,
    ),
    # columns added
    (AddColumn("post", N.with_(null=True)), [f"{POSTED} ADD COLUMN `n` INTEGER, {INSTANT}"], None),
    (
        AddColumn("post", N.with_(default="7")),
        [f"{POSTED} ADD COLUMN `n` INTEGER NOT NULL DEFAULT 7, {INSTANT}"],
        None,
    ),
    (
        AddColumn("post", N.with_(default="(1 + 1)")),
        [f"{POSTED} ADD COLUMN `n` INTEGER NOT NULL DEFAULT (1 + 1), {COPY}"],
        None,
    ),
    (
        AddColumn("post", N, backfill=5),
        [
            f"{POSTED} ADD COLUMN `n` INTEGER NOT NULL DEFAULT 5, {INSTANT}",
            f"{POSTED} MODIFY COLUMN `n` INTEGER NOT NULL, {INSTANT}",
        ],
        None,
    ),
    (
        AddColumn("post", Column("n", types.text()), backfill="100%"),
        [
            f"{POSTED} ADD COLUMN `n` TEXT, {INSTANT}",
            "UPDATE `post` SET `n` = %s",
            f"{POSTED} MODIFY COLUMN `n` TEXT NOT NULL, {IN_PLACE}",
        ],
        None,
    ),
    (
        AddColumn("post", N),
        [f"{POSTED} ADD COLUMN `n` INTEGER, {INSTANT}", f"{POSTED} MODIFY COLUMN `n` INTEGER NOT NULL, {IN_PLACE}"],
        None,
    ),
    (
        AddColumn("post", N.with_(null=True, extra="UNIQUE")),
        [f"{POSTED} ADD COLUMN `n` INTEGER, {INSTANT}", f"{POSTED} ADD UNIQUE (`n`), {IN_PLACE}"],
        [f"{POSTED} ADD COLUMN `n` INTEGER, {INSTANT}", f"{POSTED} ADD UNIQUE (`n`), {NO_COPY}"],
    ),
    (
        AddColumn("post", Column("n", types.json(), default="'[]'")),
        [f"{POSTED} ADD COLUMN `n` JSON NOT NULL DEFAULT ('[]'), {COPY}"],
        [f"{POSTED} ADD COLUMN `n` JSON NOT NULL DEFAULT '[]', {COPY}"],
    ),
    (
        AddColumn("post", N.with_(checks=["n > 0", 'n < "age"'], null=True)),
        [f"{POSTED} ADD COLUMN `n` INTEGER CHECK (n > 0) CHECK (n < `age`), {COPY}"],
        [f"{POSTED} ADD COLUMN `n` INTEGER CHECK ((n > 0) AND (n < `age`)), {COPY}"],
    ),
    (
        AddColumn("post", N.with_(generated=Generated("age + 1"))),
        [f"{POSTED} ADD COLUMN `n` INTEGER GENERATED ALWAYS AS (age + 1) STORED NOT NULL, {COPY}"],
        [f"{POSTED} ADD COLUMN `n` INTEGER GENERATED ALWAYS AS (age + 1) STORED, {COPY}"],
    ),
    (DropColumn("user", USER.column("spare")), [f"ALTER TABLE `user` DROP COLUMN `spare`, {INSTANT}"], None),
    # columns altered: the whole definition, so that nothing of it is lost
    (
        AlterColumn("post", TITLE, TITLE.with_(default="'y'")),
        [f"{POSTED} MODIFY COLUMN `title` VARCHAR(50) NOT NULL DEFAULT 'y' COMMENT 'head', {INSTANT}"],
        None,
    ),
    (
        AlterColumn("post", TITLE, TITLE.with_(null=True)),
        [f"{POSTED} MODIFY COLUMN `title` VARCHAR(50) DEFAULT 'x' COMMENT 'head', {IN_PLACE}"],
        None,
    ),
    (
        AlterColumn("post", TITLE, TITLE.with_(type=types.varchar(60))),
        [f"{POSTED} MODIFY COLUMN `title` VARCHAR(60) NOT NULL DEFAULT 'x' COMMENT 'head', {IN_PLACE}"],
        [f"{POSTED} MODIFY COLUMN `title` VARCHAR(60) NOT NULL DEFAULT 'x' COMMENT 'head', {INSTANT}"],
    ),
    # the length may need another byte, and whether it does is the character set's business
    (
        AlterColumn("post", TITLE, TITLE.with_(type=types.varchar(90))),
        [f"{POSTED} MODIFY COLUMN `title` VARCHAR(90) NOT NULL DEFAULT 'x' COMMENT 'head', {IN_PLACE}"],
        [f"{POSTED} MODIFY COLUMN `title` VARCHAR(90) NOT NULL DEFAULT 'x' COMMENT 'head', {INSTANT}"],
    ),
    (
        AlterColumn("post", TITLE, TITLE.with_(type=types.varchar(40))),
        [f"{POSTED} MODIFY COLUMN `title` VARCHAR(40) NOT NULL DEFAULT 'x' COMMENT 'head', {COPY}"],
        None,
    ),
    (
        AlterColumn("post", AGE, AGE.with_(type=types.bigint(unsigned=True))),
        [f"{POSTED} MODIFY COLUMN `age` BIGINT UNSIGNED NOT NULL, {COPY}"],
        [f"{POSTED} MODIFY COLUMN `age` BIGINT UNSIGNED NOT NULL CHECK (age > 0), {COPY}"],
    ),
    (
        AlterColumn("post", AGE, AGE.with_(checks="age > 1")),
        [f"{POSTED} DROP CONSTRAINT {{name}}, {INSTANT}", f"{POSTED} ADD CHECK (age > 1), {COPY}"],
        [f"{POSTED} MODIFY COLUMN `age` INTEGER NOT NULL CHECK (age > 1), {COPY}"],
    ),
    (
        AlterColumn("post", USER_ID, USER_ID.with_(null=False), backfill=1),
        [
            "UPDATE `post` SET `user_id` = %s WHERE `user_id` IS NULL",
            f"{POSTED} MODIFY COLUMN `user_id` INTEGER NOT NULL, {IN_PLACE}",
        ],
        None,
    ),
    (
        AlterColumn(
            "user", USER.column("spare"), Column("spare", types.integer(), null=True), using="length(spare)"
        ),
        [
            f"ALTER TABLE `user` ADD COLUMN `spare_anew` INTEGER, {INSTANT}",
            "UPDATE `user` SET `spare_anew` = (length(spare))",
            "UPDATE `user` SET `spare` = NULL",
            f"ALTER TABLE `user` MODIFY COLUMN `spare` INTEGER, {COPY}",
            "UPDATE `user` SET `spare` = (`spare_anew`)",
            f"ALTER TABLE `user` DROP COLUMN `spare_anew`, {INSTANT}",
        ],
        None,
    ),
    (
        AlterColumn("post", AGE, AGE.with_(extra="UNIQUE")),
        [f"{POSTED} ADD UNIQUE (`age`), {IN_PLACE}"],
        [f"{POSTED} ADD UNIQUE (`age`), {NO_COPY}"],
    ),
    # columns renamed
    (
        RenameColumn("user", "id", "key"),
        [f"ALTER TABLE `user` RENAME COLUMN `id` TO `key`, {IN_PLACE}"],
        [f"ALTER TABLE `user` RENAME COLUMN `id` TO `key`, {INSTANT}"],
    ),
    (
        RenameColumn("post", "title", "name"),
        [
            f"{POSTED} RENAME COLUMN `title` TO `name`, {INSTANT}",
            f"{POSTED} RENAME INDEX {{name}} TO `name`, {IN_PLACE}",
        ],
        [
            f"{POSTED} RENAME COLUMN `title` TO `name`, {INSTANT}",
            f"{POSTED} RENAME INDEX {{name}} TO `name`, {INSTANT}",
        ],
    ),
    (
        RenameColumn("post", "age", "years"),
        [
            f"{POSTED} DROP CONSTRAINT {{name}}, {INSTANT}",
            f"{POSTED} DROP CONSTRAINT {{name}}, {INSTANT}",
            f"{POSTED} RENAME COLUMN `age` TO `years`, {INSTANT}",
            f"{POSTED} ADD CHECK (years > 0), {COPY}",
            f"{POSTED} ADD CHECK (years < 200), {COPY}",
        ],
        [f"{POSTED} RENAME COLUMN `age` TO `years`, {INSTANT}"],
    ),
    # indexes
    (
        AddIndex("post", Index("i", ["title", Sql('"age" DESC'), Sql("title(9)")], method="HASH")),
        [f"{POSTED} ADD INDEX `i` USING HASH (`title`, `age` DESC, `title`(9)), {IN_PLACE}"],
        [f"{POSTED} ADD INDEX `i` USING HASH (`title`, `age` DESC, `title`(9)), {NO_COPY}"],
    ),
    (AddIndex("post", Index("i", sql="CREATE INDEX i ON post (age)")), ["CREATE INDEX i ON post (age)"], None),
    (
        DropIndex("user", USER.indexes[0]),
        [f"ALTER TABLE `user` DROP INDEX `user_code`, {IN_PLACE}"],
        [f"ALTER TABLE `user` DROP INDEX `user_code`, {NO_COPY}"],
    ),
    (
        DropIndex("post", POST.indexes[0]),
        [f"{POSTED} ADD INDEX `user_id` (`user_id`), DROP INDEX `post_user_id`, {IN_PLACE}"],
        [f"{POSTED} ADD INDEX `user_id` (`user_id`), DROP INDEX `post_user_id`, {NO_COPY}"],
    ),
    (
        RenameIndex("post", "post_user_id", "i"),
        [f"{POSTED} RENAME INDEX `post_user_id` TO `i`, {IN_PLACE}"],
        [f"{POSTED} RENAME INDEX `post_user_id` TO `i`, {INSTANT}"],
    ),
    # constraints and keys
    (
        AddConstraint("post", ForeignKey("age", "user", "id", on_update="CASCADE", name="f")),
        [
            f"{POSTED} ADD CONSTRAINT `f` FOREIGN KEY (`age`) REFERENCES `user` (`id`) ON UPDATE CASCADE, {COPY}",
        ],
        None,
    ),
    (
        DropConstraint("post", KEY),
        [f"{POSTED} DROP FOREIGN KEY {{name}}, {IN_PLACE}"],
        [f"{POSTED} DROP FOREIGN KEY {{name}}, {INSTANT}"],
    ),
    (DropConstraint("post", CHECK), [f"{POSTED} DROP CONSTRAINT {{name}}, {INSTANT}"], None),
    (
        DropConstraint("post", UNIQUE),
        [f"{POSTED} DROP INDEX {{name}}, {IN_PLACE}"],
        [f"{POSTED} DROP INDEX {{name}}, {NO_COPY}"],
    ),
    (
        AddConstraint("post", Check("age < 9", name="c")),
        [f"{POSTED} ADD CONSTRAINT `c` CHECK (age < 9), {COPY}"],
        None,
    ),
    (
        ChangePrimaryKey("user", "id", "code"),
        [
            (
                "ALTER TABLE `user` DROP PRIMARY KEY, ADD UNIQUE INDEX `id_numbered` (`id`), "
                "ADD PRIMARY KEY (`code`), ALGORITHM=INPLACE, LOCK=SHARED"
            )
        ],
        None,
    ),
    # a free hand
    (RawSQL("SELECT 1"), ["SELECT 1"], None),
    (RunPython("f"), [Call("f")], None),
    (Backfill("post", "age", 1), [Batches(Backfill("post", "age", 1), POST)], None),
    (StateOnly([DropColumn("user", USER.column("spare"))]), [], None),
]


@pytest.mark.parametrize("engine", COMPILERS)
@pytest.mark.parametrize(("operation", "mysql", "mariadb"), CASES, ids=lambda value: getattr(value, "name", None))
def test_statements(engine, operation, mysql, mariadb):
    """What each of the two is told to do, and how."""
    want = mysql if engine == MYSQL or mariadb is None else mariadb
    assert lines(COMPILERS[engine].compile(operation, STATE)) == want


def test_an_index_over_an_expression():
    """In parentheses of its own, and with MySQL's hidden column, which takes a lock."""
    (step,) = COMPILERS[MYSQL].compile(AddIndex("post", Index("i", [Sql('lower("title")')])), STATE)
    assert step.sql == f"{POSTED} ADD INDEX `i` ((lower(`title`))), ALGORITHM=INPLACE, LOCK=SHARED"


def test_a_plan_is_told_what_a_statement_costs():
    """The lock, whether the table is written anew, and that nothing waits for a commit."""
    state = STATE.put(POST.swap("columns", None, WIDE))
    found = [
        COMPILERS[MYSQL].compile(operation, state)[-1]
        for operation in (
            AddColumn("post", N.with_(null=True)),
            AlterColumn("post", TITLE, TITLE.with_(null=True)),
            AlterColumn("post", AGE, AGE.with_(type=types.bigint())),
            AlterColumn("post", TITLE, TITLE.with_(type=types.varchar(90))),
            AlterColumn("post", WIDE, WIDE.with_(type=types.varchar(200))),
        )
    ]
    assert [(step.lock, step.rewrites, step.online) for step in found] == [
        ("NONE", False, INSTANT),
        ("NONE", True, IN_PLACE),
        ("SHARED", True, COPY),
        ("NONE", True, f"{IN_PLACE}; {COPY} in a character set like utf8mb4 or utf8mb3"),
        ("NONE", False, f"{IN_PLACE}; {COPY} in a character set like ucs2"),
    ]
    assert not any(step.transactional for step in found)


def test_a_form_that_is_asserted_has_others_behind_it():
    """From the cheapest to the server's own choice; copying needs none."""
    (instant,) = COMPILERS[MYSQL].compile(AddColumn("post", N.with_(null=True)), STATE)
    added = f"{POSTED} ADD COLUMN `n` INTEGER"
    assert (instant.sql, *instant.otherwise) == (f"{added}, {INSTANT}", f"{added}, {IN_PLACE}", added)
    (index,) = COMPILERS[MARIADB].compile(AddIndex("post", Index("i", "age")), STATE)
    assert index.otherwise == (f"{POSTED} ADD INDEX `i` (`age`), {IN_PLACE}", f"{POSTED} ADD INDEX `i` (`age`)")
    (index,) = COMPILERS[MYSQL].compile(AddIndex("post", Index("i", "age")), STATE)
    assert index.otherwise == (f"{POSTED} ADD INDEX `i` (`age`)",)
    (copied,) = COMPILERS[MYSQL].compile(AlterColumn("post", AGE, AGE.with_(type=types.bigint())), STATE)
    assert copied.otherwise == ()


def test_values_are_parameters():
    """No value is written into an UPDATE, and no percent sign of a name is taken for a place."""
    table = Table("100%", [ID], primary_key="id")
    steps = COMPILERS[MYSQL].compile(AddColumn("100%", Column("n", types.text()), backfill="it's"), Schema([table]))
    assert (steps[1].sql, steps[1].params) == ("UPDATE `100%%` SET `n` = %s", ("it's",))


def test_the_index_of_a_foreign_key_goes_with_it():
    """The server made it, where the models have none; it is looked up, for it may be another's by now."""
    bare = POST.with_(indexes=[])
    steps = COMPILERS[MYSQL].compile(DropConstraint("post", KEY), STATE.put(bare))
    assert [step.sql for step in steps][1] == f"{POSTED} DROP INDEX {{name}}, {IN_PLACE}"
    assert [step.optional for step in steps] == [False, True]
    assert "'user_id'" in steps[1].named_by


def test_a_new_numbered_column_has_a_key_from_the_start():
    """The server refuses AUTO_INCREMENT without one; the primary key takes over from the spare."""
    table = Table("t", [Column("code", types.varchar(9))], primary_key="code")
    (added,) = COMPILERS[MYSQL].compile(AddColumn("t", ID), Schema([table]))
    assert "ADD UNIQUE INDEX `id_numbered` (`id`)" in added.sql
    with_id = Schema([table.with_(columns=[*table.columns, ID])])
    (changed,) = COMPILERS[MYSQL].compile(ChangePrimaryKey("t", "code", "id"), with_id)
    assert "DROP PRIMARY KEY, DROP INDEX `id_numbered`, ADD PRIMARY KEY (`id`)" in changed.sql


LONG = "x" * 65
PLAIN = Column("spare", types.text(), null=True)
REFUSALS = [
    ("type", AddColumn("post", Column("n", types.hstore()))),
    ("identity", AddColumn("post", N.with_(identity="always"))),
    ("sequence", AddColumn("post", N.with_(sequence="s"))),
    ("unindexed", AddColumn("post", N.with_(unindexed=True))),
    ("method", AddIndex("post", Index("i", "age", method="GIN"))),
    ("nulls", AddIndex("post", Index("i", "age", unique=True, nulls_distinct=False))),
    ("deferrable-unique", AddConstraint("post", Unique("age", deferrable="DEFERRED"))),
    ("deferrable-key", AddConstraint("post", ForeignKey("age", "user", "id", deferrable="DEFERRED"))),
    ("options", AddTable(Table("new", [ID], options=Options(strict=True)))),
    ("unset-option", ChangeOptions("post", Options(settings=["ENGINE=InnoDB"]), Options())),
    ("temporary", ChangeOptions("post", Options(), Options(temporary=True))),
    ("partial-index", AddIndex("post", Index("i", "age", where="age > 1"))),
    ("expression-index", AddIndex("post", Index("i", [Sql("lower(title)")]))),
    ("text-key", AddIndex("user", Index("i", "spare"))),
    ("text-key", AlterColumn("user", USER.column("code"), Column("code", types.text()))),
    ("long-name", RenameTable("user", LONG)),
    ("long-name", RenameTable("post", "x" * 60)),
    ("key-conversion", AlterColumn("user", ID, Column("id", types.varchar(9)), using="hex(id)")),
    ("virtual-column", AlterColumn("post", USER_ID, USER_ID.with_(generated=Generated("age", stored=False)))),
]


@pytest.mark.parametrize("engine", COMPILERS)
@pytest.mark.parametrize(("key", "operation"), REFUSALS)
def test_refused_with_the_reason(engine, key, operation):
    """Before anything runs; the reason is the one that the docs print. What an engine can do is not refused."""
    held = REFUSED[key]
    if engine not in held.engines:
        assert COMPILERS[engine].compile(operation, STATE)
        return
    with pytest.raises(UnsupportedError) as error:
        COMPILERS[engine].compile(operation, STATE)
    assert held.what in error.value.message
    assert held.reason in error.value.message


def test_every_refusal_is_tried():
    """The table of refusals promises no more and no less than what is refused."""
    assert {key for key, _ in REFUSALS} == {
        key for key, held in REFUSED.items() if {MYSQL, MARIADB} & {*held.engines}
    }


FIELDS = [
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
]


@pytest.mark.parametrize(("field", "type_"), FIELDS, ids=lambda value: type(value).__name__)
def test_types_are_those_that_peewee_makes(field, type_):
    """Word for word, so that a migrated table equals a fresh one."""
    sql = field.ddl_datatype(peewee.MySQLDatabase("x").get_sql_context()).sql
    assert Ddl(MYSQL).type_word(type_, "") == sql
