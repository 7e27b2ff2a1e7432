"""Columns that come, go, get other names, defaults and nullability."""

from dataclasses import replace

from tests.operations.cases.making import POSTGRES, field, names, rows, thing
from tests.operations.harness import Case

UUIDS = (
    "8b5f4bd4-6f0e-4d3c-9e41-0b1f2c3d4e5f",
    "00000000-0000-0000-0000-000000000001",
    "00000000-0000-0000-0000-000000000002",
)
KINDS = {
    "smallint": ("SmallIntegerField", "7", 1, 2),
    "integer": ("IntegerField", "42", 1, 2),
    "bigint": ("BigIntegerField", "5000000000", 1, 2**40),
    "boolean": ("BooleanField", "TRUE", True, False),
    "float": ("FloatField", "1.5", 0.5, 2.25),
    "double": ("DoubleField", "2.5", 0.5, 1e10),
    "decimal": ("DecimalField", "9.99", "1.25", "2.5"),
    "char": ("FixedCharField", "'abc'", "x", "y"),
    "varchar": ("CharField", "'it''s, (so)'", "x", "y"),
    "date": ("DateField", "'2020-01-02'", "2021-02-03", "1999-12-31"),
    "time": ("TimeField", "'10:11:12'", "01:02:03", "23:59:59"),
    "datetime": ("DateTimeField", "'2020-01-02 03:04:05'", "2021-02-03 04:05:06", "1999-12-31 23:59:59"),
}
ON_POSTGRES = {
    "text": ("TextField", "'a b'", "x", "y"),
    "blob": ("BlobField", "'\\x6162'", b"x", b"y"),
    "uuid": ("UUIDField", f"'{UUIDS[0]}'", *UUIDS[1:]),
    "timestamptz": ("DateTimeTZField", "now()", "2021-02-03 04:05:06+00", "1999-12-31 23:59:59+00"),
    "interval": ("IntervalField", "'1 day'", "1 hour", "2 hours"),
    "json": ("JSONField", "'{}'", '{"a": 1}', "[]"),
    "array": ("IntArray", "'{1,2}'", [1], [2, 3]),
}


def _toggles():
    yield from _toggled(KINDS, ("sqlite", "postgres", "mysql"))
    yield from _toggled(ON_POSTGRES, ("postgres",))


def _toggled(kinds, only):
    for case in (case for kind, (cls, *rest) in kinds.items() for case in _toggle(kind, cls, *rest)):
        yield replace(case, only=only)


def _toggle(kind, cls, default, one, two):
    with_default = f'{cls}(constraints=[SQL("DEFAULT {default}")])'
    yield field(f"{kind}-default-comes-and-goes", f"{cls}()", with_default, one, two)
    yield field(f"{kind}-not-null-to-null", f"{cls}()", f"{cls}(null=True)", one, two)
    yield field(f"{kind}-index-comes-and-goes", f"{cls}()", f"{cls}(index=True)", one, two)
    yield field(f"{kind}-unique-comes-and-goes", f"{cls}()", f"{cls}(unique=True)", one, two)
    yield Case(f"{kind}-column-with-default-comes", thing(""), thing(with_default), names())
    yield Case(f"{kind}-nullable-column-comes", thing(""), thing(f"{cls}(null=True)"), names())
    yield Case(f"{kind}-column-goes", thing(f"{cls}(null=True)"), thing(""), rows(one, None))


