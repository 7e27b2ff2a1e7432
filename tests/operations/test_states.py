"""Changes that no Peewee model can say, or that others get wrong, put through SQLite, MySQL and MariaDB."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from smalls.differ import diff
from smalls.hints import Hints
from smalls.operations import AddColumn, AlterColumn, DropIndex, Operation, RenameColumn, apply_all, reverse
from smalls.reflect import differences
from smalls.schema import Check, Column, ForeignKey, Generated, Index, Options, Schema, Sql, Table, Unique, types
from tests.operations.harness import Bench
from tests.servers import MYSQL, family

ENGINES = ("sqlite", *MYSQL)
ID = Column("id", types.auto())
A, B = Column("a", types.integer()), Column("b", types.integer())
S = Column("s", types.varchar(40), null=True)


def table(*columns: Column, name: str = "t", **parts: object) -> Table:
    """Make a table with a numbered key."""
    return Table(name, [ID, *columns], **{"primary_key": "id", **parts})


PLAIN = table(A, B, S)
ROWS = ("INSERT INTO t (a, b, s) VALUES (1, 2, 'x y')", "INSERT INTO t (a, b, s) VALUES (5, 3, NULL)")
USER = table(Column("code", types.varchar(20)), name="user", indexes=[Index("user_code", "code", unique=True)])
POST = table(
    Column("u", types.varchar(20), null=True),
    name="post",
    indexes=[Index("post_u", "u")],
    constraints=[ForeignKey("u", "user", "code")],
)
POSTED = ("INSERT INTO user (code) VALUES ('a')", "INSERT INTO post (u) VALUES ('a')")


@dataclass(frozen=True)
class StateCase:
    """Tables before and after, or the operations themselves; rows; `lossy` if not every value comes back."""

    id: str
    before: Sequence[Table]
    after: Sequence[Table] | None = None
    operations: Sequence[Operation] = ()
    rows: Sequence[str] = ()
    renames: Sequence[str] = ()
    lossy: bool = False
    only: Sequence[str] = ENGINES


def _generated(*, stored: bool, sql: str = "a + 1") -> Table:
    return table(A, B, S, Column("g", types.integer(), null=True, generated=Generated(sql, stored=stored)))


RICH = Column("s", types.varchar(40), default="'q'", comment="it's \\ 100%", extra="CHARACTER SET ascii")

RING = [
    Table(
        name,
        [Column("id", types.integer()), Column(f"{other}_id", types.integer(), null=True)],
        primary_key="id",
        constraints=[ForeignKey(f"{other}_id", other, "id")],
    )
    for name, other in (("one", "two"), ("two", "three"), ("three", "one"))
]

CASES = [
    StateCase("tables-in-a-ring-come", [table(A)], [table(A), *RING]),
    StateCase("tables-in-a-ring-go", [table(A), *RING], [table(A)]),
    # names in SQL follow
    StateCase(
        "a-renamed-column-is-renamed-in-checks",
        [table(A, B, constraints=[Check("a > 0 AND b < 9"), Check("b > 0")])],
        [table(A.with_(name="z"), B, constraints=[Check("z > 0 AND b < 9"), Check("b > 0")])],
        rows=["INSERT INTO t (a, b) VALUES (1, 2)"],
        renames=["t.a=z"],
    ),
    StateCase(
        "a-renamed-column-is-renamed-in-its-own-check-while-others-change",
        [table(A, B.with_(checks="b > 0"))],
        [table(A.with_(type=types.bigint()), B.with_(name="z", checks="z > 0"))],
        rows=["INSERT INTO t (a, b) VALUES (1, 2)"],
        renames=["t.b=z"],
    ),
    StateCase(
        "a-renamed-column-is-renamed-in-generated-columns",
        [_generated(stored=True).with_(indexes=[Index("gi", "g")])],
        [_generated(stored=True).with_(indexes=[Index("gi", "g")]).rename_columns({"a": "z"})],
        rows=ROWS,
        renames=["t.a=z"],
    ),
    StateCase(
        "a-renamed-column-is-renamed-in-indexes-over-expressions",
        [table(A, B, S, indexes=[Index("i", [Sql("abs(a)")])])],
        [table(A.with_(name="z"), B, S, indexes=[Index("i", [Sql("abs(z)")])])],
        rows=ROWS,
        renames=["t.a=z"],
        only=["sqlite", "mysql9"],
    ),
    StateCase(
        "a-renamed-column-takes-the-name-of-its-key-along",
        [table(A, B, constraints=[Unique(["a", "b"])])],
        [table(A.with_(name="z"), B, constraints=[Unique(["z", "b"])])],
        renames=["t.a=z"],
    ),
    # values
    StateCase(
        "values-made-by-sql",
        [PLAIN],
        operations=[
            AlterColumn("t", S, Column("s", types.integer()), using="length(s)", backfill=7, reverse_using="s")
        ],
        rows=ROWS,
        lossy=True,
    ),
    StateCase(
        "a-backfill-of-the-new-type",
        [PLAIN],
        operations=[AlterColumn("t", S, Column("s", types.text()), backfill="it's \\ 100%")],
        rows=ROWS,
        lossy=True,
    ),
    StateCase(
        "new-columns-filled-with-values-of-every-kind",
        [PLAIN],
        operations=[
            AddColumn("t", Column("v", types.boolean()), backfill=True),
            AddColumn("t", Column("w", types.double()), backfill=1.5),
            AddColumn("t", Column("x", types.datetime()), backfill="2020-01-02 03:04:05"),
            AddColumn("t", Column("y", types.text()), backfill="it's 100%"),
            AddColumn("t", Column("z", types.integer()), backfill=Sql("a + b")),
            AddColumn("t", Column("c", types.integer(), default="1"), backfill=9),
            AddColumn("t", Column("d", types.integer(), null=True), backfill=9),
            AddColumn("t", Column("e", types.integer(), checks="e > 3"), backfill=7),
            AddColumn("t", Column("f", types.integer(), null=True, extra="UNIQUE")),
        ],
        rows=ROWS,
    ),
    # generated columns
    StateCase(
        "virtual-to-plain", [_generated(stored=False)], [table(A, B, S, B.with_(name="g", null=True))], rows=ROWS
    ),
    StateCase("virtual-to-stored", [_generated(stored=False)], [_generated(stored=True)], rows=ROWS),
    StateCase("virtual-of-another", [_generated(stored=False)], [_generated(stored=False, sql="a + 2")], rows=ROWS),
    # keys
    StateCase(
        "natural-key-to-numbered",
        [Table("t", [Column("code", types.varchar(10))], primary_key="code")],
        [table(Column("code", types.varchar(10)))],
        rows=["INSERT INTO t (code) VALUES ('a')", "INSERT INTO t (code) VALUES ('b')"],
    ),
    StateCase(
        "numbers-from-now-on",
        [Table("t", [Column("id", types.integer()), S], primary_key="id")],
        [table(S)],
        rows=["INSERT INTO t (id) VALUES (4)"],
    ),
    StateCase("numbers-no-more-and-no-key", [table(S)], [Table("t", [Column("id", types.integer()), S])]),
    StateCase(
        "index-that-a-foreign-key-needs",
        [USER, POST],
        operations=[DropIndex("post", POST.indexes[0])],
        rows=POSTED,
    ),
    StateCase(
        "referred-index-becomes-a-constraint",
        [USER, POST],
        [USER.with_(indexes=[], constraints=[Unique("code", name="uq_code")]), POST],
        rows=POSTED,
    ),
    StateCase(
        "both-ends-of-a-foreign-key-widened",
        [USER, POST],
        [
            USER.with_(columns=[ID, Column("code", types.varchar(90))]),
            POST.with_(columns=[ID, Column("u", types.varchar(90), null=True)]),
        ],
        rows=POSTED,
    ),
    StateCase(
        "foreign-key-column-not-null-any-more",
        [USER, POST],
        [USER, POST.with_(columns=[ID, Column("u", types.varchar(20))])],
        rows=POSTED,
    ),
    # what others lose
    StateCase(
        "mariadb-rename-column-loses-default-comment-charset",
        [table(RICH)],
        operations=[RenameColumn("t", "s", "z")],
        rows=["INSERT INTO t (s) VALUES ('x')"],
        only=MYSQL,
    ),
    StateCase(
        "mariadb-add-not-null-loses-default",
        [table(RICH.with_(null=True))],
        [table(RICH)],
        rows=["INSERT INTO t (s) VALUES ('x')"],
        only=MYSQL,
    ),
    StateCase(
        "mariadb-rename-column-duplicates-unique",
        [table(A.with_(extra="UNIQUE"))],
        [table(A.with_(name="z", type=types.bigint(), extra="UNIQUE"))],
        operations=[
            RenameColumn("t", "a", "z"),
            AlterColumn("t", A.with_(name="z", extra="UNIQUE"), Column("z", types.bigint(), extra="UNIQUE")),
        ],
        rows=["INSERT INTO t (a) VALUES (1)"],
    ),
    StateCase("mariadb-rename-column-fails-on-keys", [table(A)], operations=[RenameColumn("t", "id", "key")]),
    StateCase(
        "on-update-survives",
        [table(A, Column("d", types.datetime(), default="CURRENT_TIMESTAMP", extra="ON UPDATE CURRENT_TIMESTAMP"))],
        [
            table(
                A,
                Column(
                    "d",
                    types.datetime(),
                    null=True,
                    default="CURRENT_TIMESTAMP",
                    extra="ON UPDATE CURRENT_TIMESTAMP",
                ),
            )
        ],
        rows=["INSERT INTO t (a) VALUES (1)"],
        only=MYSQL,
    ),
    StateCase(
        "comments-of-table-and-columns",
        [PLAIN],
        [table(A, B, S.with_(comment="it's \\n", type=types.varchar(60)), comment="%s; 'x'")],
        rows=ROWS,
    ),
    StateCase(
        "character-set-of-a-table",
        [PLAIN.with_(options=Options(settings=["CHARSET=latin1"]))],
        [PLAIN.with_(options=Options(settings=["CHARSET=utf8mb4"]))],
        rows=ROWS,
        only=MYSQL,
    ),
    StateCase(
        "sqlite-rebuild-keeps-what-regular-expressions-lose",
        [
            table(
                Column("white", types.text(), default="'a  b,  (c)'"),
                Column("two words", types.integer(), default="(1 + (2))", checks="`two words`>(0)"),
                Column("g", types.integer(), null=True, generated=Generated("id * 2", stored=False)),
                A,
                name="a table",
                indexes=[Index("i", "a")],
            )
        ],
        [
            table(
                Column("white", types.text(), default="'a  b,  (c)'"),
                Column("two words", types.integer(), default="(1 + (2))", checks="`two words`>(0)"),
                Column("g", types.integer(), null=True, generated=Generated("id * 2", stored=False)),
                A.with_(type=types.varchar(9), default="'CHECK(x, y)'"),
                name="a table",
                indexes=[Index("i", "a")],
            )
        ],
        rows=['INSERT INTO "a table" (a) VALUES (1)'],
        only=["sqlite"],
    ),
    StateCase(
        "sqlite-rebuild-keeps-without-rowid-and-strict",
        [
            Table(
                "t",
                [Column("k", types.text()), Column("v", types.integer())],
                primary_key="k",
                options=Options(without_rowid=True, strict=True),
            )
        ],
        [
            Table(
                "t",
                [Column("k", types.text()), Column("v", types.text(), null=True)],
                primary_key="k",
                options=Options(without_rowid=True, strict=True),
            )
        ],
        rows=["INSERT INTO t VALUES ('a', 1)"],
        only=["sqlite"],
    ),
    StateCase(
        "names-with-every-quote",
        [table(Column('c"o`l d', types.integer(), null=True), name='we"ird `t')],
        [
            table(
                Column('c"o`l d', types.bigint(), default="1"),
                Column("x' y", types.text(), null=True),
                name='we"ird `t',
            )
        ],
    ),
]
PAIRS = [(engine, case) for engine in ENGINES for case in CASES if engine in case.only]


@pytest.mark.parametrize(("engine", "case"), PAIRS, ids=[f"{engine}-{case.id}" for engine, case in PAIRS])
def test_forward_and_back_and_forward(engine, case, benches):
    """The database equals one made afresh at each end, and the rows are there."""
    bench, old = benches[engine], Schema(case.before)
    operations = case.operations or diff(old, Schema(case.after), hints=Hints.parse(case.renames)).operations
    new = apply_all(operations, old)
    _make(bench, new)
    fresh_new = bench.catalogue()
    _make(bench, old)
    fresh_old = bench.catalogue()
    for sql in case.rows:
        bench.query(sql)
    first = bench.contents(old)
    bench.run(operations, old)
    assert differences(fresh_new, bench.catalogue()) == []
    kept = {len(values) for values in bench.contents(new).values()}
    assert kept <= {len(values) for values in first.values()}
    bench.run(reverse(operations), new)
    assert differences(fresh_old, bench.catalogue()) == []
    assert case.lossy or bench.contents(old) == first
    bench.run(operations, old)
    assert differences(fresh_new, bench.catalogue()) == []


def _make(bench: Bench, schema: Schema) -> None:
    bench.clear()
    bench.run(diff(Schema(), schema).operations, Schema())


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if family(engine) == "mysql"])
def test_defaults_comments_and_character_sets_are_told_from_their_loss(engine, benches):
    """The comparison above is a real one: a column that lost them is not equal."""
    bench = benches[engine]
    _make(bench, Schema([table(RICH)]))
    whole = bench.catalogue()
    bench.query("ALTER TABLE t MODIFY s VARCHAR(40) NOT NULL")
    told = " ".join(differences(whole, bench.catalogue()))
    assert "default" in told
    assert "comment" in told
    assert "collation" in told
