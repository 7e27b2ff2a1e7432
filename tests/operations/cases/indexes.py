"""Indexes: plain, unique, partial, over expressions, of a method, under other names."""

from tests.operations.cases.making import NO_PARTIAL, POSTGRES, field
from tests.operations.harness import Case

HEAD = "class Thing(M):\n    a = CharField()\n    b = IntegerField()\n"
ROWS = {"thing": [{"id": 1, "a": "x", "b": 1}, {"id": 2, "a": "y", "b": 2}]}


def _meta(indexes: str) -> str:
    return f"{HEAD}    class Meta:\n        indexes = [{indexes}]\n"


def _added(text: str) -> str:
    return f"{HEAD}{text}\n"


CASES = (
    Case("index-over-two-columns", HEAD, _meta("(('a', 'b'), False)"), ROWS),
    Case("unique-index-over-two-columns", HEAD, _meta("(('a', 'b'), True)"), ROWS),
    Case("index-becomes-unique", _meta("(('a', 'b'), False)"), _meta("(('a', 'b'), True)"), ROWS),
    Case("index-columns-change-order", _meta("(('a', 'b'), False)"), _meta("(('b', 'a'), False)"), ROWS),
    Case(
        "two-indexes-on-one-column",
        HEAD,
        _added("Thing.add_index(Thing.a, name='one')\nThing.add_index(Thing.a, name='two')"),
        ROWS,
    ),
    Case(
        "index-gets-another-name",
        _added("Thing.add_index(Thing.a, name='one')"),
        _added("Thing.add_index(Thing.a, name='two')"),
        ROWS,
    ),
    Case(
        "index-names-swap",
        _added("Thing.add_index(Thing.a, name='one')\nThing.add_index(Thing.b, name='two')"),
        _added("Thing.add_index(Thing.a, name='two')\nThing.add_index(Thing.b, name='one')"),
        ROWS,
    ),
    Case(
        "partial-index",
        HEAD,
        _added("Thing.add_index(Thing.a, where=(Thing.b > 1), name='part')"),
        ROWS,
        refused=NO_PARTIAL,
    ),
    Case(
        "partial-index-changes",
        _added("Thing.add_index(Thing.a, where=(Thing.b > 1), name='part')"),
        _added("Thing.add_index(Thing.a, where=(Thing.b > 2), name='part')"),
        ROWS,
        refused=NO_PARTIAL,
    ),
    Case(
        "expression-index",
        HEAD,
        _added("Thing.add_index(fn.LOWER(Thing.a), name='lowered')"),
        ROWS,
        only=("sqlite", "postgres"),
    ),
    Case(
        "expression-index-on-mysql",
        HEAD,
        _added("Thing.add_index(EnclosedNodeList([fn.IF(Thing.b == True, Thing.a, 'x')]), name='lowered')"),
        ROWS,
        only=("mysql9",),
    ),
    Case(
        "partial-index-over-booleans",
        "class Thing(M):\n    a = CharField()\n    b = BooleanField()\n",
        "class Thing(M):\n    a = CharField()\n    b = BooleanField()\n"
        "Thing.add_index(Thing.a, where=(Thing.b == True), name='yes')\n"
        "Thing.add_index(Thing.a, where=SQL('b = FALSE'), name='no')\n"
        "Thing.add_index(Thing.a, where=SQL('b IS NOT TRUE'), name='not_yes')\n",
        {"thing": [{"id": 1, "a": "x", "b": True}]},
        only=("sqlite", "postgres"),
    ),
    Case("descending-index", HEAD, _added("Thing.add_index(Thing.b.desc(), name='down')"), ROWS),
    Case(
        "raw-index",
        HEAD,
        _meta('SQL("CREATE INDEX raw_index ON thing (a, b)")'),
        ROWS,
    ),
    Case("hash-index", HEAD, _added("Thing.add_index(Thing.a, using='HASH', name='hashed')"), ROWS, only=POSTGRES),
    Case(
        "nulls-not-distinct",
        HEAD,
        _added("Thing.add_index(Thing.a, unique=True, nulls_distinct=False, name='nulls')"),
        ROWS,
        only=POSTGRES,
    ),
    field("index-and-unique-on-one-field", "CharField()", "CharField(index=True, unique=True)", "x", "y"),
    Case(
        "index-name-of-64-characters",
        f"class {'T' * 40}(M):\n    a = CharField()\n    class Meta:\n        table_name = 'thing'\n",
        f"class {'T' * 40}(M):\n    {'c' * 40} = CharField(column_name='a', index=True)\n"
        f"    {'d' * 40} = CharField(null=True, index=True)\n    class Meta:\n        table_name = 'thing'\n",
        {"thing": [{"id": 1, "a": "x"}]},
    ),
    Case(
        "index-names-that-differ-in-their-64th-character",
        _added(f"Thing.add_index(Thing.a, name='{'i' * 63}1')"),
        _added(f"Thing.add_index(Thing.a, name='{'i' * 63}2')"),
        ROWS,
    ),
    Case(
        "gin-index-on-json-comes",
        "class Thing(M):\n    value = BinaryJSONField(index=False)\n",
        "class Thing(M):\n    value = BinaryJSONField()\n",
        {"thing": [{"id": 1, "value": "{}"}]},
        only=POSTGRES,
    ),
    Case(
        "gin-index-goes-with-the-type",
        "class Thing(M):\n    value = BinaryJSONField()\n",
        "class Thing(M):\n    value = TextField()\n",
        {"thing": [{"id": 1, "value": "{}"}]},
        only=POSTGRES,
    ),
    field(
        "type-changes-under-a-partial-index",
        "IntegerField()",
        "BigIntegerField()",
        1,
        only=("sqlite", "postgres"),
    ),
    Case(
        "class-renamed-renames-its-indexes",
        "class Thing(M):\n    a = CharField(index=True)\n    class Meta:\n        table_name = 'things'\n",
        "class Item(M):\n    a = CharField(index=True)\n    class Meta:\n        table_name = 'things'\n",
        {"things": [{"id": 1, "a": "x"}]},
    ),
)
