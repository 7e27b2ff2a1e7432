"""Models as a schema: each field class and Meta option, without a database."""

from __future__ import annotations

import datetime as dt
import enum
import time
import uuid
from decimal import Decimal

import peewee as pw
import pytest
from playhouse import fields as more
from playhouse import mysql_ext, postgres_ext, sqlite_ext

from smalls.autoerrors import ModelError
from smalls.autogen.models import schema_of, table_of
from smalls.autogen.rendering import Words
from smalls.differ import diff
from smalls.manager import MigrationManager
from smalls.operations import apply_all
from smalls.schema import Check, Column, ForeignKey, Index, Options, Schema, Sql, Table, Type, Unique, types

LITE = pw.SqliteDatabase(None)
PG = pw.PostgresqlDatabase(None)
MY = pw.MySQLDatabase(None)


class Colour(enum.Enum):
    RED = "r"


class Word(enum.StrEnum):
    NEW = "new"


class Rank(enum.IntEnum):
    LOW = 1


class Unspoken:
    """An object whose text holds its address."""


def made(meta: dict[str, object] | None = None, name: str = "Thing", database: object = LITE, **fields: object):
    """Make a model class."""
    return type(name, (pw.Model,), {**fields, "Meta": type("Meta", (), {"database": database, **(meta or {})})})


def table(meta: dict[str, object] | None = None, database: object = LITE, **fields: object) -> Table:
    return next(iter(schema_of([made(meta, database=database, **fields)]).tables.values()))


def column(field: pw.Field, database: object = LITE) -> Column:
    return table(database=database, value=field).column("value")


@pytest.mark.parametrize(
    ("field", "type_"),
    [
        (pw.IntegerField(), types.integer()),
        (pw.BigIntegerField(), types.bigint()),
        (pw.SmallIntegerField(), types.smallint()),
        (pw.FloatField(), types.real()),
        (pw.DoubleField(), types.double()),
        (pw.DecimalField(max_digits=8, decimal_places=0), types.decimal(8, 0)),
        (pw.CharField(max_length=20), types.varchar(20)),
        (pw.CharField(max_length=None), Type("varchar")),
        (pw.FixedCharField(max_length=3), types.char(3)),
        (pw.TextField(), types.text()),
        (pw.BlobField(), types.blob()),
        (pw.BitField(), types.bigint()),
        (pw.BigBitField(), types.blob()),
        (pw.UUIDField(), types.uuid()),
        (pw.BinaryUUIDField(), types.binary_uuid()),
        (pw.DateTimeField(), types.datetime()),
        (pw.DateField(), types.date()),
        (pw.TimeField(), types.time()),
        (pw.TimestampField(), types.bigint()),
        (pw.IPField(), types.bigint()),
        (pw.BooleanField(), types.boolean()),
        (pw.JSONField(), types.json()),
        (pw.BareField(), types.raw("")),
        (pw.AnyField(), types.raw("ANY")),
        (pw.Field(), types.raw("")),
        (more.CompressedField(), types.blob()),
        (more.PickleField(), types.blob()),
        (more.EnumField(Colour, max_length=4), types.varchar(4)),
        (sqlite_ext.TDecimalField(), types.text()),
        (sqlite_ext.ISODateTimeField(), types.datetime()),
        (sqlite_ext.JSONField(), types.text()),
        (sqlite_ext.JSONBField(), types.jsonb()),
        (mysql_ext.MySQLJSONField(), types.json()),
        (postgres_ext.ArrayField(pw.CharField, {"max_length": 9}, dimensions=2), types.array(types.varchar(9), 2)),
        (postgres_ext.ArrayField(pw.AutoField), types.array(types.auto())),
        (postgres_ext.BinaryJSONField(), types.jsonb()),
        (postgres_ext.JSONField(), types.raw("JSON")),
        (postgres_ext.HStoreField(), types.hstore()),
        (postgres_ext.TSVectorField(), types.tsvector()),
        (postgres_ext.DateTimeTZField(), types.timestamptz()),
        (postgres_ext.IntervalField(), types.interval()),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, pw.Field) else "",
)
def test_a_field_class_is_a_kind_of_type(field: pw.Field, type_: Type):
    """By what it means for a database."""
    assert column(field).type == type_


