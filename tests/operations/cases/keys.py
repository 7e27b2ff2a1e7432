"""Primary keys: other columns, other types, with what refers to them."""

from tests.operations.cases.making import POSTGRES
from tests.operations.harness import Case

PARENT = "class Parent(M):\n    id = {}\n    name = CharField()\n"
CHILD = "class Child(M):\n    parent = ForeignKeyField(Parent, null=True)\n"
FAMILY = {
    "parent": [{"id": 1, "name": "p"}, {"id": 2, "name": "q"}],
    "child": [{"id": 1, "parent_id": 1}, {"id": 2, "parent_id": None}],
}
LINK = (
    "class A(M):\n    name = CharField()\n"
    "class B(M):\n    name = CharField()\n"
    "class Link(M):\n    a = ForeignKeyField(A)\n    b = ForeignKeyField(B)\n"
)
LINKED = {"a": [{"id": 1, "name": "a"}], "b": [{"id": 1, "name": "b"}], "link": [{"a_id": 1, "b_id": 1}]}


def _key(old: str, new: str) -> tuple[str, str]:
    return PARENT.format(old) + CHILD, PARENT.format(new) + CHILD


def _types():
    auto, big = "AutoField()", "BigAutoField()"
    whole, wide = "IntegerField(primary_key=True)", "BigIntegerField(primary_key=True)"
    text = "CharField(primary_key=True)"
    for id_, old, new in (
        ("auto-to-bigauto", auto, big),
        ("bigauto-to-auto", big, auto),
        ("integer-to-bigint", whole, wide),
        ("integer-to-varchar", whole, text),
        ("varchar-to-integer", text, whole),
        ("auto-to-varchar", auto, text),
    ):
        yield Case(f"key-{id_}-with-what-refers-to-it", *_key(old, new), FAMILY)


CASES = (
    *_types(),
    Case(
        "key-becomes-composite",
        "class Thing(M):\n    a = IntegerField(primary_key=True)\n    b = IntegerField()\n",
        "class Thing(M):\n    a = IntegerField()\n    b = IntegerField()\n"
        "    class Meta:\n        primary_key = CompositeKey('a', 'b')\n",
        {"thing": [{"a": 1, "b": 2}]},
    ),
    Case(
        "composite-key-changes-order",
        "class Thing(M):\n    a = IntegerField()\n    b = IntegerField()\n"
        "    class Meta:\n        primary_key = CompositeKey('a', 'b')\n",
        "class Thing(M):\n    a = IntegerField()\n    b = IntegerField()\n"
        "    class Meta:\n        primary_key = CompositeKey('b', 'a')\n",
        {"thing": [{"a": 1, "b": 2}]},
    ),
    Case(
        "composite-key-goes",
        "class Thing(M):\n    a = IntegerField()\n    b = IntegerField()\n"
        "    class Meta:\n        primary_key = CompositeKey('a', 'b')\n",
        "class Thing(M):\n    a = IntegerField()\n    b = IntegerField(null=True)\n"
        "    class Meta:\n        primary_key = False\n",
        {"thing": [{"a": 1, "b": 2}]},
    ),
    Case(
        "key-moves-to-another-column",
        "class Thing(M):\n    a = IntegerField(primary_key=True)\n    b = IntegerField()\n",
        "class Thing(M):\n    a = IntegerField(null=True)\n    b = IntegerField(primary_key=True)\n",
        {"thing": [{"a": 1, "b": 2}]},
    ),
    Case(
        "composite-key-of-foreign-keys-comes",
        LINK + "    class Meta:\n        primary_key = False\n",
        LINK + "    class Meta:\n        primary_key = CompositeKey('a', 'b')\n",
        LINKED,
    ),
    Case(
        "type-changes-within-a-composite-key",
        "class Thing(M):\n    a = IntegerField()\n    b = IntegerField()\n"
        "    class Meta:\n        primary_key = CompositeKey('a', 'b')\n",
        "class Thing(M):\n    a = BigIntegerField()\n    b = IntegerField()\n"
        "    class Meta:\n        primary_key = CompositeKey('a', 'b')\n",
        {"thing": [{"a": 1, "b": 2}]},
    ),
    Case(
        "numbered-key-goes-with-its-column",
        "class Thing(M):\n    a = IntegerField()\n",
        "class Thing(M):\n    a = IntegerField()\n    class Meta:\n        primary_key = False\n",
        {"thing": [{"id": 1, "a": 1}]},
    ),
    Case(
        "unique-index-goes-from-a-table-without-a-key",
        "class Thing(M):\n    a = IntegerField(unique=True)\n    b = IntegerField()\n"
        "    class Meta:\n        primary_key = False\n",
        "class Thing(M):\n    a = IntegerField()\n    b = IntegerField(unique=True)\n"
        "    class Meta:\n        primary_key = False\n",
        {"thing": [{"a": 1, "b": 2}]},
    ),
    Case(
        "unique-constraint-goes-from-a-table-without-a-key",
        "class Thing(M):\n    a = IntegerField(constraints=[SQL('UNIQUE')])\n"
        "    class Meta:\n        primary_key = False\n",
        "class Thing(M):\n    a = IntegerField()\n    class Meta:\n        primary_key = False\n",
        {"thing": [{"a": 1}]},
    ),
    Case(
        "named-unique-constraint-goes-from-a-table-without-a-key",
        "class Thing(M):\n    a = IntegerField()\n    class Meta:\n        primary_key = False\n"
        "        constraints = [SQL('CONSTRAINT sole UNIQUE (a)')]\n",
        "class Thing(M):\n    a = IntegerField()\n    class Meta:\n        primary_key = False\n",
        {"thing": [{"a": 1}]},
    ),
    Case(
        "key-renamed",
        "class Parent(M):\n    id = AutoField()\n    name = CharField()\n" + CHILD,
        "class Parent(M):\n    number = AutoField()\n    name = CharField()\n" + CHILD,
        FAMILY,
        renames=("Parent.id=number",),
    ),
    Case(
        "sequence-of-ones-own",
        "class Thing(M):\n    id = IntegerField(primary_key=True)\n",
        "class Thing(M):\n    id = IntegerField(primary_key=True, sequence='things')\n",
        {"thing": [{"id": 1}]},
        only=POSTGRES,
    ),
)
