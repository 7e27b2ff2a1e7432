"""Running steps: data migrations, batches that resume, steps that stand alone, failures that leave nothing."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import peewee
import pytest
from psycopg2.errors import UniqueViolation

from smalls.autogen.models import schema_of
from smalls.codec import decode, encode
from smalls.compiling import compiler_for
from smalls.differ import diff
from smalls.hints import Hints
from smalls.manager import MigrationManager
from smalls.operations import AlterColumn
from smalls.program import prepare
from smalls.reflect import differences
from smalls.schema import Check, Column, Index, Schema, Sql, Table, types
from smalls.steps import Start, execute, one_transaction
from tests.conftest import obtain
from tests.databases import fresh_database
from tests.operations.harness import Bench, models_of
from tests.servers import MYSQL

TABLE = Table(
    "thing",
    [Column("id", types.auto()), Column("name", types.varchar(50)), Column("size", types.integer(), null=True)],
    primary_key="id",
    python={"model": "Thing"},
)
SCHEMA = Schema([TABLE])


@pytest.fixture(params=["sqlite", "postgres15", MYSQL[0]])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Give a database with the table thing and three rows."""
    with obtain(request.param, lambda: fresh_database(request.param, tmp_path)) as database:
        made = Bench(database)
        made.run(_manager(lambda m: m.add_table("thing", TABLE.columns, primary_key="id")).operations, Schema())
        made.insert({"thing": [{"name": f"n{number}"} for number in range(1, 8)]})
        yield made
        made.close()


def _manager(fill: Any) -> MigrationManager:
    manager = MigrationManager()
    fill(manager)
    return manager


def _sizes(bench: Bench) -> list[Any]:
    return [size for (size,) in bench.query("SELECT size FROM thing ORDER BY id")]


class _Mark:
    def __init__(self, fail_after: int | None = None) -> None:
        self.keys: list[tuple[Any, ...]] = []
        self.steps: list[int] = []
        self.fail_after = fail_after

    def done(self, number: int) -> None:
        self.steps.append(number)

    def reached(self, number: int, key: tuple[Any, ...]) -> None:
        del number
        if self.fail_after is not None and len(self.keys) == self.fail_after:
            raise KeyboardInterrupt
        self.keys.append(key)


def test_data_migration_gets_models_as_of_then(bench: Bench):
    """The function works with the table as the operations before it left it, and not as it is at the end."""

    def fill(db: Any, models: Any) -> None:
        assert db is bench.db
        for thing in models.Thing.select():
            thing.label = thing.name.upper()
            thing.save()

    manager = MigrationManager()
    manager.add_column("thing", Column("label", types.text(), null=True))
    manager.run_python("fill", "")
    manager.drop_column("thing", TABLE.columns[1])
    program = prepare(compiler_for(bench.db), manager.operations, SCHEMA)
    with one_transaction(bench.db):
        execute(program, bench.db, {"fill": fill})
    assert bench.query("SELECT label FROM thing ORDER BY id")[0] == ("N1",)


def test_backfill_commits_as_it_goes_and_resumes_after_the_last_batch(bench: Bench):
    """What a batch wrote stays when the next one is broken off; a rerun goes on after it."""
    manager = _manager(lambda m: m.backfill("thing", "size", Sql("id % 100"), where="name <> '50%'", batch=3))
    program = prepare(compiler_for(bench.db), manager.operations, SCHEMA)
    assert not program.transactional
    mark = _Mark(fail_after=1)
    with pytest.raises(KeyboardInterrupt):
        execute(program, bench.db, {}, mark=mark)
    assert _sizes(bench) == [1, 2, 3, None, None, None, None]
    bench.query("UPDATE thing SET size = 0 WHERE id = 1")
    execute(program, bench.db, {}, mark=(rest := _Mark()), start=Start(0, mark.keys[-1]))
    assert _sizes(bench) == [0, 2, 3, 4, 5, 6, 7]
    assert (mark.keys, rest.keys, rest.steps) == ([(3,)], [(6,), (7,)], [0])


