"""Peewee works in a migration as it does anywhere: models, queries, cursors and its migrate operations."""

import pytest

from tests.databases import Database
from tests.running import Project
from tests.servers import ENGINES, family

MODELS = """
class Base(Model):
    class Meta:
        database = db

class Person(Base):
    name = CharField(max_length=40, unique=True)
    age = IntegerField(default=0)

class Pet(Base):
    owner = ForeignKeyField(Person, backref="pets", on_delete="CASCADE")
    name = TextField()

class Pair(Base):
    a = IntegerField()
    b = IntegerField()
    class Meta:
        primary_key = CompositeKey("a", "b")
"""

QUERIES = """
    db.create_tables([Person, Pet, Pair])
    assert db.table_exists("person") and Pet.table_exists()
    ada = Person.create(name="Ada", age=36)
    assert ada.id and Person.get_by_id(ada.id).name == "Ada"
    assert Person.insert(name="Bob").execute() == ada.id + 1
    assert Person.insert_many([{"name": f"p{n}", "age": n} for n in range(10)]).execute() is not None
    assert Person.insert_many([("q1", 1), ("q2", 2)], fields=[Person.name, Person.age]).execute() is not None
    assert Person.select().count() == 14
    assert Person.update(age=Person.age + 1).where(Person.name.startswith("p")).execute() == 10
    assert Person.delete().where(Person.name == "p9").execute() == 1
    assert Person.delete().where(Person.name == "nobody").execute() == 0
    Person.bulk_create([Person(name=f"b{n}") for n in range(5)], batch_size=2)
    people = list(Person.select().where(Person.name.startswith("b")))
    for person in people:
        person.age = 50
    Person.bulk_update(people, [Person.age])
    assert len(people) == 6 and Person.select().where(Person.age == 50).count() == 6  # Bob, and b0 to b4
    found, made = Person.get_or_create(name="Ada", defaults={"age": 1})
    assert found == ada and not made
    ada.age = 37
    assert ada.save() == 1 and Person(name="Eve").save() == 1
    Pet.create(owner=ada, name="Rex"); Pet.create(owner=ada, name="Tom")
    assert [len(p.pets) for p in prefetch(Person.select().where(Person.id == ada.id), Pet.select())] == [2]
    assert Person.select().join(Pet).distinct().count() == 1
    assert len(list(Person.select().order_by(Person.id).iterator())) == len(Person.select())
    assert len(list(Person.select().tuples().iterator())) == Person.select().count()
    assert Person.select(fn.MAX(Person.age)).scalar() == 50
    Pair.create(a=1, b=2); Pair.insert(a=1, b=3).execute()
    assert Pair.select().count() == 2
    Person.insert(name="Ada", age=9).on_conflict_ignore().execute()
    try:
        with db.atomic():
            Person.create(name="Ada")
    except IntegrityError:
        pass
    else:
        raise AssertionError("no error")
    cursor = db.execute_sql("SELECT id, name FROM person ORDER BY id")
    assert cursor.description[1][0].lower() == "name" and cursor.fetchone()[1] == "Ada"
    assert len(cursor.fetchmany(2)) == 2 and cursor.fetchall() and list(cursor) == []
    cursor = db.cursor()
    cursor.arraysize = 3
    cursor.execute("SELECT id FROM person ORDER BY id")
    assert len(cursor.fetchmany()) == 3 and next(cursor) and cursor.arraysize == 3
    cursor.close()
    cursor = db.cursor()
    mark = db.param
    cursor.executemany(f"INSERT INTO pair (a, b) VALUES ({mark}, {mark})", [(5, 1), (5, 2)])
    assert cursor.rowcount == 2
    assert db.get_columns("person") and db.get_indexes("person") and db.get_foreign_keys("pet")
    Pet.delete().execute()
    Pair.drop_table()
    assert not Pair.table_exists()
    print("reached the end")
"""


def test_models_and_queries(database: Database, project: Project) -> None:
    """Creating, querying, updating, prefetching and plain cursors give what they give outside a migration."""
    project.migration("0001_queries", QUERIES, header=MODELS)
    result = project.run("migrate", env=database.env)
    assert result.code == 0, result.stderr
    assert [event["message"] for event in result.named("migration.output")] == ["reached the end"]
    assert result.named("migration.unwrapped") == []
    assert "pair" not in database.tables()


