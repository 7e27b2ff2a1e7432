"""Operations as PostgreSQL's statements: what is said, under which lock, and whether the table is copied."""

import pytest

from smalls.autoerrors import UnsupportedError
from smalls.compilers.base import compile_all
from smalls.compilers.postgres import PostgresCompiler
from smalls.compilers.postgres.names import object_name
from smalls.compilers.postgres.types import conversion, rewrites, word
from smalls.operations import (
    AddColumn,
    AddConstraint,
    AddIndex,
    AddTable,
    AlterColumn,
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
)
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
    Type,
    Unique,
    types,
)

ID = Column("id", types.auto())
A = Column("a", types.integer(), null=True)
AUTHOR = Table("author", [ID, Column("name", types.varchar(50))], primary_key="id")
KEY = ForeignKey("author_id", "author", "id", on_delete="CASCADE")
POST = Table(
    "post",
    [ID, Column("author_id", types.integer()), A],
    primary_key="id",
    constraints=[KEY, Check("a > 0")],
)
SCHEMA = Schema([AUTHOR, POST])
TIGHT = 'CHECK ("a" IS NOT NULL)'
STRONG = "ACCESS EXCLUSIVE"

# each has an id, the operation, and its statements with their locks
SAID: list[tuple[str, Operation, list[tuple[str, str]]]] = [
    (
        "add-table",
        AddTable(Table("t", [ID, Column("b", types.text(), default="'x'")], primary_key="id", comment="it's")),
        [
            (
                'CREATE TABLE "t" ("id" SERIAL NOT NULL, "b" TEXT NOT NULL DEFAULT \'x\', PRIMARY KEY ("id"))',
                "",
            ),
            ("COMMENT ON TABLE \"t\" IS 'it''s'", "SHARE UPDATE EXCLUSIVE"),
        ],
    ),
    ("drop-table", DropTable(POST), [('DROP TABLE "post"', STRONG)]),
    (
        "rename-table",
        RenameTable("post", "article"),
        [
            ('ALTER TABLE "post" RENAME TO "article"', STRONG),
            ('ALTER TABLE "article" RENAME CONSTRAINT "post_pkey" TO "article_pkey"', STRONG),
            ('ALTER TABLE "article" RENAME CONSTRAINT "post_author_id_fkey" TO "article_author_id_fkey"', STRONG),
            ('ALTER TABLE "article" RENAME CONSTRAINT "post_a_check" TO "article_a_check"', STRONG),
            ('ALTER SEQUENCE "post_id_seq" RENAME TO "article_id_seq"', STRONG),
        ],
    ),
    (
        "move-table",
        MoveTable("post", "blog"),
        [
            (
                (
                    'DO $smalls$ BEGIN IF to_regnamespace(\'"blog"\') IS NULL THEN CREATE SCHEMA "blog"; END IF;'
                    " END $smalls$"
                ),
                "",
            ),
            ('ALTER TABLE "post" SET SCHEMA "blog"', STRONG),
        ],
    ),
    ("comment", ChangeComment("post", "", "x"), [("COMMENT ON TABLE \"post\" IS 'x'", "SHARE UPDATE EXCLUSIVE")]),
    (
        "options",
        ChangeOptions("post", Options(), Options(settings=("WITH (fillfactor=70)",))),
        [('ALTER TABLE "post" SET (fillfactor = 70)', "SHARE UPDATE EXCLUSIVE")],
    ),
    (
        "add-column-with-backfill-touches-no-row",
        AddColumn("post", Column("b", types.integer()), backfill=5),
        [
            ('ALTER TABLE "post" ADD COLUMN "b" INTEGER NOT NULL DEFAULT 5', STRONG),
            ('ALTER TABLE "post" ALTER COLUMN "b" DROP DEFAULT', STRONG),
        ],
    ),
    (
        "add-column-with-backfill-over-the-row",
        AddColumn("post", Column("b", types.integer()), backfill=Sql("id * 2")),
        [
            ('ALTER TABLE "post" ADD COLUMN "b" INTEGER', STRONG),
            ('UPDATE "post" SET "b" = id * 2', "ROW EXCLUSIVE"),
            (
                'ALTER TABLE "post" ADD CONSTRAINT "smalls_b_not_null" CHECK ("b" IS NOT NULL) NOT VALID',
                STRONG,
            ),
            ('ALTER TABLE "post" VALIDATE CONSTRAINT "smalls_b_not_null"', "SHARE UPDATE EXCLUSIVE"),
            ('ALTER TABLE "post" ALTER COLUMN "b" SET NOT NULL', STRONG),
            ('ALTER TABLE "post" DROP CONSTRAINT "smalls_b_not_null"', STRONG),
        ],
    ),
    ("drop-column", DropColumn("author", AUTHOR.columns[1]), [('ALTER TABLE "author" DROP COLUMN "name"', STRONG)]),
    (
        "rename-column",
        RenameColumn("post", "author_id", "writer_id"),
        [
            ('ALTER TABLE "post" RENAME COLUMN "author_id" TO "writer_id"', STRONG),
            (
                'ALTER TABLE "post" RENAME CONSTRAINT "post_author_id_fkey" TO "post_writer_id_fkey"',
                STRONG,
            ),
        ],
    ),
    (
        "not-null-is-proven-by-a-validated-check",
        AlterColumn("post", A, A.with_(null=False), backfill=0),
        [
            ('UPDATE "post" SET "a" = 0 WHERE "a" IS NULL', "ROW EXCLUSIVE"),
            (f'ALTER TABLE "post" ADD CONSTRAINT "smalls_a_not_null" {TIGHT} NOT VALID', STRONG),
            ('ALTER TABLE "post" VALIDATE CONSTRAINT "smalls_a_not_null"', "SHARE UPDATE EXCLUSIVE"),
            ('ALTER TABLE "post" ALTER COLUMN "a" SET NOT NULL', STRONG),
            ('ALTER TABLE "post" DROP CONSTRAINT "smalls_a_not_null"', STRONG),
        ],
    ),
    (
        "foreign-key-in-two-steps",
        AddConstraint("post", ForeignKey("a", "author", "id", deferrable="INITIALLY DEFERRED")),
        [
            (
                (
                    'ALTER TABLE "post" ADD CONSTRAINT "post_a_fkey" FOREIGN KEY ("a") REFERENCES "author" ("id")'
                    " DEFERRABLE INITIALLY DEFERRED NOT VALID"
                ),
                "SHARE ROW EXCLUSIVE",
            ),
            ('ALTER TABLE "post" VALIDATE CONSTRAINT "post_a_fkey"', "SHARE UPDATE EXCLUSIVE"),
        ],
    ),
    (
        "check-in-two-steps",
        AddConstraint("post", Check("a < 9", "low")),
        [
            ('ALTER TABLE "post" ADD CONSTRAINT "low" CHECK (a < 9) NOT VALID', STRONG),
            ('ALTER TABLE "post" VALIDATE CONSTRAINT "low"', "SHARE UPDATE EXCLUSIVE"),
        ],
    ),
    (
        "unique",
        AddConstraint("post", Unique(["a", "id"])),
        [
            ('DROP INDEX CONCURRENTLY IF EXISTS "post_a_id_key"', "SHARE UPDATE EXCLUSIVE"),
            (
                'CREATE UNIQUE INDEX CONCURRENTLY "post_a_id_key" ON "post" ("a", "id")',
                "SHARE UPDATE EXCLUSIVE",
            ),
            (
                'ALTER TABLE "post" ADD CONSTRAINT "post_a_id_key" UNIQUE USING INDEX "post_a_id_key"',
                STRONG,
            ),
        ],
    ),
    (
        "drop-unnamed-key",
        DropConstraint("post", KEY),
        [('ALTER TABLE "post" DROP CONSTRAINT "post_author_id_fkey"', STRONG)],
    ),
    (
        "primary-key",
        ChangePrimaryKey("author", "id", ["id", "name"]),
        [
            ('ALTER TABLE "author" DROP CONSTRAINT "author_pkey"', STRONG),
            ('ALTER TABLE "author" ADD CONSTRAINT "author_pkey" PRIMARY KEY ("id", "name")', STRONG),
        ],
    ),
    (
        "index",
        AddIndex("post", Index("i", ["a", Sql("lower(b)")], unique=True, method="BTREE", where="a > 0")),
        [('CREATE UNIQUE INDEX "i" ON "post" USING BTREE ("a", lower(b)) WHERE a > 0', "SHARE")],
    ),
    (
        "rename-index",
        RenameIndex("post", "i", "j"),
        [('ALTER INDEX "i" RENAME TO "j"', "SHARE UPDATE EXCLUSIVE")],
    ),
]


