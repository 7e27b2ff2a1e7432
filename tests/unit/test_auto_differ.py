"""The differ, case by case: from, to, and the operations wanted."""

from __future__ import annotations

import pytest

from smalls.autoerrors import HintError
from smalls.differ import adopt, diff
from smalls.hints import Hints
from smalls.operations import apply_all, reverse
from smalls.render import render
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
    Unique,
    types,
)

ID = Column("id", types.auto())
TITLE = Column("title", types.varchar(200))


def table(name, *columns, key="id", **parts):
    return Table(name, [ID, *columns], primary_key=key, **parts)


def ref(column, target, **rest):
    return ForeignKey(column, target, "id", **rest)


def number(name, **rest):
    return Column(name, types.integer(), **rest)


POST = table("post", TITLE)
AUTHOR = table("author", Column("name", types.text()))
LINKED = table("post", number("author_id"), constraints=[ref("author_id", "author")])
RING = (
    table("a", number("b_id"), constraints=[ref("b_id", "b")]),
    table("b", number("a_id"), constraints=[ref("a_id", "a")]),
)
UUID_AUTHOR = Table("author", [Column("key", types.uuid()), Column("name", types.text())], primary_key="key")
UUID_LINKED = Table(
    "post",
    [ID, Column("author_id", types.uuid(), null=True)],
    primary_key="id",
    constraints=[ForeignKey("author_id", "author", "key")],
)