def test_backfill_by_a_composite_key(bench: Bench):
    """Batches go by the whole key."""
    table = Table("pair", [Column(n, types.integer(), null=n == "c") for n in "abc"], primary_key=["a", "b"])
    bench.run(_manager(lambda m: m.add_table("pair", table.columns, primary_key=["a", "b"])).operations, SCHEMA)
    bench.insert({"pair": [{"a": a, "b": b} for a in (1, 2) for b in (1, 2)]})
    manager = _manager(lambda m: m.backfill("pair", "c", 5, batch=1))
    execute(
        prepare(compiler_for(bench.db), manager.operations, SCHEMA.add(table)), bench.db, {}, mark=(mark := _Mark())
    )
    assert bench.query("SELECT c FROM pair") == [(5,)] * 4
    assert mark.keys == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_backfill_by_a_binary_key(bench: Bench):
    """What the journal keeps of a key compares as the key does: bytes come back as bytes."""
    table = Table(
        "bin", [Column("id", types.binary_uuid()), Column("c", types.integer(), null=True)], primary_key="id"
    )
    bench.run(_manager(lambda m: m.add_table("bin", table.columns, primary_key="id")).operations, SCHEMA)
    binary = bench.family != "postgres"
    for number in (1, 2, 250):
        key = uuid.UUID(int=number << 96)
        bench.insert({"bin": [{"id": key.bytes if binary else str(key)}]})
    manager = _manager(lambda m: m.backfill("bin", "c", 5, batch=1))
    program = prepare(compiler_for(bench.db), manager.operations, SCHEMA.add(table))
    mark = _Mark(fail_after=1)
    with pytest.raises(KeyboardInterrupt):
        execute(program, bench.db, {}, mark=mark)
    kept = decode(json.loads(json.dumps(encode(mark.keys[-1]))))
    execute(program, bench.db, {}, mark=(rest := _Mark()), start=Start(0, kept))
    assert bench.query("SELECT c FROM bin") == [(5,)] * 3
    assert len(mark.keys + rest.keys) == 3


def test_a_key_to_a_field_of_its_own_table(bench: Bench):
    """It leans on an index that is made after the table; Peewee's own create_tables fails there on servers."""
    parts = ["CharField(max_length=10, unique=True)", "ForeignKeyField('self', field='code', null=True)"]
    models = models_of(f"class Emp(M):\n    code = {parts[0]}\n    boss = {parts[1]}\n", bench.db)
    operations = diff(Schema(), schema_of(models)).operations
    bench.run(operations, Schema())
    bench.insert({"emp": [{"code": "a"}, {"code": "b", "boss_id": "a"}]})
    with pytest.raises(peewee.IntegrityError):
        bench.insert({"emp": [{"code": "c", "boss_id": "z"}]})
    bench.run(MigrationManager(operations).rollback_operations, schema_of(models))
    bench.run(operations, Schema())


def test_percent_signs_in_raw_sql_are_no_places_for_parameters(bench: Bench):
    """SQL of the project's own reaches the server as it is written."""
    manager = _manager(lambda m: m.run_sql("UPDATE thing SET name = '100%s %%' WHERE name LIKE 'n%'", ""))
    bench.run(manager.operations, SCHEMA)
    assert bench.query("SELECT DISTINCT name FROM thing") == [("100%s %%",)]


def test_broken_off_without_a_transaction_goes_on_at_the_step_that_failed(bench: Bench):
    """Steps that are done are not done again."""

    def stop(_db: Any, _models: Any) -> None:
        raise RuntimeError

    manager = MigrationManager()
    manager.add_column("thing", Column("label", types.integer(), null=True))
    manager.run_python("stop", "", transactional=False)
    program = prepare(compiler_for(bench.db), manager.operations, SCHEMA)
    mark = _Mark()
    with pytest.raises(RuntimeError):
        execute(program, bench.db, {"stop": stop}, mark=mark)
    called: list[Any] = []
    go_on = {"stop": lambda *given: called.append(given)}
    execute(program, bench.db, go_on, mark=mark, start=Start(mark.steps[-1] + 1))
    assert len(called) == 1
    assert mark.steps == list(range(len(program.steps)))