def test_keys_that_the_database_numbers():
    """With a sequence, an identity, or SQLite's AUTOINCREMENT."""
    assert table(id=pw.BigAutoField()).column("id") == Column("id", types.bigauto())
    assert table(id=pw.IdentityField(generate_always=True)).column("id") == Column(
        "id", types.integer(), identity="always"
    )
    assert table(id=sqlite_ext.AutoIncrementField()).column("id").extra == ("AUTOINCREMENT",)
    held = table({"schema": "blog"}, id=pw.IntegerField(primary_key=True, sequence="s")).column("id")
    assert held.sequence == "blog.s"


def test_a_database_that_was_told_other_types_is_believed():
    """A Database can be given field_types of its own."""
    own = pw.SqliteDatabase(None, field_types={"BOOL": "BOOLEAN"})
    assert column(pw.BooleanField(), own).type == types.raw("BOOLEAN")
    assert column(pw.IntegerField(), own).type == types.integer()


def test_a_type_in_the_project_s_own_words():
    """Custom field classes are kept by what they make, with their modifiers."""

    class Vector(pw.Field):
        field_type = "VECTOR"

        def get_modifiers(self):
            return [3]

    class Unsigned(pw.IntegerField):
        field_type = "INT UNSIGNED"

    class Money(pw.Field):
        def ddl_datatype(self, ctx):
            return pw.SQL("MONEY")

    class Marked(pw.IntegerField):
        def ddl(self, ctx):
            return pw.NodeList((super().ddl(ctx), pw.SQL("HIDDEN")))

    assert column(Vector(), PG).type == types.raw("VECTOR(3)")
    assert column(Unsigned(), MY).type == types.integer(unsigned=True)
    assert column(Unsigned(), LITE).type == types.raw("INT UNSIGNED")
    assert column(Money(), PG).type == types.raw("MONEY")
    assert column(Marked(), PG).extra == ("HIDDEN",)


def test_a_field_that_writes_its_whole_definition_is_refused():
    """Nothing could tell what in it is the type."""

    class Odd(pw.Field):
        def ddl(self, ctx):
            return pw.SQL("value whatever")

    with pytest.raises(ModelError, match=r"Thing\.value.*Odd"):
        column(Odd())


def test_classes_that_cannot_be_compared_called_or_imported():
    """A field that raises on ==, needs a secret, and is a local class."""

    class Loud(pw.CharField):
        def __init__(self, secret, **options):
            super().__init__(**options)

        def __eq__(self, other):
            raise RuntimeError("do not compare me")

        __hash__ = pw.Field.__hash__

    found = table(value=Loud("x", unique=True), other=Loud("y", index=True))
    assert found.column("value").python["field"] == "Loud"
    assert [index.name for index in found.indexes] == ["thing_value", "thing_other"]


def test_what_only_python_knows_is_kept_apart():
    """And does not count in comparisons."""
    field = pw.IntegerField(column_name="c", default=3, choices=[(1, "a")], help_text="h", verbose_name="v")
    found = table(value=field).column("c")
    assert dict(found.python) == {
        "attribute": "value",
        "choices": ((1, "a"),),
        "default": 3,
        "help_text": "h",
        "verbose_name": "v",
    }
    assert found == Column("c", types.integer())
    assert dict(column(pw.TimestampField(resolution=6, utc=True, default=0)).python) == {
        "default": 0,
        "field": "TimestampField",
        "resolution": 10**6,
        "utc": True,
    }
    assert column(pw.DateField(formats=["%d"])).python["formats"] == ("%d",)
    assert column(pw.DecimalField(auto_round=True, rounding="ROUND_UP")).python["rounding"] == "ROUND_UP"