def _said(operation: Operation, schema: Schema = SCHEMA) -> list[tuple[str, str]]:
    return [(step.sql, step.lock) for step in PostgresCompiler().compile(operation, schema)]


@pytest.mark.parametrize(("operation", "want"), [case[1:] for case in SAID], ids=[case[0] for case in SAID])
def test_what_is_said(operation: Operation, want: list[tuple[str, str]]):
    """Each operation has these statements, in this order, under these locks."""
    assert _said(operation) == want


def test_concurrent_index_runs_alone_and_clears_what_a_failed_build_left():
    """CREATE INDEX CONCURRENTLY cannot run in a transaction; a failed one leaves an invalid index behind."""
    steps = PostgresCompiler().compile(AddIndex("post", Index("i", "a"), concurrently=True), SCHEMA)
    assert [step.sql for step in steps] == [
        'DROP INDEX CONCURRENTLY IF EXISTS "i"',
        'CREATE INDEX CONCURRENTLY "i" ON "post" ("a")',
    ]
    assert not any(step.transactional for step in steps)
    assert steps[0].clears
    assert steps[0].optional  # whatever is there and valid is not ours to drop
    (gone,) = PostgresCompiler().compile(DropIndex("post", Index("i", "a"), concurrently=True), SCHEMA)
    assert gone.sql == 'DROP INDEX CONCURRENTLY IF EXISTS "i"'