# name, from, to, renames, the operations in words
CASES = [
    ("a table comes", [], [POST], "", ["add table post"]),
    ("a table goes", [POST], [], "", ["drop table post"]),
    ("a column comes", [POST], [table("post", TITLE, number("n", null=True))], "", ["add column post.n"]),
    ("a column goes", [table("post", TITLE, number("n"))], [POST], "", ["drop column post.n"]),
    (
        "the target of a key comes first",
        [],
        [LINKED, AUTHOR],
        "",
        ["add table author", "add table post"],
    ),
    (
        "linked tables go, the referring one first",
        [LINKED, AUTHOR],
        [],
        "",
        ["drop table post", "drop table author"],
    ),
    (
        "a ring of keys comes by a deferred key",
        [],
        RING,
        "",
        ["add table a", "add table b", "add foreign key (b_id) to b on a"],
    ),
    (
        "a ring of keys goes by a dropped key",
        RING,
        [],
        "",
        ["drop foreign key (a_id) to a on b", "drop table a", "drop table b"],
    ),
    (
        "a table that refers to itself is made at once",
        [],
        [table("node", number("up_id", null=True), constraints=[ref("up_id", "node")])],
        "",
        ["add table node"],
    ),
    ("a table is renamed", [POST], [table("article", TITLE)], "post=article", ["rename table post to article"]),
    (
        "a table is renamed by its models' names",
        [POST.with_(python={"model": "Post"})],
        [table("article", TITLE, python={"model": "Article"})],
        "Post=Article",
        ["rename table post to article"],
    ),
    (
        "a table is renamed and gets a column",
        [POST],
        [table("article", TITLE, number("n", null=True))],
        "post=article",
        ["rename table post to article", "add column article.n"],
    ),
    (
        "a table and a column of it are renamed",
        [POST],
        [table("article", Column("name", types.varchar(200)))],
        "post=article post.title=name",
        ["rename table post to article", "rename column article.title to name"],
    ),
    (
        "the same column of another table is left alone",
        [table("p", number("a")), table("q", number("a"))],
        [table("p", number("b")), table("q", number("b", null=True))],
        "p.a=b",
        ["rename column p.a to b", "add column q.b", "drop column q.a"],
    ),
    (
        "a column is renamed and altered",
        [table("p", number("a"))],
        [table("p", Column("b", types.bigint()))],
        "p.a=b",
        ["rename column p.a to b", "alter column p.b"],
    ),
    (
        "columns are swapped",
        [table("p", number("a"), number("b"))],
        [table("p", number("b"), number("a"))],
        "p.a=b p.b=a",
        ["rename column p.a to a_aside_1", "rename column p.b to a", "rename column p.a_aside_1 to b"],
    ),
    (
        "tables are swapped",
        [table("a", TITLE), table("b", number("n"))],
        [table("b", TITLE), table("a", number("n"))],
        "a=b b=a",
        ["rename table a to a_aside_1", "rename table b to a", "rename table a_aside_1 to b"],
    ),
    (
        "three columns go round",
        [table("p", number("a"), number("b"), number("c"))],
        [table("p", number("a"), number("b"), number("c"))],
        "p.a=b p.b=c p.c=a",
        [
            "rename column p.a to a_aside_1",
            "rename column p.c to a",
            "rename column p.b to c",
            "rename column p.a_aside_1 to b",
        ],
    ),
    (
        "the case of a column's name changes, unasked",
        [table("p", number("Title"))],
        [table("p", number("title"))],
        "",
        ["rename column p.Title to Title_aside_1", "rename column p.Title_aside_1 to title"],
    ),
    (
        "the case of a table's name changes, unasked",
        [table("Post", TITLE)],
        [POST],
        "",
        ["rename table Post to Post_aside_1", "rename table Post_aside_1 to post"],
    ),
    (
        "a column takes the name of one that goes",
        [table("p", number("a"), Column("b", types.text()))],
        [table("p", number("b"))],
        "p.a=b",
        ["rename column p.b to b_aside_1", "rename column p.a to b", "drop column p.b_aside_1"],
    ),
    (
        "a table takes the name of one that goes",
        [table("a", TITLE), table("b", number("n"))],
        [table("b", TITLE)],
        "a=b",
        ["rename table b to b_aside_1", "rename table a to b", "drop table b_aside_1"],
    ),
    (
        "a key follows its renamed target, with nothing to do",
        [AUTHOR, LINKED],
        [
            table("writer", Column("name", types.text())),
            LINKED.map_foreign_keys(lambda fk: ref("author_id", "writer")),
        ],
        "author=writer",
        ["rename table author to writer"],
    ),
    (
        "a foreign key gets another target",
        [AUTHOR, table("user"), LINKED],
        [AUTHOR, table("user"), LINKED.map_foreign_keys(lambda fk: ref("author_id", "user"))],
        "",
        ["drop foreign key (author_id) to author on post", "add foreign key (author_id) to user on post"],
    ),
    (
        "a foreign key of the same name gets another action",
        [AUTHOR, LINKED.map_foreign_keys(lambda fk: ref("author_id", "author", name="fk"))],
        [AUTHOR, LINKED.map_foreign_keys(lambda fk: ref("author_id", "author", name="fk", on_delete="CASCADE"))],
        "",
        ["drop foreign key (author_id) to author on post", "add foreign key (author_id) to author on post"],
    ),
    (
        "a check of the same name changes",
        [POST.with_(constraints=[Check("id > 0", name="ck")])],
        [POST.with_(constraints=[Check("id > 1", name="ck")])],
        "",
        ["drop check ck on post", "add check ck on post"],
    ),
    (
        "a unique constraint becomes a unique index",
        [POST.with_(constraints=[Unique("title", name="post_title")])],
        [POST.with_(indexes=[Index("post_title", "title", unique=True)])],
        "",
        ["drop unique (title) on post", "add index post_title on post"],
    ),
    (
        "an index of the same name becomes unique",
        [POST.with_(indexes=[Index("ix", "title")])],
        [POST.with_(indexes=[Index("ix", "title", unique=True)])],
        "",
        ["drop index ix on post", "add index ix on post"],
    ),
    (
        "an index is renamed",
        [POST.with_(indexes=[Index("ix", "title")])],
        [POST.with_(indexes=[Index("iy", "title")])],
        "",
        ["rename index ix on post to iy"],
    ),
    (
        "index names follow a renamed table, before a new table takes them",
        [POST.with_(indexes=[Index("post_title", "title")])],
        [
            table("article", TITLE, indexes=[Index("article_title", "title")]),
            table("post", number("x"), TITLE, indexes=[Index("post_title", "title")]),
        ],
        "post=article",
        ["rename table post to article", "rename index post_title on article to article_title", "add table post"],
    ),
    (
        "indexes are swapped",
        [table("p", number("a"), number("b"), indexes=[Index("x", "a"), Index("y", "b")])],
        [table("p", number("a"), number("b"), indexes=[Index("y", "a"), Index("x", "b")])],
        "",
        [
            "rename index x on p to x_aside_1",
            "rename index y on p to x",
            "rename index x_aside_1 on p to y",
        ],
    ),
    (
        "an index over an expression is made again when its column gets another kind",
        [POST.with_(indexes=[Index("ix", Sql("lower(title)"))])],
        [table("post", Column("title", types.text()), indexes=[Index("ix", Sql("lower(title)"))])],
        "",
        ["drop index ix on post", "alter column post.title", "add index ix on post"],
    ),
    (
        "a key's type changes under a foreign key",
        [AUTHOR, LINKED],
        [
            Table("author", [Column("id", types.bigauto()), AUTHOR.column("name")], primary_key="id"),
            LINKED.swap("columns", number("author_id"), Column("author_id", types.bigint())),
        ],
        "",
        [
            "drop foreign key (author_id) to author on post",
            "alter column author.id",
            "alter column post.author_id",
            "add foreign key (author_id) to author on post",
        ],
    ),
    (
        "the primary key becomes another column, under a foreign key",
        [AUTHOR, LINKED],
        [UUID_AUTHOR, UUID_LINKED],
        "",
        [
            "drop foreign key (author_id) to author on post",
            "add column author.key",
            "change primary key of author to (key)",
            "alter column post.author_id",
            "drop column author.id",
            "add foreign key (author_id) to author on post",
        ],
    ),
    (
        "a composite key with a foreign key in it",
        [AUTHOR, table("tag", number("author_id"), constraints=[ref("author_id", "author")])],
        [
            AUTHOR,
            table("tag", number("author_id"), key=["id", "author_id"], constraints=[ref("author_id", "author")]),
        ],
        "",
        ["change primary key of tag to (id, author_id)"],
    ),
    (
        "a column leaves the key and may then be null",
        [table("p", number("a"), key=["id", "a"])],
        [table("p", number("a", null=True))],
        "",
        ["change primary key of p to (id)", "alter column p.a"],
    ),
    (
        "a column that the database numbers is so once it is the key",
        [Table("p", [number("id")])],
        [table("p")],
        "",
        ["change primary key of p to (id)", "alter column p.id"],
    ),
    (
        "a table moves to a schema",
        [POST],
        [POST.with_(schema="blog")],
        "post=blog.post",
        ["move table post to blog"],
    ),
    (
        "a table moves to a schema under a new name",
        [POST],
        [table("article", TITLE, schema="blog")],
        "post=blog.article",
        [
            "rename table post to post_aside_1",
            "move table post_aside_1 to blog",
            "rename table blog.post_aside_1 to article",
        ],
    ),
    (
        "the same table in two schemas",
        [POST, POST.with_(schema="s")],
        [POST, table("post", Column("title", types.text()), schema="s")],
        "",
        ["alter column s.post.title"],
    ),
    (
        "a generated column comes after what it is made of, and goes before",
        [table("p", Column("g", types.integer(), null=True, generated=Generated("a + 1")), number("a", null=True))],
        [table("p", Column("h", types.integer(), null=True, generated=Generated("b + 1")), number("b", null=True))],
        "",
        ["add column p.b", "add column p.h", "drop column p.g", "drop column p.a"],
    ),
    (
        "a generated column is made again when what it is made of gets another type, with its index",
        [
            table(
                "p",
                number("a", null=True),
                Column("g", types.integer(), null=True, generated=Generated("a + 1")),
                indexes=[Index("ix", "g")],
                constraints=[Unique("g")],
            )
        ],
        [
            table(
                "p",
                Column("a", types.bigint(), null=True),
                Column("g", types.integer(), null=True, generated=Generated("a + 1")),
                indexes=[Index("iy", "g")],
                constraints=[Unique("g")],
            )
        ],
        "",
        [
            "drop unique (g) on p",
            "drop index ix on p",
            "drop column p.g",
            "alter column p.a",
            "add column p.g",
            "add index iy on p",
            "add unique (g) on p",
        ],
    ),
    (
        "a generated column goes before what it is made of is renamed",
        [table("p", number("a"), Column("g", types.integer(), null=True, generated=Generated("a + 1")))],
        [table("p", number("b"))],
        "p.a=b",
        ["drop column p.g", "rename column p.a to b"],
    ),
    (
        "a generated column follows the rename of what it is made of, with its index",
        [
            table(
                "p",
                number("a"),
                Column("g", types.integer(), null=True, generated=Generated("a + 1")),
                indexes=[Index("ix", "g")],
            )
        ],
        [
            table(
                "p",
                number("b"),
                Column("g", types.integer(), null=True, generated=Generated("b + 1")),
                indexes=[Index("ix", "g")],
            )
        ],
        "p.a=b",
        ["rename column p.a to b"],
    ),
    (
        "a generated column gets another expression",
        [table("p", number("a"), Column("g", types.integer(), null=True, generated=Generated("a + 1")))],
        [table("p", number("b"), Column("g", types.integer(), null=True, generated=Generated("b + 2")))],
        "p.a=b",
        ["drop column p.g", "rename column p.a to b", "add column p.g"],
    ),
    (
        "comments and options",
        [POST],
        [POST.with_(comment="c", options=Options(strict=True))],
        "",
        ["change options of table post", "change comment on table post"],
    ),
    (
        "a dropped table gives up an index name that is wanted",
        [table("p", TITLE, indexes=[Index("ix", "title")])],
        [table("q", number("n"), number("m"), indexes=[Index("ix", "n")])],
        "",
        ["drop index ix on p", "add table q", "drop table p"],
    ),
    (
        "a table goes that refers to a key that changes",
        [AUTHOR, LINKED],
        [UUID_AUTHOR],
        "",
        [
            "drop foreign key (author_id) to author on post",
            "add column author.key",
            "change primary key of author to (key)",
            "drop column author.id",
            "drop table post",
        ],
    ),
    (
        "a new table refers to a key that changes",
        [AUTHOR],
        [UUID_AUTHOR, UUID_LINKED],
        "",
        [
            "add table post",
            "add column author.key",
            "change primary key of author to (key)",
            "drop column author.id",
            "add foreign key (author_id) to author on post",
        ],
    ),
    (
        "only Python sees a change of help texts, choices and the like",
        [table("p", number("a", python={"help_text": "x"}))],
        [table("p", number("a", python={"help_text": "y"}), python={"model": "P"})],
        "",
        [],
    ),
    (
        "the order of columns is nobody's promise",
        [table("p", number("a"), TITLE)],
        [table("p", TITLE, number("a"))],
        "",
        [],
    ),
    (
        "parameters compare by value, not by type",
        [table("p", Column("a", types.of("decimal", precision=10.0, scale=2)))],
        [table("p", Column("a", types.decimal(10, 2)))],
        "",
        [],
    ),
]


