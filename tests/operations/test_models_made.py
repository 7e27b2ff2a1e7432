"""What the models' state makes of an empty database, against what Peewee's own create_tables makes."""

from collections.abc import Iterator

import pytest

from smalls.differ import diff
from smalls.reflect import differences
from smalls.render import render
from smalls.schema import Schema
from tests.conftest import obtain
from tests.databases import fresh_database
from tests.operations.harness import Bench, Case
from tests.servers import family

ALL = ("sqlite", "postgres", "mysql")

FIELDS = """
class Kinds(M):
    a = IntegerField(); b = BigIntegerField(); c = SmallIntegerField(); d = FloatField(); e = DoubleField()
    f = DecimalField(); g = DecimalField(max_digits=8, decimal_places=2); h = CharField()
    i = CharField(max_length=9); j = FixedCharField(max_length=3); k = TextField()
    l = BlobField(); m = UUIDField(); n = BinaryUUIDField()
    o = DateTimeField(); p = DateField(); q = TimeField(); r = TimestampField(resolution=6, utc=True); s = IPField()
    t = BooleanField(default=True); u = BitField(); v = BigBitField(); w = JSONField(null=True)
"""
CONSTRAINTS = """
class Held(M):
    name = CharField(default="x", constraints=[SQL("DEFAULT 'a, (b'"), Check("name <> 'it''s'")])
    much = IntegerField(constraints=[SQL("DEFAULT 7 CHECK (much > 0)")])
    quoted = IntegerField(constraints=[SQL("DEFAULT '3'")])
    once = CharField(constraints=[SQL("UNIQUE")], index=True, unique=True)
    other = IntegerField(null=True)
    class Meta:
        constraints = [Check("other < 100", "other_low"), SQL("UNIQUE (much, quoted)"), Check("much <> quoted")]
"""
NAMED = """
class Held(M):
    much = IntegerField(constraints=[Check("much > 1", name="much_high"), SQL("CONSTRAINT one UNIQUE")])
"""
KEYS = """
class User(M):
    name = CharField(unique=True)
    boss = ForeignKeyField("self", null=True, on_delete="SET NULL", backref="team")
class Role(M):
    code = CharField(max_length=5, primary_key=True)
class Big(M):
    id = BigAutoField()
class Order(M):
    user = ForeignKeyField(User, on_delete="CASCADE", on_update="RESTRICT")
    role = ForeignKeyField(Role, column_name="role_code", constraint_name="order_role")
    named = ForeignKeyField(User, field="name", backref="+", null=True)
    big = ForeignKeyField(Big, null=True, index=False)
class Line(M):
    order = ForeignKeyField(Order)
    number = IntegerField()
    class Meta:
        primary_key = CompositeKey("order", "number")
class Trigger(M):
    line = IntegerField()
    class Meta:
        primary_key = False
"""
M2M = """
class Student(M):
    name = CharField()
class Course(M):
    students = ManyToManyField(Student, backref="courses", on_delete="CASCADE")
"""
DEFERRED = """
class Tweet(M):
    user = DeferredForeignKey("Person", null=True)
class Person(M):
    first = ForeignKeyField(Tweet, null=True)
"""
INDEXES = """
class Page(M):
    title = CharField()
    n = IntegerField(index=True)
    other = IntegerField()
    class Meta:
        legacy_table_names = False
        indexes = ((("title", "n"), True), (("n", "other"), False), SQL("CREATE INDEX page_raw ON page (other)"))
Page.add_index(Page.other.desc(), Page.n, name="page_other")
class VeryLongNameOfAClassThatGoesOnAndOnAndOnAndOn(M):
    another_very_long_name_of_a_column = IntegerField(index=True)
"""
PARTIAL = """
class Page(M):
    title = CharField()
    n = IntegerField()
Page.add_index(fn.lower(Page.title), name="page_lower", unique=True)
Page.add_index(Page.n, where=((Page.n > 3) & (Page.title != "it's 100%")), name="page_n_few")
"""
CUSTOM = """
class Loud(CharField):
    def __init__(self, secret, **kwargs):
        self.secret = secret
        super().__init__(max_length=12, **kwargs)
    def __eq__(self, other):
        raise RuntimeError("do not compare me")
    __hash__ = Field.__hash__
def made():
    class Local(IntegerField):
        field_type = "BIGINT"
    return Local
class Own(Field):
    field_type = "NUMERIC"
    def get_modifiers(self):
        return [6, 1]
class Base(M):
    created = DateTimeField(null=True)
class Thing(Base):
    loud = Loud("x", unique=True)
    local = made()(index=True)
    own = Own(null=True, default=lambda: 1)
class Small(ForeignKeyField):
    field_type = "SMALLINT"
class Tiny(M):
    id = SmallIntegerField(primary_key=True)
class Refers(M):
    tiny = Small(Tiny)
"""
PG = """
class Kinds(M):
    a = ArrayField(IntegerField); b = ArrayField(CharField, {"max_length": 20}, dimensions=2, index=False)
    c = BinaryJSONField(); d = Json(null=True); e = HStoreField(null=True); f = TSVectorField()
    g = DateTimeTZField(); h = IntervalField(); i = IdentityField(generate_always=True)
    j = CharField(collation='"C"'); k = IntegerField(constraints=[SQL("GENERATED ALWAYS AS (1 + 2) STORED")])
    l = CharField(index=True, index_type="HASH"); m = CharField(max_length=None)
class Elsewhere(M):
    n = IntegerField(sequence="elsewhere_seq", index=True)
    class Meta:
        schema = "other"
class Identity(M):
    id = IdentityField()
    parent = ForeignKeyField("self", null=True, deferrable="INITIALLY DEFERRED")
Elsewhere.add_index(Elsewhere.n.desc(nulls="last"), name="elsewhere_last")
"""
LITE = """
from playhouse.sqlite_ext import *
class Plain(M):
    bare = BareField(null=True); any = AnyField(null=True); nothing = Field(null=True)
    text = CharField(collation="NOCASE"); made = IntegerField(constraints=[SQL("AS (1 + 2)")])
class Auto(M):
    id = AutoIncrementField()
class Document(M):
    slug = CharField(primary_key=True); n = IntegerField()
    class Meta:
        without_rowid = True
        strict_tables = False
class Strict(M):
    slug = TextField()
    class Meta:
        strict_tables = True
class Decimals(M):
    d = TDecimalField(max_digits=10, decimal_places=2); iso = ISODateTimeField(null=True)
"""
MY = """
class Kinds(M):
    a = IntegerField(constraints=[SQL("COMMENT 'it''s'")]); b = MySQLJSONField(null=True)
    c = DateTimeField(constraints=[SQL("DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP")])
    d = CharField(collation="utf8mb4_bin", max_length=20)
    class Meta:
        table_settings = ["ENGINE=InnoDB", "DEFAULT CHARSET=utf8mb4"]
"""

SOURCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "fields": (FIELDS, ALL),
    "constraints": (CONSTRAINTS, ALL),
    "named": (NAMED, ("sqlite", "postgres")),  # MariaDB has no names there
    "keys": (KEYS, ALL),
    "many-to-many": (M2M, ALL),
    "deferred": (DEFERRED, ALL),
    "indexes": (INDEXES, ALL),
    "partial": (PARTIAL, ("sqlite", "postgres")),
    "custom": (CUSTOM, ALL),
    "postgres-ext": (PG, ("postgres",)),
    "sqlite-ext": (LITE, ("sqlite",)),
    "mysql-ext": (MY, ("mysql",)),
}
SETUP = {"postgres": ("CREATE EXTENSION IF NOT EXISTS hstore",)}


@pytest.fixture(scope="module", params=["sqlite", "postgres15", "mariadb10"])
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Keep one connected database an engine."""
    making = fresh_database(request.param, tmp_path_factory.mktemp("models"), "models")
    made = Bench(obtain(request.param, making.__enter__))
    yield made
    made.close()
    making.__exit__(None, None, None)


@pytest.mark.parametrize("name", SOURCES)
def test_the_state_of_models_makes_what_create_tables_makes(bench: Bench, name: str):
    """The catalogue is the same, whatever the fields and options."""
    source, families = SOURCES[name]
    if family(bench.engine) not in families:
        return
    case = Case(name, source, source, setup=SETUP)
    state, fresh = bench.make(case, source)
    bench.clear()
    for sql in SETUP.get(bench.family, ()):
        bench.query(sql)
    for schema in {key.schema for key in state.tables} - {""}:
        bench.query(f'CREATE SCHEMA "{schema}"')
    bench.run(diff(Schema(), state).operations, Schema())
    assert differences(fresh, bench.catalogue()) == []


@pytest.mark.parametrize("name", SOURCES)
def test_the_state_of_models_survives_json_and_a_migration_file(bench: Bench, name: str):
    """Nothing that Python alone knows is lost either."""
    source, families = SOURCES[name]
    if bench.family not in families:
        return
    state, _ = bench.make(Case(name, source, source, setup=SETUP), source)
    assert Schema.from_dict(state.to_dict()).to_dict() == state.to_dict()
    space: dict[str, object] = {}
    exec(render(diff(Schema(), state).operations), space)  # noqa: S102 -- as a migration file is loaded
    assert space["migrate"]().apply(Schema()).to_dict() == state.to_dict()
