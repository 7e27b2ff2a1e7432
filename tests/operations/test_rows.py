"""The known defects of Piccolo 1.38 and Peewee 4.5, and the hard cases, each by name on a database with rows."""

import pytest

from tests.operations import test_states as states
from tests.operations.cases import CASES
from tests.operations.cases.making import field, thing
from tests.operations.harness import Bench, Case, put_through
from tests.servers import family

CHILD = "class Parent(M):\n    name = CharField()\nclass Thing(M):\n    name = CharField()\n"

OWN = (
    Case(
        "rename-beside-the-same-column-of-another-table",
        "class One(M):\n    a = IntegerField()\nclass Two(M):\n    a = IntegerField(null=True)\n",
        "class One(M):\n    b = IntegerField()\nclass Two(M):\n    b = IntegerField(null=True)\n",
        {"one": [{"id": 1, "a": 1}], "two": [{"id": 1, "a": 2}]},
        renames=("One.a=b",),
        values={"one.b": [1], "two.b": [None]},
    ),
    Case(
        "column-goes-with-its-index-and-its-key",
        CHILD + "    a = IntegerField(index=True, null=True)\n    b = IntegerField(unique=True, null=True)\n"
        "    c = ForeignKeyField(Parent, null=True)\n",
        CHILD,
        {"parent": [{"id": 1, "name": "p"}], "thing": [{"id": 1, "name": "t", "a": 1, "b": 1, "c_id": 1}]},
    ),
    field("check-without-a-space", "IntegerField()", "BigIntegerField(constraints=[SQL('CHECK(value>0)')])", 1),
    Case(
        "implicit-table-of-many-to-many-changes-with-its-key",
        "class A(M):\n    id = AutoField()\nclass B(M):\n    many = ManyToManyField(A)\n",
        "class A(M):\n    id = BigAutoField()\nclass B(M):\n    many = ManyToManyField(A)\n",
        {"a": [{"id": 1}], "b": [{"id": 1}], "b_a_through": [{"a_id": 1, "b_id": 1}]},
    ),
    field("lambda-default", "IntegerField(null=True)", "IntegerField(default=lambda: 1, null=True)", 1, None),
    Case(
        "class-of-ones-own-deleted-later",
        "class Money(DecimalField):\n    def __eq__(self, other): raise TypeError\n"
        "    __hash__ = DecimalField.__hash__\n" + thing("Money(12, 2)"),
        thing("DecimalField(14, 2)"),
        {"thing": [{"id": 1, "name": "n", "value": "1.25"}]},
    ),
)
KNOWN = {case.id.replace(" ", "-"): case for case in (*CASES, *OWN)}
STATES = {case.id: case for case in states.CASES}