@pytest.mark.parametrize(
    ("field", "default"),
    [
        (pw.BooleanField(default=False), False),
        (pw.CharField(default=str), ""),
        (pw.JSONField(default=dict), "{}"),
        (pw.JSONField(default={"a": [1]}), '{"a": [1]}'),
        (pw.DecimalField(default=Decimal("1.5")), "1.5"),
        (pw.DateField(default=dt.date(2020, 1, 2)), "2020-01-02"),
        (pw.UUIDField(default=uuid.UUID(int=1)), f"{1:032x}"),
        (more.EnumField(Colour, default=Colour.RED), "r"),
        (pw.CharField(default=Word.NEW), "new"),
        (pw.IntegerField(default=Rank.LOW), 1),
        (pw.BlobField(default=b"\x00\xff"), b"\x00\xff"),
        (pw.BinaryUUIDField(default=uuid.UUID(int=1)), bytes(15) + b"\x01"),
        (pw.BigBitField(), b""),
        (pw.FloatField(default=float("inf")), "inf"),
        (pw.DateTimeField(default=dt.datetime.now), {"callable": "datetime.now"}),
        (pw.IntegerField(default=lambda: 1), {"callable": f"{__name__.rpartition('.')[2]}"}),
    ],
)
def test_defaults_are_literals_or_the_names_of_what_makes_them(field: pw.Field, default: object):
    """A callable default is not called: what it makes may differ for each row."""
    held = column(field).python["default"]
    if isinstance(default, dict):
        assert set(held) == {"callable"}
    else:
        assert held == default


def test_what_python_knows_is_the_same_in_every_run():
    """No address of an object, no order of a set; and members of enumerations are what they stand for."""
    field = pw.CharField(choices={("b", Word.NEW), ("a", "A")}, verbose_name=Unspoken(), default=Unspoken())
    held = column(field).python
    assert held["choices"] == (("a", "A"), ("b", "new"))
    assert [type(value) for value in held["choices"][1]] == [str, str]
    assert [held[name].rpartition(".")[2] for name in ("verbose_name", "default")] == ["Unspoken object>"] * 2


def test_foreign_keys_take_the_type_of_what_they_refer_to():
    """Through other keys, without the numbering; with all that SQL says of them."""
    role = made(name="Role", code=pw.CharField(max_length=5, primary_key=True))
    big = made({"schema": "s"}, name="Big", id=pw.BigAutoField())
    through = made(name="Through", role=pw.ForeignKeyField(role, primary_key=True))
    found = table(
        {"table_name": "t"},
        role=pw.ForeignKeyField(through, on_delete="cascade", deferrable="initially deferred", constraint_name="k"),
        big=pw.ForeignKeyField(big, column_name="b", null=True, index=False, backref="+", lazy_load=False),
    )
    assert found.column("role_id").type == types.varchar(5)
    assert found.column("b") == Column("b", types.bigint(), null=True)
    assert dict(found.column("b").python) == {"attribute": "big", "backref": "+", "lazy_load": False}
    assert found.constraints == (
        ForeignKey("role_id", "through", "role_id", on_delete="CASCADE", deferrable="INITIALLY DEFERRED", name="k"),
        ForeignKey("b", ("s", "big"), "id"),
    )
    assert [index.name for index in found.indexes] == ["thing_role_id"]


def test_a_key_with_a_type_of_its_own():
    """A subclass may override field_type, and it is what create_tables uses."""

    class Small(pw.ForeignKeyField):
        field_type = "SMALLINT"

    role = made(name="Role")
    assert table(role=Small(role)).column("role_id").type == types.smallint()


def test_a_chain_of_a_thousand_keys_does_not_recurse():
    """And a thousand tables of ten columns are read within a moment."""
    models = [made(name="M0")]
    for number in range(1, 1000):
        fields = {f"f{n}": pw.CharField() for n in range(9)}
        models.append(made(name=f"M{number}", key=pw.ForeignKeyField(models[-1], primary_key=True), **fields))
    began = time.process_time()
    schema = schema_of(models)
    assert time.process_time() - began < 3
    assert schema.table(("", "m999")).column("key_id").type == types.integer()


def test_a_deferred_key_has_no_constraint():
    """Because create_tables makes none."""
    tweet = made(name="Tweet1", user=pw.DeferredForeignKey("Later1"))
    with pytest.raises(ModelError, match="later1"):
        schema_of([tweet])
    made(name="Later1")
    found = schema_of([tweet]).table(("", "tweet1"))
    assert found.constraints == ()
    assert found.column("user_id").python["refers_to"] == "later1"
    assert [index.columns for index in found.indexes] == [("user_id",)]


