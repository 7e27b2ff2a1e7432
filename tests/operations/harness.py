"""What a case is, and how it is put through one engine."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import peewee
from playhouse import mysql_ext, postgres_ext
from playhouse.db_url import parse

from smalls.autogen.models import schema_of, with_through
from smalls.compiling import compiler_for
from smalls.differ import diff
from smalls.drift import Difference, compare
from smalls.hints import Hints
from smalls.manager import MigrationManager
from smalls.operations import AlterColumn, MoveTable, Operation, RenameColumn, RenameTable, apply_all
from smalls.program import prepare
from smalls.reflect import Catalogue, differences, read
from smalls.schema import Schema, TableKey
from smalls.scratch import catalogues
from smalls.steps import BEGINNING, Start, execute, one_transaction
from smalls.urls import Engine

if TYPE_CHECKING:
    from tests.databases import Database

ENGINE = {"sqlite": Engine.SQLITE, "postgres": Engine.POSTGRES, "mysql": Engine.MYSQL}
Rows = Mapping[str, Iterable[Mapping[str, Any]]]


@dataclass(frozen=True)
class Case:
    """A change of models, with rows that are there.

    `before` and `after` are the text of model classes on the base class `M`. `rows` are by table. `only` are
    the families of engines that can have such models at all; `refused` tells, by family or engine, which
    change is refused before anything runs, with words of the reason; `back_refused` the same for the way
    back. `values` are what a column, "table.column", holds after the way forward, where that is not the same
    as before; `lost` are columns that do not come back.
    """

    id: str
    before: str
    after: str
    rows: Rows = field(default_factory=dict)
    renames: tuple[str, ...] = ()
    backfills: tuple[str, ...] = ()
    using: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    only: tuple[str, ...] = ("sqlite", "postgres", "mysql")
    refused: Mapping[str, str] = field(default_factory=dict)
    back_refused: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, list[Any]] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    setup: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class IntArray(postgres_ext.ArrayField):
    """An array without the GIN index that playhouse gives it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(peewee.IntegerField, **{"index": False, "index_type": "BTREE", **options})


def models_of(source: str, database: Any) -> list[Any]:
    """Make the model classes of a case's text, in order."""
    base = type("M", (peewee.Model,), {"Meta": type("Meta", (), {"database": database, "abstract": True})})
    space: dict[str, Any] = {**vars(mysql_ext), **vars(postgres_ext), **vars(peewee)}
    space |= {"Json": postgres_ext.JSONField, "IntArray": IntArray, "M": base, "db": database}
    known = set(map(id, space.values()))
    exec(source, space)  # noqa: S102 -- the cases are text so that before and after can be read side by side
    made = [
        value
        for value in space.values()
        if isinstance(value, type) and issubclass(value, base) and id(value) not in known
    ]
    return with_through(model for model in made if not model.__name__.startswith("Abstract"))