CASES = (
    *_toggles(),
    Case(
        "not-null-column-comes-with-python-default",
        thing(""),
        thing("IntegerField(default=3)"),
        names(),
        values={"thing.value": [3, 3]},
    ),
    Case(
        "not-null-column-comes-with-backfill",
        thing(""),
        thing("CharField()"),
        names(),
        backfills=("Thing.value=it's",),
        values={"thing.value": ["it's", "it's"]},
    ),
    Case(
        "not-null-column-comes-with-sql-backfill",
        thing(""),
        thing("CharField()"),
        names(),
        backfills=("Thing.value=sql:upper(name)",),
        values={"thing.value": ["N1", "N2"]},
    ),
    Case(
        "unique-not-null-column-comes-with-sql-backfill",
        thing(""),
        thing("CharField(unique=True)"),
        names(),
        backfills=("Thing.value=sql:upper(name)",),
        values={"thing.value": ["N1", "N2"]},
    ),
    Case(
        "boolean-default-for-an-integer-column",
        thing(""),
        thing("IntegerField(default=True)"),
        names(),
        values={"thing.value": [1, 1]},
    ),
    Case(
        "number-default-for-a-text-column",
        thing(""),
        thing("CharField(default=5)"),
        names(),
        values={"thing.value": [5, 5]},
    ),
    Case(
        "bytes-default-for-a-blob-column",
        thing(""),
        thing("BlobField(default=b'\\x00\\xff')"),
        names(),
        values={"thing.value": [b"\x00\xff", b"\x00\xff"]},
    ),
    Case(
        "not-null-bits-come",
        thing(""),
        thing("BigBitField()"),
        names(),
        values={"thing.value": [b"", b""]},
    ),
    field(
        "null-to-not-null-with-backfill",
        "IntegerField(null=True)",
        "IntegerField()",
        1,
        None,
        backfills=("Thing.value=9",),
        values={"thing.value": [1, 9]},
    ),
    field(
        "null-to-not-null-with-python-default",
        "CharField(null=True)",
        "CharField(default='x')",
        "a",
        None,
        values={"thing.value": ["a", "x"]},
    ),
    field(
        "null-to-not-null-with-database-default",
        "IntegerField(null=True)",
        "IntegerField(constraints=[SQL('DEFAULT 4')])",
        1,
        None,
        values={"thing.value": [1, 4]},
    ),
    field(
        "null-to-not-null-with-sql-backfill",
        "CharField(null=True)",
        "CharField()",
        "a",
        None,
        backfills=("Thing.value=sql:upper(name)",),
        values={"thing.value": ["a", "N2"]},
    ),
    field(
        "null-type-and-default-at-once",
        "IntegerField(null=True)",
        "CharField(constraints=[SQL(\"DEFAULT 'none'\")])",
        1,
        None,
        backfills=("Thing.value=0",),
        values={"thing.value": [1, "0"]},
    ),
    field(
        "default-changes",
        "IntegerField(constraints=[SQL('DEFAULT 1')])",
        "IntegerField(constraints=[SQL('DEFAULT 2')])",
        5,
    ),
    field(
        "type-changes-under-a-default",
        "IntegerField(constraints=[SQL('DEFAULT 1')])",
        "CharField(constraints=[SQL(\"DEFAULT 'a%%b'\")])",
        5,
        6,
    ),
    field(
        "default-with-commas-and-parens",
        "CharField()",
        "CharField(constraints=[SQL(\"DEFAULT 'a, (b)  c'\")])",
        "x",
    ),
    field(
        "quoted-default-on-an-integer",
        "IntegerField()",
        "IntegerField(constraints=[SQL(\"DEFAULT '7'\")])",
        1,
    ),
    Case(
        "column-renamed",
        "class Thing(M):\n    titel = CharField()\n",
        "class Thing(M):\n    title = CharField()\n",
        {"thing": [{"id": 1, "titel": "a"}]},
        renames=("Thing.titel=title",),
    ),
    Case(
        "column-renamed-and-altered",
        "class Thing(M):\n    titel = IntegerField(null=True, index=True)\n",
        "class Thing(M):\n    title = CharField(unique=True, constraints=[SQL(\"DEFAULT 'x'\")])\n",
        {"thing": [{"id": 1, "titel": 1}, {"id": 2, "titel": 2}]},
        renames=("Thing.titel=title",),
        backfills=("Thing.title=0",),
    ),
    Case(
        "column-renamed-under-its-checks-and-indexes",
        "class Thing(M):\n    titel = CharField(unique=True, constraints=[Check(\"titel <> ''\")])\n",
        "class Thing(M):\n    title = CharField(unique=True, constraints=[Check(\"title <> ''\")])\n",
        {"thing": [{"id": 1, "titel": "a"}]},
        renames=("Thing.titel=title",),
    ),
    Case(
        "columns-swapped-under-their-keys-and-checks",
        "class Thing(M):\n    a = IntegerField(unique=True, constraints=[Check('a > 0')])\n"
        "    b = IntegerField(null=True, index=True)\n    parent = ForeignKeyField('self', null=True)\n",
        "class Thing(M):\n    b = IntegerField(unique=True, constraints=[Check('b > 0')])\n"
        "    a = IntegerField(null=True, index=True)\n    parent = ForeignKeyField('self', null=True)\n",
        {"thing": [{"id": 1, "a": 1, "b": 5}]},
        renames=("Thing.a=b", "Thing.b=a"),
    ),
    Case(
        "columns-in-a-ring",
        "class Thing(M):\n    a = IntegerField()\n    b = CharField()\n    c = DateField()\n",
        "class Thing(M):\n    b = IntegerField()\n    c = CharField()\n    a = DateField()\n",
        {"thing": [{"id": 1, "a": 1, "b": "x", "c": "2020-01-02"}]},
        renames=("Thing.a=b", "Thing.b=c", "Thing.c=a"),
    ),
    Case(
        "columns-swapped",
        "class Thing(M):\n    a = CharField()\n    b = IntegerField(null=True)\n",
        "class Thing(M):\n    b = CharField()\n    a = IntegerField(null=True)\n",
        {"thing": [{"id": 1, "a": "x", "b": 1}, {"id": 2, "a": "y", "b": None}]},
        renames=("Thing.a=b", "Thing.b=a"),
    ),
    Case(
        "column-renamed-in-case-only",
        "class Thing(M):\n    Title = CharField(index=True)\n",
        "class Thing(M):\n    title = CharField(index=True)\n",
        {"thing": [{"id": 1, "Title": "x"}]},
    ),
    Case(
        "column-goes-and-another-takes-its-place",
        "class Thing(M):\n    a = CharField(null=True)\n    b = IntegerField()\n",
        "class Thing(M):\n    a = IntegerField()\n",
        {"thing": [{"id": 1, "a": "x", "b": 5}]},
        renames=("Thing.b=a",),
    ),
    Case(
        "awkward-names",
        "class Thing(M):\n    a = CharField(column_name='two words')\n    b = CharField(column_name='select')\n",
        "class Thing(M):\n    a = CharField(column_name='it\"s')\n    b = TextField(column_name='group')\n",
        {"thing": [{"id": 1, "two words": "x", "select": "y"}]},
        renames=('Thing.a=it"s', "Thing.b=group"),
    ),
    field(
        "generated-column-goes",
        "IntegerField(null=True, constraints=[SQL('GENERATED ALWAYS AS (1 + 1) STORED')])",
        "IntegerField(null=True)",
        only=("sqlite", "postgres"),
    ),
    Case(
        "generated-column-comes",
        "class Thing(M):\n    a = IntegerField()\n",
        "class Thing(M):\n    a = IntegerField()\n"
        "    b = IntegerField(null=True, constraints=[SQL('GENERATED ALWAYS AS (a * 2) STORED')])\n",
        {"thing": [{"id": 1, "a": 21}]},
        values={"thing.b": [42]},
    ),
    Case(
        "generated-column-changes-its-expression",
        "class Thing(M):\n    a = IntegerField()\n"
        "    b = IntegerField(null=True, index=True, constraints=[SQL('GENERATED ALWAYS AS (a * 2) STORED')])\n",
        "class Thing(M):\n    a = IntegerField()\n"
        "    b = IntegerField(null=True, index=True, constraints=[SQL('GENERATED ALWAYS AS (a * 3) STORED')])\n",
        {"thing": [{"id": 1, "a": 21}]},
        values={"thing.b": [63]},
    ),
    Case(
        "what-a-generated-column-is-made-of-changes-type",
        "class Thing(M):\n    a = IntegerField()\n"
        "    b = BigIntegerField(null=True, index=True, constraints=[SQL('GENERATED ALWAYS AS (a * 2) STORED')])\n",
        "class Thing(M):\n    a = BigIntegerField()\n"
        "    b = BigIntegerField(null=True, index=True, constraints=[SQL('GENERATED ALWAYS AS (a * 2) STORED')])\n",
        {"thing": [{"id": 1, "a": 21}]},
        values={"thing.b": [42]},
    ),
    field("collation-comes-and-goes", "CharField()", "CharField(collation='\"C\"')", "x", only=POSTGRES),
    field("sqlite-collation-comes-and-goes", "CharField()", "CharField(collation='NOCASE')", "x", only=("sqlite",)),
    field(
        "mysql-collation-comes-and-goes", "CharField()", "CharField(collation='utf8mb4_bin')", "x", only=("mysql",)
    ),
)