@pytest.mark.parametrize(("old", "new", "renames", "want"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_from_to_want(old, new, renames, want):
    """The operations are those wanted, in that order; they lead there and back."""
    before, after = Schema(old), Schema(new)
    operations = diff(before, after, hints=Hints.parse(renames.split())).operations
    assert [operation.describe() for operation in operations] == want
    assert apply_all(operations, before) == after
    assert apply_all(reverse(operations), after) == before
    assert diff(after, after).operations == ()


# every one of Piccolo's conversions, and toggles over the types
CONVERSIONS = [
    (types.varchar(255), types.text(), ""),
    (types.text(), types.varchar(255), "longer than 255"),
    (types.integer(), types.bigint(), ""),
    (types.bigint(), types.smallint(), "range"),
    (types.smallint(), types.bigint(), ""),
    (types.bigint(), types.integer(), "range"),
    (types.varchar(255), types.integer(), "convert"),
    (types.integer(), types.varchar(255), ""),
    (types.real(), types.double(), ""),
    (types.double(), types.real(), "hold"),
    (types.real(), types.decimal(), "hold"),
    (types.decimal(), types.real(), "hold"),
    (types.real(), types.integer(), "hold"),
    (types.integer(), types.real(), "hold"),
    (types.json(), types.jsonb(), ""),
    (types.jsonb(), types.json(), ""),
    (types.datetime(), types.timestamptz(), ""),
    (types.timestamptz(), types.datetime(), ""),
    (types.array(types.varchar(255)), types.array(types.text()), ""),
    (types.auto(), types.bigauto(), ""),
    (types.decimal(10, 2), types.decimal(12, 4), ""),
    (types.decimal(10, 2), types.decimal(10, 1), "after the point"),
    (types.decimal(10, 2), types.decimal(8, 2), "range"),
    (types.integer(), types.decimal(20, 0), ""),
    (types.integer(), types.integer(unsigned=True), "range"),
    (types.varchar(10), types.char(20), ""),
    (types.smallint(), types.double(), ""),
    (types.date(), types.datetime(), ""),
]


@pytest.mark.parametrize(("old", "new", "loss"), CONVERSIONS)
def test_a_conversion_is_one_alteration_that_says_what_it_may_lose(old, new, loss):
    """Each type to each; narrowing is marked, widening is not."""
    (operation,) = diff(Schema([table("p", Column("a", old))]), Schema([table("p", Column("a", new))])).operations
    assert operation.name == "alter_column"
    assert loss in operation.loss
    assert bool(loss) == bool(operation.loss)
    assert not operation.destructive


@pytest.mark.parametrize("type_", [types.integer(), types.text(), types.boolean(), types.uuid(), types.date()])
@pytest.mark.parametrize("change", [{"null": True}, {"default": "NULL"}, {"comment": "c"}, {"collation": "C"}])
def test_toggles(type_, change):
    """Null, default, comment and collation change by one alteration, there and back."""
    plain, changed = table("p", Column("a", type_)), table("p", Column("a", type_, **change))
    for old, new in ((plain, changed), (changed, plain)):
        operations = diff(Schema([old]), Schema([new])).operations
        assert [operation.name for operation in operations] == ["alter_column"]


# renames: asked, hinted, warned of


def test_an_unasked_rename_is_drop_and_add_with_a_warning_that_says_how():
    """Without a terminal nothing is guessed."""
    found = diff(Schema([table("post", number("titel"))]), Schema([table("post", number("title"))]), app="blog")
    assert [o.describe() for o in found.operations] == ["add column post.title", "drop column post.titel"]
    assert [w.code for w in found.warnings] == ["rename-not-asked", "backfill-missing"]
    assert found.warnings[0].hint == "--rename blog.post.titel=title"


def test_the_hint_of_a_warning_works():
    """What the warning says can be typed as it stands."""
    old = Schema([table("post", number("titel"), python={"model": "Post"})])
    new = Schema([table("article", number("title"), python={"model": "Article"})])
    renames: list[str] = []
    for _ in range(2):
        found = diff(old, new, app="blog", hints=Hints.parse(renames))
        renames += [w.hint.removeprefix("--rename ") for w in found.warnings if w.code == "rename-not-asked"]
    assert renames == ["blog.Post=Article", "blog.Article.titel=title"]
    found = diff(old, new, app="blog", hints=Hints.parse(renames))
    assert [o.name for o in found.operations] == ["rename_table", "rename_column"]
    assert found.warnings == ()


def test_asking_offers_the_likeliest_first_and_takes_no_for_an_answer():
    """The question has what a prompt needs; None is no, and no warning follows."""
    questions = []

    def no(question):
        questions.append(question)

    old = Schema([table("post", number("views"), Column("titel", types.varchar(200)))])
    new = Schema([table("post", Column("title", types.varchar(200), null=True))])
    found = diff(old, new, ask=no)
    assert [(q.kind, q.table, q.name, q.options) for q in questions] == [
        ("rename_column", "post", "title", ("titel",))
    ]
    assert found.warnings == ()
    assert [o.name for o in found.operations] == ["add_column", "drop_column", "drop_column"]


def test_yes_renames_even_when_the_type_changes_too():
    """A rename with a change of type is offered as well."""
    old = Schema([table("post", number("titel"))])
    new = Schema([table("post", Column("title", types.bigint()))])
    found = diff(old, new, ask=lambda q: q.options[0])
    assert [o.describe() for o in found.operations] == [
        "rename column post.titel to title",
        "alter column post.title",
    ]


def test_a_field_keeps_its_name_while_its_column_gets_another():
    """The field's name counts as much as the column's."""
    old = Schema([table("post", number("author_id", python={"attribute": "author"}))])
    new = Schema([table("post", number("written_by", python={"attribute": "author"}))])
    found = diff(old, new, hints=Hints.parse(["post.author=written_by"]))
    assert [o.name for o in found.operations] == ["rename_column"]
    assert diff(old, new, ask=lambda q: q.options[0]).operations == found.operations


def test_a_table_and_its_only_column_are_recognised_together():
    """No column has the same name, and the table is still offered."""
    old = Schema([table("person", Column("fullname", types.varchar(99)))])
    new = Schema([table("persons", Column("name", types.varchar(99)))])
    found = diff(old, new, ask=lambda q: q.options[0])
    assert [o.name for o in found.operations] == ["rename_table", "rename_column"]


@pytest.mark.parametrize("hint", ["post.nope=title", "nope=post", "other.post.titel=title"])
def test_a_hint_that_fits_nothing_is_an_error(hint):
    """A typo in a hint must not pass in silence."""
    old, new = Schema([table("post", number("titel"))]), Schema([table("post", number("title"))])
    with pytest.raises(HintError, match="nothing to rename"):
        diff(old, new, hints=Hints.parse([hint]), app="blog")


@pytest.mark.parametrize("hint", ["", "post", "post=", "=x", "post..a=b", "post.=x"])
def test_a_hint_that_is_none(hint):
    """The form is checked when hints are read."""
    with pytest.raises(HintError, match="not a hint"):
        Hints.parse([hint])


# backfills


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("0", 0),
        ("true", True),
        ('"7"', "7"),
        ("plain text", "plain text"),
        ("sql:now()", Sql("now()")),
        ("[1]", "[1]"),
    ],
)
def test_a_backfill_by_hint(text, want):
    """JSON scalars, SQL, or else text."""
    new = Schema([table("post", TITLE, Column("x", types.text(), python={"default": "d"}))])
    found = diff(Schema([POST]), new, hints=Hints.parse(backfills=[f"blog.post.x={text}"]), app="blog")
    assert found.operations[0].backfill == want
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("column", "want"),
    [
        (number("x", python={"default": 5}), 5),
        (number("x", default="7"), Sql("7")),
        (number("x", null=True), None),
        (Column("x", types.text(), python={"default": ""}), ""),
        (Column("x", types.auto()), None),
        (number("x", generated=Generated("1")), None),
        (number("x", identity="always"), None),
    ],
    ids=lambda c: getattr(c, "name", None),
)
def test_a_backfill_that_is_known_needs_no_question(column, want):
    """The field's literal default, or the database's; nothing where the database fills the column."""
    found = diff(Schema([POST]), Schema([table("post", TITLE, column)]))
    assert found.operations[0].backfill == want
    assert found.warnings == ()