def test_the_table_between_two_that_peewee_makes_is_registered_too():
    """Once, and not the other app's."""
    student = made(name="Student")
    course = made(name="Course", students=pw.ManyToManyField(student, backref="courses"))
    found = schema_of([student, course])
    assert [key.name for key in found.tables] == ["student", "course", "course_student_through"]
    assert schema_of([student]).tables.keys() == {("", "student")}
    assert dict(found.table(("", "course")).python["many_to_many"]) == {"students": "course_student_through"}


def test_meta_options():
    """Names, keys and all that stands behind the columns."""
    found = table(
        {
            "table_name": "order",
            "schema": "blog",
            "primary_key": pw.CompositeKey("b", "a"),
            "without_rowid": True,
            "strict_tables": True,
            "temporary": True,
            "table_settings": "X",
            "options": {"k": 1},
            "only_save_dirty": True,
        },
        a=pw.IntegerField(),
        b=pw.IntegerField(column_name="bee"),
    )
    assert (found.schema, found.name, found.primary_key) == ("blog", "order", ("bee", "a"))
    assert found.options == Options(
        without_rowid=True, strict=True, temporary=True, settings=("X",), extra={"k": "1"}
    )
    assert dict(found.python) == {"model": "Thing", "only_save_dirty": True}
    assert table({"primary_key": False}, a=pw.IntegerField()).primary_key == ()


def test_constraints_of_the_table():
    """Checks by node or text, unique constraints, foreign keys; others are refused rather than forgotten."""
    held = [pw.Check("a > 1", "low"), pw.SQL("UNIQUE (a, id)"), pw.SQL("CHECK(a <> 5)")]
    assert table({"constraints": held}, a=pw.IntegerField()).constraints == (
        Check("a > 1", "low"),
        Unique(["a", "id"]),
        Check("a <> 5"),
    )
    with pytest.raises(ModelError, match="EXCLUDE"):
        table({"constraints": [pw.SQL("EXCLUDE USING gist (a WITH &&)")]}, a=pw.IntegerField())
    with pytest.raises(ModelError, match="parameters"):
        table({"constraints": [pw.SQL("CHECK (a > ?)", (1,))]}, a=pw.IntegerField())


def test_indexes_in_all_their_forms():
    """Of fields, tuples, nodes and whole statements, named as Peewee names them."""
    model = made(
        {
            "indexes": ((("a", "b"), True), pw.SQL('CREATE UNIQUE INDEX IF NOT EXISTS "raw" ON thing (a)')),
            "table_name": "t",
            "legacy_table_names": False,
        },
        a=pw.IntegerField(index=True, unique=True),
        b=pw.CharField(index=True, index_type="HASH"),
    )
    model.add_index(pw.fn.lower(model.b), model.a.desc(), name="low", where=(model.a > 1) & (model.b == "it's"))
    assert table_of(model, Words(LITE)).indexes == (
        Index("t_a", "a", unique=True),
        Index("t_b", "b", method="HASH"),
        Index("t_a_b", ["a", "b"], unique=True, method="HASH"),  # as Peewee has it: its last field's
        Index("raw", unique=True, sql='CREATE UNIQUE INDEX IF NOT EXISTS "raw" ON thing (a)'),
        Index("low", [Sql('lower("b")'), Sql('"a" DESC')], where="((\"a\" > 1) AND (\"b\" = 'it''s'))"),
    )
    assert table_of(model, Words(MY)).indexes[-1].parts == (Sql('lower("b")'), Sql('"a" DESC'))
    assert table_of(model, Words(None)).indexes[-1].parts == (Sql('lower("b")'), Sql('"a" DESC'))


def test_what_is_said_twice_is_one():
    """Of a field and in Meta, or twice in one place; also on the way back, where each goes once."""
    said = {
        "table_name": "t",
        "indexes": ((("b",), True), (("b", "a"), False), (("b", "a"), False)),
        "constraints": [pw.SQL("UNIQUE (a)"), *[pw.SQL("UNIQUE (b, a)"), pw.Check("a > 0")] * 2],
    }
    model = made(said, a=pw.IntegerField(constraints=[pw.SQL("UNIQUE")]), b=pw.CharField(unique=True))
    bare = made({"table_name": "t"}, a=pw.IntegerField(), b=pw.CharField())
    table, before = (table_of(each, Words(LITE)) for each in (model, bare))
    assert [index.name for index in table.indexes] == ["thing_b", "thing_b_a"]
    assert table.constraints == (Unique("a"), Unique(["b", "a"]), Check("a > 0"))
    operations = diff(Schema([before]), Schema([table])).operations
    assert apply_all(MigrationManager(operations).rollback_operations, Schema([table])) == Schema([before])


