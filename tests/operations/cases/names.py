"""Tables and columns under other names, with everything that is named after them."""

from tests.operations.cases.making import POSTGRES, field
from tests.operations.harness import Case

SELF = "parent = ForeignKeyField('self', null=True)"
CHECKED = f"{SELF}\n    a = IntegerField(constraints=[Check('a > 0')])"
LONG = "a_table_with_quite_a_long_name_that_goes_on_and_on_and_on_for_"


def _named(table: str, *, model: str = "Thing", fields: str = "a = IntegerField(unique=True)") -> str:
    return f"class {model}(M):\n    {fields}\n    class Meta:\n        table_name = '{table}'\n"


def _full(table: str, column: str) -> str:
    return (
        "class Parent(M):\n    name = CharField()\n"
        f"class Thing(M):\n    parent = ForeignKeyField(Parent, column_name='{column}')\n"
        "    size = IntegerField(constraints=[SQL('UNIQUE'), Check('size > 0')])\n"
        f"    class Meta:\n        table_name = '{table}'\n        constraints = [Check('size < 100')]\n"
    )


CASES = (
    Case("table-renamed", _named("one"), _named("two"), {"one": [{"id": 1, "a": 1}]}, renames=("one=two",)),
    Case(
        "table-renamed-with-all-that-is-named-after-it",
        _full("thing", "parent_id"),
        _full("item", "parent_id"),
        {"parent": [{"id": 1, "name": "p"}], "thing": [{"id": 1, "parent_id": 1, "size": 1}]},
        renames=("thing=item",),
    ),
    Case(
        "foreign-key-column-renamed-with-all-that-is-named-after-it",
        _full("thing", "parent_id"),
        _full("thing", "mother_id"),
        {"parent": [{"id": 1, "name": "p"}], "thing": [{"id": 1, "parent_id": 1, "size": 1}]},
        renames=("Thing.parent_id=mother_id",),
    ),
    Case(
        "table-renamed-in-case-only",
        _named("Thing"),
        _named("thing"),
        {"Thing": [{"id": 1, "a": 1}]},
        only=("sqlite", "postgres"),
    ),
    Case(
        "tables-swapped",
        _named("one", model="One") + _named("two", model="Two", fields="b = CharField()"),
        _named("two", model="One") + _named("one", model="Two", fields="b = CharField()"),
        {"one": [{"id": 1, "a": 1}], "two": [{"id": 1, "b": "x"}]},
        renames=("one=two", "two=one"),
    ),
    Case(
        "parent-renamed-under-its-children",
        "class Parent(M):\n    name = CharField()\n    class Meta:\n        table_name = 'one'\n"
        "class Child(M):\n    parent = ForeignKeyField(Parent)\n",
        "class Parent(M):\n    name = CharField()\n    class Meta:\n        table_name = 'two'\n"
        "class Child(M):\n    parent = ForeignKeyField(Parent)\n",
        {"one": [{"id": 1, "name": "p"}], "child": [{"id": 1, "parent_id": 1}]},
        renames=("one=two",),
    ),
    Case(
        "table-renamed-and-a-column-added",
        _named("one"),
        _named("two", fields="a = IntegerField(unique=True)\n    b = CharField(default='x')"),
        {"one": [{"id": 1, "a": 1}]},
        renames=("one=two",),
    ),
    Case(
        "table-and-column-renamed",
        _named("one"),
        _named("two", fields="b = IntegerField(unique=True)"),
        {"one": [{"id": 1, "a": 1}]},
        renames=("one=two", "Thing.a=b"),
    ),
    Case(
        "table-of-63-bytes-renamed",
        _named(
            f"{LONG}1",
            fields=CHECKED,
        ),
        _named(
            f"{LONG}2",
            fields=CHECKED,
        ),
        {f"{LONG}1": [{"id": 1, "a": 1}]},
        renames=(f"{LONG}1={LONG}2",),
        refused={"mysql": "64 characters"},
    ),
    Case(
        "table-of-multibyte-letters-renamed",
        _named("é" * 31, fields=SELF),
        _named("ü" * 31, fields=SELF),
        {"é" * 31: [{"id": 1}]},
        renames=(f"{'é' * 31}={'ü' * 31}",),
    ),
    *(
        Case(
            f"table-named-{word}",
            f"class Thing(M):\n    a = IntegerField()\n    class Meta:\n        table_name = '{word}'\n",
            f"class Thing(M):\n    a = BigIntegerField(index=True)\n    b = CharField(default='x')\n"
            f"    class Meta:\n        table_name = '{word}'\n",
            {word: [{"id": 1, "a": 1}]},
        )
        for word in ("user", "role", "trigger", "order", "table", "two words")
    ),
    field("attribute-renamed-column-stays", "CharField(column_name='value')", "CharField()", "x"),
    Case(
        "table-moves-to-another-schema",
        "class Thing(M):\n    a = IntegerField(unique=True)\n    class Meta:\n        schema = 'one'\n",
        "class Thing(M):\n    a = IntegerField(unique=True)\n    class Meta:\n        schema = 'two'\n",
        {"one.thing": [{"id": 1, "a": 1}]},
        renames=("one.thing=two.thing",),
        only=POSTGRES,
    ),
    Case(
        "table-moves-out-of-the-default-schema",
        "class Thing(M):\n    a = IntegerField(unique=True)\n",
        "class Thing(M):\n    a = IntegerField(unique=True)\n    class Meta:\n        schema = 'two'\n",
        {"thing": [{"id": 1, "a": 1}]},
        renames=("thing=two.thing",),
        only=POSTGRES,
    ),
    Case(
        "table-moves-and-is-renamed",
        "class Thing(M):\n    a = IntegerField(unique=True)\n",
        "class Thing(M):\n    a = IntegerField(unique=True)\n"
        "    class Meta:\n        schema = 'two'\n        table_name = 'x'\n",
        {"thing": [{"id": 1, "a": 1}]},
        renames=("thing=two.x",),
        only=POSTGRES,
    ),
    Case(
        "one-table-in-two-schemas",
        "class Thing(M):\n    a = IntegerField()\n    class Meta:\n        schema = 'one'\n"
        "class Other(M):\n    a = IntegerField()\n"
        "    class Meta:\n        schema = 'two'\n        table_name = 'thing'\n",
        "class Thing(M):\n    a = CharField()\n    class Meta:\n        schema = 'one'\n"
        "class Other(M):\n    a = IntegerField()\n    b = CharField(default='x')\n"
        "    class Meta:\n        schema = 'two'\n        table_name = 'thing'\n",
        {"one.thing": [{"id": 1, "a": 1}], "two.thing": [{"id": 1, "a": 1}]},
        only=POSTGRES,
    ),
)