AS_NEW = """\
class Parent(M):
    name = CharField(unique=True)
class Item(M):
    label = CharField(index=True)
    size = IntegerField(default=1, constraints=[Check('size > 0')])
    parent = ForeignKeyField(Parent, null=True)
    class Meta:
        table_name = 'item'
        constraints = [SQL('UNIQUE (label, size)'), Check("label <> ''"), SQL('CONSTRAINT big CHECK (size < 99)')]
"""
AS_OLD = """\
class Gone(M):
    name = CharField()
class Thing(M):
    name = CharField(index=True)
    size = IntegerField(null=True)
    gone = CharField(null=True)
    class Meta:
        table_name = 'other'
"""


@pytest.mark.parametrize("engine", MYSQL)
def test_a_step_in_doubt_is_not_done_twice(engine: str, benches: dict[str, Bench]):
    """Wherever a run was killed between a statement and its mark, the next one leads to the same end, both ways."""
    bench = benches[engine]
    bench.clear()
    old, new = (schema_of(models_of(text, bench.db)) for text in (AS_OLD, AS_NEW))
    forward = diff(old, new, hints=Hints.parse(["other=item", "item.name=label"])).operations
    bench.run(MigrationManager(diff(Schema(), old).operations).operations, Schema())
    back = MigrationManager(forward).rollback_operations
    for operations, before, after in ((forward, old, new), (back, new, old)):
        program = prepare(compiler_for(bench.db), operations, before)
        for number in range(len(program.steps)):
            first = replace(program, steps=program.steps[: number + 1])
            execute(first, bench.db, {}, start=Start(number))
            execute(first, bench.db, {}, start=Start(number, doubt=True))
        done = bench.catalogue()
        bench.clear()
        bench.run(diff(Schema(), after).operations, Schema())
        assert differences(bench.catalogue(), done) == []


@pytest.mark.parametrize("bench", ["sqlite", "postgres15"], indirect=True)
def test_failure_in_one_transaction_leaves_nothing(bench: Bench):
    """A unique index that rows break undoes all that came before it."""
    before = bench.catalogue()
    manager = MigrationManager()
    manager.run_sql("UPDATE thing SET size = 1", "")
    manager.add_column("thing", Column("label", types.integer(), null=True))
    manager.add_index("thing", Index("one_size", "size", unique=True))
    with pytest.raises(peewee.IntegrityError):
        bench.run(manager.operations, SCHEMA)
    assert differences(before, bench.catalogue()) == []


@pytest.mark.parametrize("bench", ["sqlite"], indirect=True)
def test_rebuild_keeps_triggers_views_and_children(bench: Bench):
    """What leans on a SQLite table is there after it was made anew, and its children keep their rows."""
    bench.query("CREATE TABLE child (thing_id INTEGER REFERENCES thing (id) ON DELETE CASCADE)")
    bench.query("INSERT INTO child SELECT id FROM thing")
    bench.query("CREATE TABLE log (line TEXT)")
    bench.query("CREATE VIEW names AS SELECT name FROM thing")
    bench.query("CREATE VIEW more AS SELECT name FROM names")
    bench.query("CREATE TRIGGER noted AFTER INSERT ON thing BEGIN INSERT INTO log VALUES (new.name); END")
    bench.query("CREATE TRIGGER through INSTEAD OF INSERT ON names BEGIN INSERT INTO log VALUES ('view'); END")
    size = TABLE.columns[2]
    bench.run([AlterColumn("thing", size, size.with_(type=types.text(), default="'x'"))], SCHEMA)
    bench.query("INSERT INTO thing (name) VALUES ('new')")
    bench.query("INSERT INTO names VALUES ('new')")
    assert bench.query("SELECT line FROM log") == [("new",), ("view",)]
    assert bench.query("SELECT count(*) FROM more") == [(8,)]
    assert bench.query("SELECT count(*) FROM child") == [(7,)]
    assert bench.query("PRAGMA foreign_keys") == [(1,)]


