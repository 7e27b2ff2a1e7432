"""Checks, unique constraints and foreign keys."""

from tests.operations.cases.making import POSTGRES, field, thing
from tests.operations.harness import Case

HEAD = "class Thing(M):\n    a = IntegerField()\n    b = IntegerField()\n"
ROWS = {"thing": [{"id": 1, "a": 1, "b": 1}, {"id": 2, "a": 2, "b": 2}]}
PARENT = "class Parent(M):\n    name = CharField()\n"
OTHER = "class Other(M):\n    name = CharField()\n"
FAMILY = {
    "parent": [{"id": 1, "name": "p"}],
    "child": [{"id": 1, "parent_id": 1}],
}


def _meta(constraints: str) -> str:
    return f"{HEAD}    class Meta:\n        constraints = [{constraints}]\n"


def _child(options: str = "", parent: str = "Parent") -> str:
    return f"class Child(M):\n    parent = ForeignKeyField({parent}{', ' if options else ''}{options})\n"


def _plain_child(options: str = "") -> str:
    return f"class Child(M):\n    parent_id = IntegerField({options})\n"


def _fk(id_: str, before: str, after: str, **more) -> Case:
    return Case(id_, PARENT + _child(before), PARENT + _child(after), FAMILY, **more)


CASES = (
    Case("check-comes-and-goes", HEAD, _meta("Check('a > 0')"), ROWS),
    Case("check-over-two-columns", HEAD, _meta("Check('a <= b')"), ROWS),
    Case("named-check", HEAD, _meta("SQL('CONSTRAINT positive CHECK (a > 0)')"), ROWS),
    Case(
        "named-check-changes-under-its-name",
        _meta("SQL('CONSTRAINT positive CHECK (a > 0)')"),
        _meta("SQL('CONSTRAINT positive CHECK (a > -1)')"),
        ROWS,
    ),
    Case(
        "one-of-three-unnamed-checks-goes-and-another-changes",
        _meta("Check('a > 0'), Check('a < 100'), Check('a <> 50')"),
        _meta("Check('a <> 51'), Check('a < 100')"),
        ROWS,
    ),
    Case(
        "unnamed-checks-of-field-and-table-mix",
        "class Thing(M):\n    a = IntegerField(constraints=[Check('a > 0')])\n"
        "    class Meta:\n        constraints = [Check('a < 100')]\n",
        "class Thing(M):\n    a = IntegerField(constraints=[Check('a < 99')])\n"
        "    class Meta:\n        constraints = [Check('a > -1')]\n",
        {"thing": [{"id": 1, "a": 1}]},
    ),
    Case(
        "two-foreign-keys-on-one-column",
        PARENT + OTHER + _child(),
        PARENT
        + OTHER
        + "class Child(M):\n    parent = ForeignKeyField(Parent)\n    class Meta:\n"
        + "        depends_on = [Other]\n"
        + "        constraints = [SQL('FOREIGN KEY (parent_id) REFERENCES other (id)')]\n",
        {
            "parent": [{"id": 1, "name": "p"}],
            "other": [{"id": 1, "name": "o"}],
            "child": [{"id": 1, "parent_id": 1}],
        },
    ),
    Case("one-of-two-checks-goes", _meta("Check('a > 0'), Check('a < 100')"), _meta("Check('a < 100')"), ROWS),
    field("field-check-comes", "IntegerField()", "IntegerField(constraints=[Check('value > 0')])", 1),
    field(
        "field-check-changes-with-the-type",
        "IntegerField(constraints=[Check('value > 0')])",
        "CharField(constraints=[Check(\"value <> ''\")])",
        1,
    ),
    field(
        "field-check-with-percent", "CharField()", "CharField(constraints=[Check(\"value NOT LIKE '%%z%%'\")])", "x"
    ),
    Case("unique-constraint", HEAD, _meta("SQL('UNIQUE (a, b)')"), ROWS),
    Case("named-unique-constraint", HEAD, _meta("SQL('CONSTRAINT a_and_b UNIQUE (a, b)')"), ROWS),
    field("field-unique-constraint", "IntegerField()", "IntegerField(constraints=[SQL('UNIQUE')])", 1, 2),
    Case(
        "unique-column-comes",
        "class Thing(M):\n    name = CharField()\n",
        "class Thing(M):\n    name = CharField()\n"
        "    value = IntegerField(null=True, constraints=[SQL('UNIQUE')])\n",
        {"thing": [{"id": 1, "name": "x"}, {"id": 2, "name": "y"}]},
    ),
    Case(
        "deferrable-unique",
        HEAD,
        _meta("SQL('UNIQUE (a) DEFERRABLE INITIALLY DEFERRED')"),
        ROWS,
        only=POSTGRES,
    ),
    Case(
        "unique-index-becomes-constraint",
        f"{HEAD}    class Meta:\n        indexes = [(('a', 'b'), True)]\n",
        _meta("SQL('UNIQUE (a, b)')"),
        ROWS,
    ),
    Case("foreign-key-comes", PARENT + _plain_child("index=True"), PARENT + _child(), FAMILY),
    Case("foreign-key-goes", PARENT + _child(), PARENT + _plain_child(), FAMILY),
    _fk("on-delete-comes", "", "on_delete='CASCADE'"),
    _fk("on-delete-changes", "on_delete='CASCADE', null=True", "on_delete='SET NULL', null=True"),
    _fk("on-update-comes", "", "on_update='CASCADE'"),
    _fk("foreign-key-gets-a-name", "", "constraint_name='to_parent'"),
    _fk("foreign-key-changes-its-name", "constraint_name='to_parent'", "constraint_name='towards_parent'"),
    _fk("foreign-key-becomes-null", "", "null=True"),
    _fk("foreign-key-becomes-deferrable", "", "deferrable='INITIALLY DEFERRED'", only=("sqlite", "postgres")),
    _fk("foreign-key-becomes-unique", "", "unique=True"),
    _fk("foreign-key-loses-its-index", "", "index=False", only=("sqlite", "postgres")),
    Case(
        "foreign-key-to-another-table",
        PARENT + OTHER + _child(),
        PARENT + OTHER + _child(parent="Other"),
        {
            "parent": [{"id": 1, "name": "p"}],
            "other": [{"id": 1, "name": "o"}],
            "child": [{"id": 1, "parent_id": 1}],
        },
    ),
    Case(
        "foreign-key-to-another-column",
        "class Parent(M):\n    code = IntegerField(unique=True)\n" + _child(),
        "class Parent(M):\n    code = IntegerField(unique=True)\n" + _child("field='code'"),
        {"parent": [{"id": 1, "code": 1}], "child": [{"id": 1, "parent_id": 1}]},
    ),
    Case(
        "foreign-key-column-comes",
        PARENT + "class Child(M):\n    name = CharField()\n",
        PARENT + "class Child(M):\n    name = CharField()\n    parent = ForeignKeyField(Parent, null=True)\n",
        {"parent": [{"id": 1, "name": "p"}], "child": [{"id": 1, "name": "c"}]},
    ),
    Case(
        "not-null-foreign-key-column-comes",
        PARENT + "class Child(M):\n    name = CharField()\n",
        PARENT
        + "class Child(M):\n    name = CharField()\n    parent = ForeignKeyField(Parent, on_delete='CASCADE')\n",
        {"parent": [{"id": 1, "name": "p"}], "child": [{"id": 1, "name": "c"}]},
        backfills=("Child.parent=1",),
    ),
    Case(
        "not-null-foreign-key-column-goes",
        PARENT
        + "class Child(M):\n    name = CharField()\n    parent = ForeignKeyField(Parent, on_delete='CASCADE')\n",
        PARENT + "class Child(M):\n    name = CharField()\n",
        {"parent": [{"id": 1, "name": "p"}], "child": [{"id": 1, "name": "c", "parent_id": 1}]},
        backfills=("Child.parent=1",),
    ),
    Case(
        "self-reference-comes",
        "class Node(M):\n    name = CharField()\n",
        "class Node(M):\n    name = CharField()\n    parent = ForeignKeyField('self', null=True)\n",
        {"node": [{"id": 1, "name": "n"}]},
    ),
    Case(
        "child-of-a-cascade-survives-a-change-of-its-parent",
        "class Parent(M):\n    name = CharField()\n" + _child("on_delete='CASCADE'"),
        "class Parent(M):\n    name = TextField(null=True)\n    size = IntegerField(default=1)\n"
        + _child("on_delete='CASCADE'"),
        FAMILY,
    ),
    Case(
        "backfill-under-a-deferred-foreign-key",
        PARENT + _child("deferrable='INITIALLY DEFERRED', null=True"),
        PARENT + _child("deferrable='INITIALLY DEFERRED'"),
        {"parent": [{"id": 1, "name": "p"}], "child": [{"id": 1, "parent_id": 1}, {"id": 2, "parent_id": None}]},
        backfills=("Child.parent=1",),
        only=("sqlite", "postgres"),
        values={"child.parent_id": [1, 1]},
    ),
    Case(
        "default-and-check-together",
        thing("IntegerField()"),
        thing("IntegerField(constraints=[SQL('DEFAULT 5'), Check('value > 0')])"),
        {"thing": [{"id": 1, "name": "n", "value": 1}]},
    ),
)