def test_what_refuses_a_transaction_has_a_form_that_does_not():
    """For a file that asks for one transaction, and for a table that the same migration makes."""
    unique = AddConstraint("post", Unique("a", deferrable="INITIALLY DEFERRED", name="u"))
    index = AddIndex("post", Index("i", "a"), concurrently=True)
    operations = [unique, index, index.inverse()]
    together = compile_all(PostgresCompiler(), operations, SCHEMA, together=True)
    on_new = compile_all(PostgresCompiler(), [AddTable(POST), *operations], Schema([AUTHOR]))
    built = [
        'CREATE UNIQUE INDEX "u" ON "post" ("a")',
        'ALTER TABLE "post" ADD CONSTRAINT "u" UNIQUE USING INDEX "u" DEFERRABLE INITIALLY DEFERRED',
        'CREATE INDEX "i" ON "post" ("a")',
        'DROP INDEX IF EXISTS "i"',
    ]
    steps = [step for item in together for step in item.steps]
    assert [step.sql for step in steps if not step.optional] == built
    assert all(step.transactional for step in steps)
    assert [step.sql for step in steps if step.optional] == ['DROP INDEX IF EXISTS "u"', 'DROP INDEX IF EXISTS "i"']
    assert [step.sql for item in on_new[1:] for step in item.steps] == built


def test_a_unique_column_comes_before_its_constraint():
    """Its index is built while others write."""
    column = Column("x", types.integer(), null=True, extra=["UNIQUE", "COMPRESSION lz4"])
    assert [sql for sql, _ in _said(AddColumn("post", column))] == [
        'ALTER TABLE "post" ADD COLUMN "x" INTEGER COMPRESSION lz4',
        'DROP INDEX CONCURRENTLY IF EXISTS "post_x_key"',
        'CREATE UNIQUE INDEX CONCURRENTLY "post_x_key" ON "post" ("x")',
        'ALTER TABLE "post" ADD CONSTRAINT "post_x_key" UNIQUE USING INDEX "post_x_key"',
    ]


def test_one_of_several_unnamed_checks_goes_by_making_all_of_them_anew():
    """Which of them has which number is not known, so none is dropped by a guess."""
    table = Table("t", [A], constraints=[Check("a > 0"), Check("a < 9")])
    assert [sql for sql, _ in _said(DropConstraint("t", Check("a > 0")), Schema([table]))] == [
        'ALTER TABLE "t" DROP CONSTRAINT "t_a_check"',
        'ALTER TABLE "t" DROP CONSTRAINT "t_a_check1"',
        'ALTER TABLE "t" ADD CONSTRAINT "t_a_check" CHECK (a < 9) NOT VALID',
        'ALTER TABLE "t" VALIDATE CONSTRAINT "t_a_check"',
    ]


def test_type_change_takes_the_default_off_and_puts_it_on_again():
    """A default of the old type stands in the way of the cast."""
    old = Column("b", types.text(), default="'1'")
    new = Column("b", types.integer(), default="1")
    table = Table("t", [old])
    assert [sql for sql, _ in _said(AlterColumn("t", old, new), Schema([table]))] == [
        'ALTER TABLE "t" ALTER COLUMN "b" DROP DEFAULT',
        'ALTER TABLE "t" ALTER COLUMN "b" TYPE INTEGER USING "b"::INTEGER',
        'ALTER TABLE "t" ALTER COLUMN "b" SET DEFAULT 1',
    ]