def test_a_backfill_is_asked_for_where_values_must_differ():
    """A constant would fail on the second row."""
    unique = table(
        "post",
        TITLE,
        number("x", python={"default": 5}),
        indexes=[Index("ix", "x", unique=True)],
    )
    found = diff(Schema([POST]), Schema([unique]), ask=lambda q: Sql("id") if q.kind == "backfill" else None)
    assert found.operations[0].backfill == Sql("id")
    assert [w.code for w in diff(Schema([POST]), Schema([unique])).warnings] == ["backfill-missing"]


def test_null_to_not_null_takes_a_backfill_and_back():
    """Forward by the default; and a column that becomes nullable can become not null again."""
    loose, strict = table("p", number("a", null=True)), table("p", number("a", python={"default": 3}))
    (operation,) = diff(Schema([loose]), Schema([strict])).operations
    assert operation.backfill == 3
    assert operation.inverse().reverse_backfill == 3
    (operation,) = diff(Schema([strict]), Schema([loose])).operations
    assert operation.inverse().backfill == 3


def test_a_dropped_column_can_come_back_not_null():
    """Its Python default, or something empty, is in the file for the way back; never where keys forbid it."""
    (operation,) = diff(Schema([table("p", Column("a", types.text()))]), Schema([table("p")])).operations
    assert operation.inverse().backfill == ""
    linked = Schema([AUTHOR, LINKED])
    dropped = diff(linked, Schema([AUTHOR, table("post")])).operations[-1]
    assert dropped.name == "drop_column"
    assert dropped.reverse_backfill is None


