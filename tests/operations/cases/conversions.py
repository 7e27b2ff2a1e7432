"""Types into types, on tables with rows: every conversion that Piccolo's tests have, and those around them."""

from tests.operations.cases.making import POSTGRES, field
from tests.operations.harness import Case

FIELDS = {
    "smallint": "SmallIntegerField({})",
    "integer": "IntegerField({})",
    "bigint": "BigIntegerField({})",
    "real": "FloatField({})",
    "double": "DoubleField({})",
    "decimal": "DecimalField(10, 2, {})",
    "wide-decimal": "DecimalField(14, 4, {})",
    "varchar": "CharField({})",
    "short-varchar": "CharField(max_length=50, {})",
    "char": "FixedCharField(max_length=20, {})",
    "text": "TextField({})",
    "boolean": "BooleanField({})",
    "date": "DateField({})",
    "datetime": "DateTimeField({})",
}
# values that both types can hold exactly
VALUES = {
    "numbers": ("1", "0", "30000"),
    "flags": ("1", "0"),
    "days": ("2020-01-02", "1999-12-31"),
    "words": ("it's", "a  b", ""),
}
PAIRS = {
    "numbers": [
        ("smallint", "integer"),
        ("smallint", "bigint"),
        ("integer", "bigint"),
        ("bigint", "smallint"),
        ("bigint", "integer"),
        ("integer", "real"),
        ("integer", "double"),
        ("integer", "decimal"),
        ("bigint", "decimal"),
        ("real", "double"),
        ("real", "decimal"),
        ("double", "decimal"),
        ("decimal", "wide-decimal"),
        ("integer", "varchar"),
        ("integer", "text"),
        ("bigint", "varchar"),
        ("smallint", "text"),
    ],
    "words": [
        ("varchar", "text"),
        ("short-varchar", "varchar"),
        ("short-varchar", "text"),
        ("char", "varchar"),
        ("char", "text"),
    ],
    "flags": [("boolean", "integer"), ("boolean", "smallint"), ("boolean", "bigint")],
    "days": [("date", "varchar"), ("date", "text")],
}


def _both_ways():
    for kind, pairs in PAIRS.items():
        for old, new in pairs:
            for null in ("", "null=True"):
                values = [*VALUES[kind], *([None] if null else [])]
                suffix = "-null" if null else ""
                before, after = FIELDS[old].format(null), FIELDS[new].format(null)
                yield field(f"{old}-to-{new}{suffix}", before, after, *values)
                if not null and (new, old) not in pairs:
                    yield field(f"{new}-to-{old}", after, before, *values)


def _indexed():
    for old, new in (("integer", "bigint"), ("varchar", "text"), ("integer", "varchar")):
        if new == "text":  # MySQL takes no TEXT in a key
            continue
        before, after = FIELDS[old].format("index=True"), FIELDS[new].format("index=True")
        yield field(f"indexed-{old}-to-{new}", before, after, "1", "2")
        yield field(
            f"unique-{old}-to-{new}", before.replace("index", "unique"), after.replace("index", "unique"), "1", "2"
        )


