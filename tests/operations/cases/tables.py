"""Tables that come and go, alone, linked and in rings; and how they are kept."""

from tests.operations.cases.making import POSTGRES
from tests.operations.harness import Case

BASE = "class Base(M):\n    name = CharField()\n"
POST = (
    "class Author(M):\n    name = CharField(unique=True)\n"
    "class Post(M):\n    author = ForeignKeyField(Author, on_delete='CASCADE')\n    title = CharField()\n"
)

CASES = (
    Case("tables-with-a-key-between-them-come", BASE, BASE + POST, {"base": [{"id": 1, "name": "b"}]}),
    Case("tables-with-a-key-between-them-go", BASE + POST, BASE, {"base": [{"id": 1, "name": "b"}]}),
    Case(
        "table-that-others-refer-to-goes",
        POST,
        "class Post(M):\n    author_id = IntegerField()\n    title = CharField()\n",
        {"author": [{"id": 1, "name": "a"}]},  # a post without its author would not go back
    ),
    Case(
        "many-to-many-comes",
        "class Student(M):\n    name = CharField()\nclass Course(M):\n    name = CharField()\n",
        "class Student(M):\n    name = CharField()\n"
        "class Course(M):\n    name = CharField()\n    students = ManyToManyField(Student, backref='courses')\n",
        {"student": [{"id": 1, "name": "s"}], "course": [{"id": 1, "name": "c"}]},
    ),
    Case(
        "table-without-a-key",
        BASE,
        BASE + "class Log(M):\n    line = TextField()\n    class Meta:\n        primary_key = False\n",
    ),
    Case(
        "deferred-foreign-key-makes-no-constraint",
        BASE,
        BASE
        + "class User(M):\n    favourite = DeferredForeignKey('Tweet', null=True)\n"
        + "class Tweet(M):\n    user = ForeignKeyField(User, backref='tweets')\n",
    ),
    Case(
        "storage-parameters",
        "class Thing(M):\n    a = IntegerField()\n"
        "    class Meta:\n        table_settings = 'WITH (fillfactor=70)'\n",
        "class Thing(M):\n    a = IntegerField()\n"
        "    class Meta:\n        table_settings = 'WITH (autovacuum_enabled=false)'\n",
        {"thing": [{"id": 1, "a": 1}]},
        only=POSTGRES,
    ),
    Case(
        "mixin-and-abstract-base",
        BASE,
        BASE
        + "class AbstractStamped(M):\n    made = DateTimeField(constraints=[SQL('DEFAULT CURRENT_TIMESTAMP')])\n"
        + "class Note(AbstractStamped):\n    text = TextField()\n",
    ),
)