class Bench:
    """A live database on which cases are put through, one after the other."""

    def __init__(self, database: Database) -> None:
        self.family = database.family
        self.engine = database.engine
        self.db = _connected(database)

    def query(self, sql: str, params: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and give its rows."""
        cursor = self.db.connection().cursor()
        cursor.execute(sql, *([params] if params else []))
        return list(cursor.fetchall()) if cursor.description else []

    def catalogue(self) -> Catalogue:
        """Read what is there."""
        return read(ENGINE[self.family], self.query)

    def clear(self) -> None:
        """Drop everything."""
        if self.family == "sqlite":
            self.db.close()
            self.db.connect()
        elif self.family == "postgres":
            schemas = self.query(
                "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
            )
            for (name,) in schemas:
                self.query(f'DROP SCHEMA "{name}" CASCADE')
            self.query("CREATE SCHEMA public")
        else:
            self.query("SET foreign_key_checks = 0")
            for (name,) in self.query("SHOW TABLES"):
                self.query("DROP TABLE `{}`".format(name.replace("`", "``")))
            self.query("SET foreign_key_checks = 1")

    def make(self, case: Case, source: str) -> tuple[Schema, Catalogue]:
        """Make models' tables afresh with Peewee's own create_tables; give their state and the catalogue."""
        self.clear()
        for sql in case.setup.get(self.family, ()):
            self.query(sql)
        models = models_of(source, self.db)
        for model in models:
            if self.family == "postgres" and model._meta.schema:
                self.query(f'CREATE SCHEMA IF NOT EXISTS "{model._meta.schema}"')
        self.db.create_tables(models)
        return schema_of(models), self.catalogue()

    def insert(self, rows: Rows) -> None:
        """Put rows in, tables in the order given."""
        for name, listed in rows.items():
            schema, _, table = name.rpartition(".")
            for row in listed:
                peewee.Table(table, schema=schema or None).bind(self.db).insert(
                    {getattr(peewee.Table(table).c, column): value for column, value in row.items()}
                ).execute()

    def contents(self, schema: Schema) -> dict[tuple[TableKey, str], list[Any]]:
        """Read every column of every table of `schema`, rows in the order of what they hold."""
        found = {}
        for key, table in schema.tables.items():
            for column in table.columns:
                live = peewee.Table(key.name, schema=key.schema or None).bind(self.db)
                query = live.select(getattr(live.c, column.name)).tuples()
                found[key, column.name] = sorted((_plain(value) for (value,) in query), key=repr)
        return found

    def run(self, operations: Iterable[Operation], before: Schema, start: Start = BEGINNING) -> None:
        """Put operations through, in one transaction where that can be."""
        program = prepare(compiler_for(self.db), operations, before)
        with one_transaction(self.db) if program.transactional else contextlib.nullcontext():
            execute(program, self.db, {}, start=start)

    def drift(self, schema: Schema) -> list[Difference]:
        """Verify the database against what a state promises."""
        return compare(*catalogues(ENGINE[self.family], self.db, schema, lambda: None))

    def close(self) -> None:
        """Close the connection."""
        self.db.close()


def _connected(database: Database) -> Any:
    if database.family == "sqlite":
        made = peewee.SqliteDatabase(":memory:", pragmas={"foreign_keys": 1})
    else:
        found = parse(database.url, unquote_password=True)
        kind = peewee.PostgresqlDatabase if database.family == "postgres" else peewee.MySQLDatabase
        made = kind(found.pop("database"), **found)
    made.connect()
    return made


def _plain(value: Any) -> Any:
    """Make values of different types comparable where they mean the same."""
    match value:
        case bool() | int() | float() | Decimal():
            return float(value)
        case bytes() | memoryview():
            return _bytes(bytes(value))
        case dt.date() | dt.time():
            return _moment(value)
        case uuid.UUID():
            return value.hex
        case dict() | list():
            return json.dumps(value, sort_keys=True)
    return _text(value) if isinstance(value, str) else value


def _bytes(value: bytes) -> Any:
    try:
        return _text(value.decode())
    except UnicodeDecodeError:
        return value.hex()


def _moment(value: Any) -> str:
    if isinstance(value, dt.datetime) and value.tzinfo:
        value = value.astimezone(dt.UTC).replace(tzinfo=None)
    text = value.isoformat(" ") if isinstance(value, dt.datetime) else value.isoformat()
    return text.removesuffix(" 00:00:00")  # a day, as a date and as a moment


def _text(value: str) -> Any:
    value = value.rstrip().removesuffix(" 00:00:00")  # a FixedCharField comes padded
    with contextlib.suppress(ValueError):
        return float(value)
    with contextlib.suppress(ValueError):
        return uuid.UUID(value).hex
    if value in ("true", "false"):
        return float(value == "true")
    with contextlib.suppress(ValueError):
        return _plain(json.loads(value)) if value[:1] in "[{" else value
    return value


def changes(case: Case, old: Schema, new: Schema) -> tuple[Operation, ...]:
    """Find the operations of a case."""
    found = diff(old, new, hints=Hints.parse(case.renames, case.backfills)).operations
    return tuple(_with_using(case, operation) for operation in found)


def _with_using(case: Case, operation: Operation) -> Operation:
    if not isinstance(operation, AlterColumn):
        return operation
    using = case.using.get(f"{operation.table}.{operation.new.name}")
    return replace(operation, using=using[0], reverse_using=using[1]) if using else operation


def places(operations: Iterable[Operation], schema: Schema) -> dict[tuple[TableKey, str], tuple[TableKey, str]]:
    """Follow each column that stays from where it is in `schema` to where it is after `operations`."""
    where = {(key, name): (key, name) for key, table in schema.tables.items() for name in table.column_names}
    for operation in operations:
        for start, (key, name) in list(where.items()):
            match operation:
                case RenameTable() | MoveTable() if operation.table == key:
                    where[start] = (operation.new_key, name)
                case RenameColumn() if (operation.table, operation.old) == (key, name):
                    where[start] = (key, operation.new)
        schema = operation.apply(schema)
        held = {(key, name) for key, table in schema.tables.items() for name in table.column_names}
        where = {start: at for start, at in where.items() if at in held}
    return where


def put_through(case: Case, bench: Bench) -> None:
    """Hold a case to all that is promised on one engine."""
    new, fresh_new = bench.make(case, case.after)
    old, fresh_old = bench.make(case, case.before)
    bench.insert(case.rows)
    first = bench.contents(old)
    forward = changes(case, old, new)
    back = MigrationManager(forward).rollback_operations
    bench.run(forward, old)
    assert differences(fresh_new, bench.catalogue()) == []
    assert bench.drift(new) == []
    expect_kept(case, first, bench.contents(new), places(forward, old))
    assert diff(apply_all(forward, old), new).operations == ()
    bench.run(back, new)
    assert differences(fresh_old, bench.catalogue()) == []
    assert bench.drift(old) == []
    expect_back(case, first, bench.contents(old), places(forward, old))
    bench.run(forward, old)
    assert differences(fresh_new, bench.catalogue()) == []


def expect_kept(case: Case, first: Mapping[Any, list[Any]], later: Mapping[Any, list[Any]], where: Any) -> None:
    """Hold what is in the columns that stay to what was in them, or to what the case says."""
    for start, at in where.items():
        known = case.values.get(f"{at[0]}.{at[1]}")
        wanted = sorted((_plain(value) for value in known), key=repr) if known is not None else first[start]
        if None in first[start] and None not in later[at] and known is None:  # filled
            continue
        assert later[at] == wanted, at
    for name, known in case.values.items():
        table, _, column = name.rpartition(".")
        schema, _, table = table.rpartition(".")
        assert later[TableKey(schema, table), column] == sorted((_plain(value) for value in known), key=repr), name


def expect_back(case: Case, first: Mapping[Any, list[Any]], later: Mapping[Any, list[Any]], where: Any) -> None:
    """Hold what is in the columns that stayed to what was in them at first."""
    for start in where:
        if f"{start[0]}.{start[1]}" not in case.lost and not (None in first[start] and None not in later[start]):
            assert later[start] == first[start], start