PICCOLO = {
    "a rename on one table hides changes of others": "rename-beside-the-same-column-of-another-table",
    "table rename with column rename becomes drop and add": "table-and-column-renamed",
    "column rename with type change loses the type": "column-renamed-and-altered",
    "change of a constraint of the same name is not seen": "named-check-changes-under-its-name",
    "another target of a foreign key changes nothing": "foreign-key-to-another-table foreign-key-to-another-column",
    "another primary key changes nothing": "key-moves-to-another-column key-becomes-composite",
    "two linked tables cannot be dropped": "tables-with-a-key-between-them-go table-that-others-refer-to-goes",
    "foreign keys in a ring are an error": "tables-in-a-ring-come tables-in-a-ring-go",
    "table rename with a new column cannot be reversed": "table-renamed-and-a-column-added",
    "null to not null fails on rows": "null-to-not-null-with-backfill null-to-not-null-with-sql-backfill",
}
PEEWEE = {
    "rebuild loses WITHOUT ROWID": "sqlite-rebuild-keeps-without-rowid-and-strict",
    "rebuild is regular expressions": "sqlite-rebuild-keeps-what-regular-expressions-lose",
    "rebuild collapses blanks and fails on commas and parens": "default-with-commas-and-parens",
    "rebuild fails on CHECK( without a space": "check-without-a-space",
    "rebuild fails on names with spaces": "awkward-names table-named-two-words",
    "rebuild fails on generated columns": "generated-column-comes what-a-generated-column-is-made-of-changes-type",
    "rebuild cascades to children": "child-of-a-cascade-survives-a-change-of-its-parent",
    "alter_column_type drops default and check": "type-changes-under-a-default field-check-changes-with-the-type",
    "drop_column fails for indexed, unique and key columns": "column-goes-with-its-index-and-its-key",
    "no add or drop of constraints": "check-comes-and-goes named-check unique-constraint foreign-key-goes",
    "rename_column loses default, comment and charset": "mariadb-rename-column-loses-default-comment-charset",
    "rename_column duplicates a unique key": "mariadb-rename-column-duplicates-unique",
    "rename_column fails on primary keys": "mariadb-rename-column-fails-on-keys",
    "add_not_null loses the default": "mariadb-add-not-null-loses-default",
    "no cast": "integer-to-varchar varchar-to-integer",
    "add_column_default fails": "varchar-default-comes-and-goes",
    "a default that ends in a paren or a quote is taken as SQL": "default-with-commas-and-parens",
    "a cast fails while a default exists": "type-changes-under-a-default null-type-and-default-at-once",
    "AutoField as a target": "serial-to-bigserial natural-key-to-numbered",
    "rename leaves the names of indexes, keys and sequences": "table-renamed-with-all-that-is-named-after-it",
    "index names use the class name": "class-renamed-renames-its-indexes",
    "names are cut at 64, and at 63": "index-name-of-64-characters table-of-63-bytes-renamed",
    "unnamed keys and checks get names by the database": "one-of-two-checks-goes on-delete-comes",
    "DeferredForeignKey makes no constraint": "deferred-foreign-key-makes-no-constraint",
    "default= is Python's only": "not-null-column-comes-with-python-default",
}
HARD = {
    "not null on populated columns": "not-null-column-comes-with-backfill null-to-not-null-with-python-default",
    "primary key type with referring keys": "key-auto-to-bigauto-with-what-refers-to-it "
    "key-integer-to-varchar-with-what-refers-to-it",
    "foreign key to another target": "foreign-key-to-another-table",
    "circular foreign keys": "tables-in-a-ring-come",
    "self-reference": "self-reference-comes columns-swapped-under-their-keys-and-checks",
    "composite key of foreign keys": "composite-key-of-foreign-keys-comes",
    "unique index and unique constraint": "unique-index-becomes-constraint",
    "long names": "index-names-that-differ-in-their-64th-character table-of-multibyte-letters-renamed",
    "case-only renames": "column-renamed-in-case-only table-renamed-in-case-only",
    "swaps": "columns-swapped columns-in-a-ring tables-swapped index-names-swap",
    "one table in two schemas": "one-table-in-two-schemas",
    "implicit tables of many-to-many": "many-to-many-comes implicit-table-of-many-to-many-changes-with-its-key",
    "mixins and abstract models": "mixin-and-abstract-base",
    "field classes deleted later, which raise on ==": "class-of-ones-own-deleted-later",
    "lambda defaults": "lambda-default",
    "index and unique on one field": "index-and-unique-on-one-field",
    "quoted default on an integer": "quoted-default-on-an-integer",
    "raw CREATE INDEX": "raw-index",
    "two indexes on one column": "two-indexes-on-one-column",
    "reserved words": "table-named-user table-named-role table-named-trigger table-named-order",
    "JSON that an engine stores as text": "JSONField-column-comes JSONField-table-comes",
}


def _is_for(case: str, engine: str) -> bool:
    if case in STATES:
        return engine in STATES[case].only
    known = KNOWN[case]
    return family(engine) in known.only and not {engine, family(engine)} & {*known.refused}


ROWS = [
    (f"{whose}: {row}", case, engine)
    for whose, rows in (("Piccolo", PICCOLO), ("Peewee", PEEWEE), ("hard", HARD))
    for row, cases in rows.items()
    for case in cases.split()
    for engine in ("sqlite", "postgres15", "mariadb10")
    if _is_for(case, engine)
]


@pytest.mark.parametrize(("row", "case", "engine"), ROWS, ids=[f"{row}-{engine}" for row, _, engine in ROWS])
def test_row(row: str, case: str, engine: str, benches: dict[str, Bench]):
    """Forward, back and forward again; the rows are kept, and nothing is left to do."""
    if case in KNOWN:
        put_through(KNOWN[case], benches[engine])
    else:
        states.test_forward_and_back_and_forward(engine, STATES[case], benches)


def test_every_row_has_a_case():
    """None went away with a case's name."""
    wanted = {case for rows in (PICCOLO, PEEWEE, HARD) for cases in rows.values() for case in cases.split()}
    assert wanted <= {case for _, case, _ in ROWS}