def test_the_way_back_of_a_dropped_key_takes_a_value_or_is_told_to_fail():
    """Nothing can be made up that refers to a row: a hint gives it, or a warning and the file say so."""
    linked, gone = Schema([AUTHOR, LINKED]), Schema([AUTHOR, table("post")])
    found = diff(linked, gone)
    assert [(w.code, w.hint) for w in found.warnings] == [
        ("backfill-missing-back", "--backfill post.author_id=VALUE"),
    ]
    assert "# Rolling back will fail on a table with rows" in render(found.operations)
    hinted = diff(linked, gone, hints=Hints.parse([], ["post.author_id=1"]))
    assert hinted.warnings == ()
    assert hinted.operations[-1].inverse().backfill == 1
    assert "Rolling back will fail" not in render(hinted.operations)


def test_a_backfill_s_sql_has_the_names_of_then():
    """Renames come before it; the old name is told with the new one."""
    old = table("p", Column("titel", types.text()), Column("b", types.text()))
    new = table("p", Column("title", types.text()), Column("b", types.text()), Column("slug", types.text()))

    def backfill(sql: str, rename: str = "p.titel=title"):
        return diff(Schema([old]), Schema([new]), hints=Hints.parse([rename], [f"p.slug=sql:{sql}"]))

    assert backfill("lower(title)").operations[-1].backfill == Sql("lower(title)")
    with pytest.raises(HintError, match=r"names p\.titel") as told:
        backfill("lower(titel)")
    assert "write title for titel" in told.value.hint
    swapped = table("p", Column("b", types.integer()), Column("titel", types.integer()))
    target = table(
        "p", Column("titel", types.integer()), Column("b", types.integer()), Column("c", types.integer())
    )
    hints = Hints.parse(["p.b=titel", "p.titel=b"], ["p.c=sql:b + titel"])
    assert diff(Schema([swapped]), Schema([target]), hints=hints).operations[-1].backfill == Sql("b + titel")