def test_deferred_keys_are_checked_before_the_table_is_altered_again():
    """A table with deferred checks outstanding cannot be altered."""
    table = POST.with_(constraints=[ForeignKey("a", "author", "id", deferrable="INITIALLY DEFERRED")])
    steps = _said(AlterColumn("post", A, A.with_(null=False), backfill=1), Schema([AUTHOR, table]))
    assert steps[1] == ("SET CONSTRAINTS ALL IMMEDIATE", "")


def test_raw_sql_stands_as_it_is():
    """The project's own words are not touched."""
    (step,) = PostgresCompiler().compile(RawSQL("VACUUM post", "", transactional=False), SCHEMA)
    assert (step.sql, step.transactional) == ("VACUUM post", False)


@pytest.mark.parametrize(
    ("old", "new", "copies"),
    [
        (types.varchar(10), types.varchar(20), False),
        (types.varchar(10), types.text(), False),
        (types.varchar(20), types.varchar(10), True),
        (types.decimal(10, 2), types.decimal(12, 2), False),
        (types.decimal(10, 2), types.decimal(12, 4), True),
        (types.integer(), types.bigint(), True),
        (types.json(), types.jsonb(), False),
        (types.blob(), types.binary_uuid(), False),
    ],
)
def test_rewrites(old: Type, new: Type, copies: bool):
    """A change that keeps the stored bytes copies nothing, and the plan says so."""
    assert rewrites(old, new) is copies


def test_volatile_default_rewrites_and_constant_default_does_not():
    """A function is called for each row, a constant is stored once."""
    made = [
        PostgresCompiler()
        .compile(AddColumn("post", Column("b", types.text(), default=default)), SCHEMA)[0]
        .rewrites
        for default in ("gen_random_uuid()", "now()", "'f(x)'", "CURRENT_TIMESTAMP")
    ]
    assert made == [True, False, False, False]


def test_strings_that_become_too_short_are_not_cut():
    """The assignment cast refuses what is too long; an explicit one would cut it without a word."""
    assert conversion(types.text(), types.varchar(3), '"b"') == ""


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (AddTable(Table("t", [A], options=Options(strict=True))), "STRICT"),
        (AddTable(Table("t", [A], options=Options(without_rowid=True))), "WITHOUT ROWID"),
        (AddTable(Table("t", [A], options=Options(module="fts5"))), "SQLite"),
        (AddTable(Table("t", [Column("b", types.integer(unsigned=True))])), "unsigned"),
        (AddColumn("post", Column("b", types.integer(), generated=Generated("a", stored=False))), "virtual"),
        (AlterColumn("post", A, A.with_(type=types.date())), "integer to date"),
        (AlterColumn("post", A, A.with_(extra="STORAGE PLAIN")), "STORAGE PLAIN"),
        (ChangeOptions("post", Options(), Options(settings=("TABLESPACE x",))), "storage parameters"),
        (AddTable(Table("t", [A], options=Options(extra={"k": "v"}))), "among the columns"),
        (AddColumn("post", Column("b", types.text(), unindexed=True)), "UNINDEXED"),
    ],
)
def test_refused_with_the_reason(operation: Operation, words: str):
    """What PostgreSQL cannot do is refused by looking at it, in words that say why."""
    with pytest.raises(UnsupportedError, match=words):
        PostgresCompiler().compile(operation, SCHEMA)


def test_virtual_generated_columns_since_18():
    """PostgreSQL 18 has them."""
    column = Column("b", types.integer(), null=True, generated=Generated("a", stored=False))
    (step,) = PostgresCompiler(18).compile(AddColumn("post", column), SCHEMA)
    assert step.sql.endswith("GENERATED ALWAYS AS (a) VIRTUAL")


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("post", "a", "fkey"), "post_a_fkey"),
        (("post", "", "pkey"), "post_pkey"),
        (("t" * 60, "c" * 20, "fkey"), "t" * 37 + "_" + "c" * 20 + "_fkey"),
        (("t" * 60, "c" * 60, "key"), "t" * 29 + "_" + "c" * 29 + "_key"),
        (("é" * 40, "", "pkey"), "é" * 29 + "_pkey"),
    ],
)
def test_names_are_cut_as_the_server_cuts_them(parts: tuple[str, str, str], name: str):
    """The longer part gives way, never within a character, and never beyond 63 bytes."""
    assert object_name(*parts) == name
    assert len(name.encode()) <= 63


def test_array_word():
    """An array is its item's type with brackets."""
    assert word(types.array(types.varchar(9), 2)) == "VARCHAR(9)[][]"