def test_two_indexes_of_one_name_that_differ_are_told():
    """Peewee would make the first, and the other never."""
    model = made({"table_name": "t", "indexes": ((("b",), True),)}, b=pw.CharField(index=True))
    with pytest.raises(ModelError, match="two indexes that differ have the name thing_b"):
        table_of(model, Words(LITE))


@pytest.mark.parametrize("database", [LITE, PG, MY, None])
def test_a_state_is_the_same_whatever_the_database(database):
    """So `check` can tell without one: names are quoted one way, and booleans are words."""
    model = made({"table_name": "t"}, a=pw.IntegerField(), b=pw.BooleanField())
    model.add_index(model.a, pw.fn.mod(model.a, 7), where=(model.b == True) & (model.a != 5), name="x")  # noqa: E712
    model.add_index(model.a, pw.SQL("(a % 3)"), name="y")
    assert table_of(model, Words(database)).indexes == (
        Index("x", ["a", Sql('mod("a", 7)')], where='(("b" = true) AND ("a" != 5))'),
        Index("y", ["a", Sql("(a % 3)")]),
    )


def test_names_that_are_too_long_are_cut_as_peewee_cuts_them():
    """With a hash, at 64."""
    (index,) = table({"table_name": "x"}, **{"y" * 60: pw.IntegerField(index=True)}).indexes
    assert len(index.name) == 64
    assert index.name.startswith("thing_yyy")


def test_an_index_without_a_name_is_refused():
    """It could not be found again."""
    with pytest.raises(ModelError, match="CREATE INDEX ON thing"):
        table({"indexes": [pw.SQL("CREATE INDEX ON thing (a)")]}, a=pw.IntegerField())


def test_percent_signs_are_what_the_server_sees():
    """A driver of %s takes %% for %, so people write that in their checks."""
    assert table({"constraints": [pw.Check("a LIKE 'x%%'")]}, PG, a=pw.TextField()).constraints == (
        Check("a LIKE 'x%'"),
    )
    assert table({"constraints": [pw.Check("a LIKE 'x%'")]}, LITE, a=pw.TextField()).constraints == (
        Check("a LIKE 'x%'"),
    )


def test_a_model_needs_no_database():
    """An uninitialised proxy is enough."""
    found = table(None, pw.DatabaseProxy(), a=pw.JSONField(), b=pw.BlobField(index=True))
    assert found == table(a=pw.JSONField(), b=pw.BlobField(index=True))


def test_mixins_and_abstract_models():
    """A field that is inherited is the model's own."""

    class Mixin(pw.Model):
        created = pw.DateTimeField(index=True)

    class Real(Mixin):
        title = pw.CharField()

        class Meta:
            database = LITE

    found = schema_of([Real]).table(("", "real"))
    assert found.column_names == ("id", "created", "title")
    assert found.indexes == (Index("real_created", "created"),)


def test_two_models_of_one_table_must_agree():
    """As in a project that has a slim copy of a model; differing ones are an error that names both."""
    one, two = made({"table_name": "t"}, name="One"), made({"table_name": "t"}, name="Two")
    assert len(schema_of([one, two]).tables) == 1
    three = made({"table_name": "t"}, name="Three", a=pw.IntegerField())
    with pytest.raises(ModelError, match="One, Three"):
        schema_of([one, three])
    with pytest.raises(ModelError, match="not a Peewee model"):
        schema_of([one()])


def test_a_virtual_table():
    """Has columns without types, its module and its options, and no rowid of its own."""

    class Search(sqlite_ext.FTS5Model):
        title = sqlite_ext.SearchField()
        note = sqlite_ext.SearchField(unindexed=True)

        class Meta:
            database = LITE
            options = {"tokenize": "porter"}  # noqa: RUF012 -- as people write it

    found = schema_of([Search]).table(("", "search"))
    assert found.column_names == ("title", "note")
    assert found.column("note").unindexed
    assert found.options == Options(module="fts5", extra={"tokenize": '"porter"'})
    assert found.primary_key == ()