CASES = (
    *_both_ways(),
    *_indexed(),
    field(
        "date-to-datetime",
        "DateField()",
        "DateTimeField()",
        "2020-01-02",
        values={"thing.value": ["2020-01-02 00:00:00"]},
        only=("postgres", "mysql"),
    ),
    field("real-json-to-jsonb", "Json()", "BinaryJSONField(index=False)", '{"a": 1}', only=POSTGRES),
    field("jsonb-to-real-json", "BinaryJSONField(index=False)", "Json()", '{"a": 1}', only=POSTGRES),
    field("jsonb-to-text", "BinaryJSONField(index=False)", "TextField()", '{"a": 1}', only=POSTGRES),
    field("text-to-jsonb", "TextField()", "BinaryJSONField(index=False)", '{"a": 1}', only=POSTGRES),
    field("datetime-to-timestamptz", "DateTimeField()", "DateTimeTZField()", "2020-01-02 03:04:05", only=POSTGRES),
    field(
        "timestamptz-to-datetime", "DateTimeTZField()", "DateTimeField()", "2020-01-02 03:04:05+00", only=POSTGRES
    ),
    field(
        "array-of-varchar-to-array-of-text",
        "ArrayField(CharField, index=False)",
        "ArrayField(TextField, index=False)",
        ["a", "b"],
        only=POSTGRES,
    ),
    field(
        "array-of-integer-to-array-of-bigint",
        "ArrayField(IntegerField, dimensions=2)",
        "ArrayField(BigIntegerField, dimensions=2)",
        [[1, 2], [3, 4]],
        only=POSTGRES,
    ),
    field("uuid-to-text", "UUIDField()", "TextField()", "8b5f4bd4-6f0e-4d3c-9e41-0b1f2c3d4e5f", only=POSTGRES),
    field("text-to-uuid", "TextField()", "UUIDField()", "8b5f4bd4-6f0e-4d3c-9e41-0b1f2c3d4e5f", only=POSTGRES),
    field(
        "uuid-to-binary-uuid",
        "UUIDField()",
        "BinaryUUIDField()",
        "8b5f4bd4-6f0e-4d3c-9e41-0b1f2c3d4e5f",
        only=POSTGRES,
    ),
    field("text-to-blob", "TextField()", "BlobField()", "words", only=POSTGRES),
    field("blob-to-text", "BlobField()", "TextField()", b"words", only=POSTGRES),
    field(
        "integer-to-boolean-under-default",
        "IntegerField(constraints=[SQL('DEFAULT 1')])",
        "BooleanField(constraints=[SQL('DEFAULT TRUE')])",
        1,
        0,
        only=POSTGRES,
    ),
    field(
        "integer-to-datetime-has-no-obvious-way",
        "BigIntegerField()",
        "DateTimeField()",
        only=POSTGRES,
        refused={"postgres": "bigint to datetime"},
    ),
    field(
        "integer-to-datetime-by-an-expression-of-ones-own",
        "BigIntegerField()",
        "DateTimeField()",
        0,
        only=POSTGRES,
        using={"thing.value": ("to_timestamp(value) AT TIME ZONE 'UTC'", "extract(epoch FROM value)::bigint")},
        values={"thing.value": ["1970-01-01 00:00:00"]},
    ),
    Case(
        "serial-to-bigserial",
        "class Thing(M):\n    id = AutoField()\n    name = CharField()\n",
        "class Thing(M):\n    id = BigAutoField()\n    name = CharField()\n",
        {"thing": [{"id": 1, "name": "a"}]},
    ),
    Case(
        "serial-to-integer",
        "class Thing(M):\n    id = AutoField()\n    name = CharField()\n",
        "class Thing(M):\n    id = IntegerField(primary_key=True)\n    name = CharField()\n",
        {"thing": [{"id": 1, "name": "a"}]},
    ),
    Case(
        "serial-to-identity",
        "class Thing(M):\n    id = AutoField()\n    name = CharField()\n",
        "class Thing(M):\n    id = IdentityField()\n    name = CharField()\n",
        {"thing": [{"id": 1, "name": "a"}]},
        only=POSTGRES,
    ),
    Case(
        "identity-by-default-to-always",
        "class Thing(M):\n    id = IdentityField()\n    name = CharField()\n",
        "class Thing(M):\n    id = IdentityField(generate_always=True)\n    name = CharField()\n",
        {"thing": [{"id": 1, "name": "a"}]},
        only=POSTGRES,
    ),
    Case(
        "integer-to-identity",
        "class Thing(M):\n    id = IntegerField(primary_key=True)\n    name = CharField()\n",
        "class Thing(M):\n    id = IdentityField()\n    name = CharField()\n",
        {"thing": [{"id": 7, "name": "a"}]},
        only=POSTGRES,
    ),
)