@pytest.mark.parametrize("database", ["sqlite", "postgres15"], indirect=True)
def test_returning(database: Database, project: Project) -> None:
    """RETURNING gives rows where the engine has it; upserts say what they touched."""
    body = """
        db.returning_clause = True
        db.create_tables([Person])
        rows = Person.insert_many([{"name": "x"}, {"name": "y"}]).returning(Person.id, Person.name).execute()
        assert sorted(row.name for row in rows) == ["x", "y"]
        rows = Person.update(age=3).returning(Person).execute()
        assert [row.age for row in rows] == [3, 3]
        rows = Person.delete().where(Person.name == "x").returning(Person.name).tuples().execute()
        assert list(rows) == [("x",)]
        upsert = Person.insert(name="y", age=7).on_conflict(
            conflict_target=[Person.name], preserve=[Person.age]
        )
        upsert.execute()
        assert Person.get(name="y").age == 7
    """
    project.migration("0001_returning", body, header=MODELS)
    result = project.run("migrate", env=database.env)
    assert result.code == 0, result.stderr


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_server_side_cursors_and_copy(database: Database, project: Project) -> None:
    """Named cursors, `with` cursors and COPY of psycopg2 work in the transaction and are undone with it."""
    project.write(
        "model.py",
        f"""
        from playhouse.postgres_ext import PostgresqlExtDatabase
        from playhouse.db_url import parse
        db = PostgresqlExtDatabase(**parse({database.url!r}, unquote_password=True), register_hstore=False)
        """,
    )
    project.write("config.ini", "[smalls]\nmodel = model\n")
    body = """
        import io
        from playhouse.postgres_ext import ServerSide
        db.create_tables([Person])
        Person.insert_many([{"name": f"p{n}"} for n in range(30)]).execute()
        assert len([row for row in ServerSide(Person.select(), array_size=7)]) == 30
        with db.cursor() as cursor:
            cursor.copy_expert("COPY person (name, age) FROM STDIN", io.StringIO("copied\\t5\\n"))
            cursor.execute("SELECT age FROM person WHERE name = 'copied'")
            assert cursor.fetchone() == (5,)
    """
    project.migration("0001_server_side", body, header=MODELS)
    project.migration(
        "0002_fails", body.replace("30", "31").replace("db.create_tables([Person])", "1") + "\n        1/0"
    )
    result = project.run("migrate")
    assert result.code == 6, result.stderr
    assert "0001_server_side" in str(database.query("SELECT name FROM migration_history"))
    assert database.query("SELECT COUNT(*) FROM person") == [(31,)]


# Operation → whether the engine's Peewee has it, by family; each is undone by the second text.
OPERATIONS = {
    "add_column": (
        'migrator.add_column("item", "n", IntegerField(default=4))',
        'migrator.drop_column("item", "n")',
    ),
    "add_column null": (
        'migrator.add_column("item", "n", TextField(null=True))',
        'migrator.drop_column("item", "n")',
    ),
    "add_column foreign key": (
        'migrator.add_column("item", "kind_id", ForeignKeyField(Kind, field=Kind.id, null=True))',
        'migrator.drop_column("item", "kind_id")',
    ),
    "rename_column": (
        'migrator.rename_column("item", "word", "term")',
        'migrator.rename_column("item", "term", "word")',
    ),
    "not null": ('migrator.drop_not_null("item", "word")', 'migrator.add_not_null("item", "word")'),
    "default": (
        'migrator.add_column_default("item", "word", "x")',
        'migrator.drop_column_default("item", "word")',
    ),
    "alter_column_type": (
        'migrator.alter_column_type("item", "word", TextField())',
        'migrator.alter_column_type("item", "word", CharField(max_length=30))',
    ),
    "rename_table": ('migrator.rename_table("item", "thing")', 'migrator.rename_table("thing", "item")'),
    "index": ('migrator.add_index("item", ("word",), True)', 'migrator.drop_index("item", "item_word")'),
    "constraint": (
        'migrator.add_constraint("item", "positive", Check("number >= 0"))',
        'migrator.drop_constraint("item", "positive")',
    ),
    "unique": ('migrator.add_unique("item", "word")', 'migrator.drop_constraint("item", "uniq_word")'),
    "sql": ('migrator.sql("CREATE TABLE extra (id INTEGER)")', 'migrator.sql("DROP TABLE extra")'),
}
# Peewee cannot drop an indexed column there.
NOT_IN_SQLITE = {"constraint", "unique", "add_column foreign key"}


@pytest.mark.parametrize("database", ENGINES, indirect=True)
def test_migrate_operations(database: Database, project: Project) -> None:
    """Every operation of Peewee's migrator runs forward and back, in one project, with the row kept."""
    header = "class Kind(Model):\n    class Meta:\n        database = db\n"
    database.execute(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, word VARCHAR(30) NOT NULL, number INTEGER NOT NULL)"
    )
    database.execute("INSERT INTO item VALUES (1, 'kept', 5)")
    project.migration("0001_kind", "db.create_tables([Kind])", "db.drop_tables([Kind])", header)
    for number, (name, (there, back)) in enumerate(OPERATIONS.items(), start=2):
        if name in NOT_IN_SQLITE and family(database.engine) == "sqlite":
            continue
        wrap = "with migrator.migration_context():\n    pw_migrate({})" if number % 2 else "pw_migrate({})"
        stem = f"{number:04d}_{name.replace(' ', '_')}"
        # One way and back again in one file, so that each operation starts from the same table.
        forward = f"{wrap.format(there)}\n{wrap.format(back)}\n{wrap.format(there)}"
        project.migration(stem, f"{forward}\n{wrap.format(back)}", wrap.format(there), header)
    result = project.run("migrate", env=database.env)
    assert result.code == 0, result.stderr
    assert result.named("migration.unwrapped") == []
    assert database.query("SELECT id, word, number FROM item") == [(1, "kept", 5)]