# size


def test_a_chain_of_a_thousand_keys_does_not_recurse():
    """Made and dropped in order, with no key deferred."""
    chain = [table(f"t{0:04}")] + [
        table(f"t{n:04}", number("up_id"), constraints=[ref("up_id", f"t{n - 1:04}")]) for n in range(1, 1000)
    ]
    schema = Schema(reversed(chain))
    made = diff(Schema(), schema).operations
    assert [o.name for o in made] == ["add_table"] * 1000
    assert [o.name for o in diff(schema, Schema()).operations] == ["drop_table"] * 1000
    assert apply_all(reverse(made), schema) == Schema()


def test_a_ring_of_a_thousand_keys_defers_one():
    """Only one key has to wait for the last table."""
    ring = Schema(
        table(f"t{n:04}", number("up_id"), constraints=[ref("up_id", f"t{(n + 1) % 1000:04}")]) for n in range(1000)
    )
    names = [o.name for o in diff(Schema(), ring).operations]
    assert names == ["add_table"] * 1000 + ["add_constraint"]


def test_another_apps_table_may_be_referred_to():
    """A key to a table that this schema does not know is made with its table."""
    found = diff(Schema(), Schema([LINKED]))
    assert [o.describe() for o in found.operations] == ["add table post"]
    assert found.operations[0].table.foreign_keys[0].ref_table == TableKey("", "author")