@pytest.mark.parametrize("bench", ["sqlite"], indirect=True)
def test_rebuild_keeps_indexes_made_by_hand(bench: Bench):
    """The state does not know them, and they are no reason to lose them."""
    bench.query("CREATE INDEX by_hand ON thing (name DESC) WHERE size > 1")
    size = TABLE.columns[2]
    bench.run([AlterColumn("thing", size, size.with_(default="1"))], SCHEMA)
    assert bench.query("SELECT sql FROM sqlite_master WHERE name = 'by_hand'") == [
        ("CREATE INDEX by_hand ON thing (name DESC) WHERE size > 1",)
    ]


@pytest.mark.parametrize("bench", ["postgres15"], indirect=True)
def test_concurrent_index_comes_and_goes(bench: Bench):
    """It is made and dropped outside a transaction, over what a failed build of its own left behind."""
    before = bench.catalogue()
    index = Index("sized", "size", unique=True)
    bench.query("UPDATE thing SET name = 'same'")
    with pytest.raises(UniqueViolation):
        bench.query("CREATE UNIQUE INDEX CONCURRENTLY sized ON thing (name)")
    assert bench.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'sized'::regclass") == [(False,)]
    manager = _manager(lambda m: m.add_index("thing", index, concurrently=True))
    with pytest.raises(peewee.ProgrammingError, match="already exists"):
        bench.run(manager.operations, SCHEMA)
    bench.run(manager.operations, SCHEMA, Start(begun=True))
    assert "(size)" in bench.catalogue().tables["thing"].indexes["sized"]
    bench.run(manager.rollback_operations, manager.apply(SCHEMA))
    assert differences(before, bench.catalogue()) == []


@pytest.mark.parametrize("bench", ["postgres15"], indirect=True)
def test_sequence_goes_on_after_the_rows_that_are_there(bench: Bench):
    """A column that comes to be numbered gives no number twice."""
    table = Table("t", [Column("id", types.integer())], primary_key="id")
    bench.run(_manager(lambda m: m.add_table("t", table.columns, primary_key="id")).operations, SCHEMA)
    bench.query("INSERT INTO t VALUES (41)")
    change = AlterColumn("t", table.columns[0], Column("id", types.auto()))
    bench.run([change], SCHEMA.add(table))
    bench.query("INSERT INTO t DEFAULT VALUES")
    assert bench.query("SELECT max(id) FROM t") == [(42,)]


@pytest.mark.parametrize("bench", ["postgres15"], indirect=True)
def test_comments_come_and_go(bench: Bench):
    """Comments on tables and columns, back to none."""
    before = bench.catalogue()
    size = TABLE.columns[2]
    manager = MigrationManager()
    manager.change_comment("thing", "", "what's 100%")
    manager.alter_column("thing", size, size.with_(comment="cm"))
    bench.run(manager.operations, SCHEMA)
    found = bench.catalogue().tables["thing"]
    assert (found.comment, found.columns["size"].comment) == ("what's 100%", "cm")
    bench.run(manager.rollback_operations, manager.apply(SCHEMA))
    assert differences(before, bench.catalogue()) == []


@pytest.mark.parametrize("bench", ["postgres15"], indirect=True)
def test_long_work_on_a_table_that_was_there_stands_apart(bench: Bench):
    """Checking rows is of no use under a lock from before it; on a table just made nobody waits."""
    compiler = compiler_for(bench.db)
    check = _manager(lambda m: m.add_constraint("thing", Check("size > 0", "positive")))
    program = prepare(compiler, check.operations, SCHEMA)
    assert (program.wrappable, program.transactional) == (True, False)

    def fill(manager: MigrationManager) -> None:
        manager.add_table("other", [Column("n", types.integer())])
        manager.add_constraint("other", Check("n > 0", "positive"))

    assert prepare(compiler, _manager(fill).operations, SCHEMA).transactional
    assert prepare(compiler, check.rollback_operations, check.apply(SCHEMA)).transactional