# apps and adoption


def test_a_table_moves_from_one_app_to_another_without_sql():
    """One app gives, the other takes, and a change that comes with the move is made by the taker."""
    giver, taker = Schema([AUTHOR, LINKED]), Schema([POST.with_(name="page")])
    given = diff(giver, Schema([LINKED]), departures=[AUTHOR.key])
    assert [o.describe() for o in given.operations] == ["state only: drop table author"]
    changed = AUTHOR.swap("columns", None, number("n", null=True))
    wanted = taker.add(changed)
    taken = diff(taker, wanted, arrivals=[AUTHOR])
    assert [o.describe() for o in taken.operations] == [
        "state only: add table author",
        "add column author.n",
    ]
    assert apply_all(taken.operations, taker) == wanted
    assert apply_all(reverse(given.operations), apply_all(given.operations, giver)) == giver


def test_adopting_changes_the_state_alone():
    """A first migration for a database that has the tables already, rings included."""
    (operation,) = adopt(Schema(RING)).operations
    assert operation.name == "state_only"
    assert operation.apply(Schema()) == Schema(RING)


def test_piccolo_asks_about_tables_with_nothing_in_common():
    """A table that goes and one that comes are two tables, and nobody is asked."""
    asked = []
    old, new = table("old", Column("a", types.text())), Table("new", [Column("b", types.json(), null=True)])
    found = diff(Schema([old]), Schema([new]), ask=asked.append)
    assert sorted(operation.name for operation in found.operations) == ["add_table", "drop_table"]
    assert asked == []


def test_piccolo_compares_parameters_with_their_types():
    """1 and 1.0 are one default."""
    old, new = (table("p", number("a", python={"default": value})) for value in (1, 1.0))
    assert diff(Schema([old]), Schema([new])).operations == ()
