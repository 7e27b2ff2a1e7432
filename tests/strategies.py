"""Random schemas and random edits of them, valid on SQLite and PostgreSQL alike, for laws and for real runs.

`schemas()` gives a schema; `edits()` gives a function from a schema and a Hypothesis data object to the next
schema, as a `Step` that tells which renames it made. Edits keep populated tables convertible: types only
widen or go to text, and a column that becomes not null has a literal Python default for the rows that are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from smalls.schema import Check, Column, ForeignKey, Index, Schema, Sql, Table, Type, Unique, types

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TABLES = ("author", "post", "user", "order", "Tag", "trigger", "two words")
COLUMNS = ("title", "body", "group", "views", "select", "Score", "état", "a b")

# type, database default, literal Python default
SCALARS: tuple[tuple[Type, str, Any], ...] = (
    (types.smallint(), "1", 2),
    (types.integer(), "42", 7),
    (types.bigint(), "0", 8),
    (types.boolean(), "TRUE", False),
    (types.double(), "1.5", 2.5),
    (types.decimal(10, 2), "9.99", 1),
    (types.varchar(20), "'x, (y)'", "v"),
    (types.varchar(255), "'it''s'", "it's"),
    (types.text(), "'a  b'", "t"),
    (types.date(), "'2020-01-01'", "2021-02-03"),
    (types.datetime(), "'2020-01-01 00:00:00'", "2021-02-03 04:05:06"),
)
WIDER: dict[Type, tuple[Type, ...]] = {
    types.smallint(): (types.integer(), types.bigint(), types.decimal(10, 2), types.text()),
    types.integer(): (types.bigint(), types.double(), types.varchar(255)),
    types.bigint(): (types.text(), types.varchar(255)),
    types.boolean(): (),
    types.double(): (types.text(),),
    types.decimal(10, 2): (types.decimal(14, 4), types.double(), types.text()),
    types.decimal(14, 4): (types.text(),),
    types.varchar(20): (types.varchar(255), types.text()),
    types.varchar(255): (types.text(),),
    types.text(): (types.varchar(255),),
    types.date(): (types.datetime(), types.text()),
    types.datetime(): (types.text(),),
}
KEY_TYPES = {"auto": types.integer(), "bigauto": types.bigint()}


@dataclass(frozen=True)
class Step:
    """A schema after an edit; `renames` are the hints that tell the differ what was renamed."""

    schema: Schema
    renames: tuple[str, ...] = ()
    what: str = ""


# values


def _default_of(type_: Type) -> tuple[str, Any]:
    return next(((sql, value) for known, sql, value in SCALARS if known.kind == type_.kind), ("'x'", "x"))


@st.composite
def columns(draw: st.DrawFn, name: str) -> Column:
    """Draw a plain column: any scalar type, null or not, with or without a default."""
    type_, sql, value = draw(st.sampled_from(SCALARS))
    default = sql if draw(st.integers(0, 3)) == 0 else None
    return Column(name, type_, null=draw(st.booleans()), default=default, python={"default": value})


def _keys(draw: st.DrawFn) -> tuple[list[Column], tuple[str, ...]]:
    kind = draw(st.sampled_from(["auto", "auto", "bigauto", "varchar", "pair"]))
    if kind == "pair":
        return [Column("ka", types.integer()), Column("kb", types.integer())], ("ka", "kb")
    if kind == "varchar":
        return [Column("code", types.varchar(20))], ("code",)
    return [Column("id", types.of(kind))], ("id",)


@st.composite
def tables(draw: st.DrawFn, name: str) -> Table:
    """Draw a table with a key and a few plain columns; indexes and constraints come by edits."""
    key_columns, key = _keys(draw)
    chosen = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=4, unique=True))
    plain = [draw(columns(column)) for column in chosen]
    return Table(name, [*key_columns, *plain], primary_key=key, python={"model": name.title().replace(" ", "")})


@st.composite
def schemas(draw: st.DrawFn, *, most: int = 4, decorations: int = 6) -> Schema:
    """Draw a schema of up to `most` tables, with indexes, constraints and foreign keys, rings included."""
    chosen = draw(st.lists(st.sampled_from(TABLES), min_size=0, max_size=most, unique=True))
    schema = Schema(draw(tables(name)) for name in chosen)
    for _ in range(draw(st.integers(0, decorations))):
        schema = draw(st.sampled_from(DECORATIONS))(draw, schema).schema
    return schema


def _some_table(draw: st.DrawFn, schema: Schema) -> Table | None:
    return schema.tables[draw(st.sampled_from(sorted(schema.tables)))] if schema.tables else None


def _free(taken: Iterable[str], stem: str) -> str:
    names = {name.casefold() for name in taken}
    return next(name for n in range(1, 10_000) if (name := f"{stem}_{n}").casefold() not in names)


def _objects(schema: Schema) -> set[str]:
    return {
        *(i.name for t in schema.tables.values() for i in t.indexes),
        *(c.name for t in schema.tables.values() for c in t.constraints),
    }


def _plain_columns(schema: Schema, table: Table) -> list[Column]:
    """Columns that are no part of a key, at either end."""
    linked = {name for fk in table.foreign_keys for name in fk.columns} | set(table.primary_key)
    referred = {
        name
        for other in schema.tables.values()
        for fk in other.foreign_keys
        if fk.ref_table == table.key
        for name in fk.ref_columns
    }
    return [c for c in table.columns if c.name not in linked | referred]


# edits: each returns the next schema, or the same where it does not apply


def add_table(draw: st.DrawFn, schema: Schema) -> Step:
    """Add a table under a free name."""
    taken = {key.name.casefold() for key in schema.tables}
    names = [name for name in TABLES if name.casefold() not in taken]
    return Step(schema.add(draw(tables(draw(st.sampled_from(names)))))) if names else Step(schema)


def drop_table(draw: st.DrawFn, schema: Schema) -> Step:
    """Drop a table, and the foreign keys to it."""
    table = _some_table(draw, schema)
    if table is None:
        return Step(schema)
    rest = [
        other.with_(constraints=[c for c in other.constraints if getattr(c, "ref_table", None) != table.key])
        for other in schema.tables.values()
        if other.key != table.key
    ]
    return Step(Schema(rest))


def rename_table(draw: st.DrawFn, schema: Schema) -> Step:
    """Rename a table, sometimes only in case."""
    table = _some_table(draw, schema)
    if table is None:
        return Step(schema)
    taken = {key.name.casefold() for key in schema.tables}
    names = [name for name in TABLES if name.casefold() not in taken] + [table.name.swapcase()]
    name = draw(st.sampled_from(names))
    return Step(schema.move(table.key, table.key._replace(name=name)), (f"{table.name}={name}",))


def swap_tables(draw: st.DrawFn, schema: Schema) -> Step:
    """Let two tables swap their names."""
    if len(schema.tables) < 2:
        return Step(schema)
    one, other = draw(st.lists(st.sampled_from(sorted(schema.tables)), min_size=2, max_size=2, unique=True))
    spare = one._replace(name="spare")
    swapped = schema.move(one, spare).move(other, one).move(spare, other)
    return Step(swapped, (f"{one.name}={other.name}", f"{other.name}={one.name}"))


def swap_columns(draw: st.DrawFn, schema: Schema) -> Step:
    """Let two columns of a table swap their names, and no index or constraint be among their users."""
    table = _some_table(draw, schema)
    plain = _plain_columns(schema, table) if table else []
    plain = [c for c in plain if not any(_mentions(i, c.name) for i in (*table.indexes, *table.constraints))]
    if len(plain) < 2:
        return Step(schema)
    one, other = (c.name for c in draw(st.lists(st.sampled_from(plain), min_size=2, max_size=2, unique=True)))
    swapped = schema.rename_columns(table.key, {one: other, other: one})
    return Step(swapped, (f"{table.name}.{one}={other}", f"{table.name}.{other}={one}"))


def add_column(draw: st.DrawFn, schema: Schema) -> Step:
    """Add a column under a free name."""
    table = _some_table(draw, schema)
    if table is None:
        return Step(schema)
    taken = {name.casefold() for name in table.column_names}
    names = [name for name in COLUMNS if name.casefold() not in taken]
    if not names:
        return Step(schema)
    column = draw(columns(draw(st.sampled_from(names))))
    return Step(schema.put(table.swap("columns", None, column)))


def _pick(draw: st.DrawFn, schema: Schema) -> tuple[Table, Column] | None:
    table = _some_table(draw, schema)
    plain = _plain_columns(schema, table) if table else []
    return (table, draw(st.sampled_from(plain))) if table and plain else None


def _mentions(item: Index | Check | Unique | ForeignKey, name: str) -> bool:
    if isinstance(item, Check):
        return f'"{name}"' in item.sql
    if isinstance(item, Index):
        texts = [item.where, *(part.text for part in item.parts if isinstance(part, Sql))]
        return name in item.columns or any(f'"{name}"' in text for text in texts)
    return name in item.columns


def drop_column(draw: st.DrawFn, schema: Schema) -> Step:
    """Drop a column and what leans on it."""
    picked = _pick(draw, schema)
    if picked is None:
        return Step(schema)
    table, column = picked
    table = table.with_(
        columns=[c for c in table.columns if c.name != column.name],
        indexes=[i for i in table.indexes if not _mentions(i, column.name)],
        constraints=[c for c in table.constraints if not _mentions(c, column.name)],
    )
    return Step(schema.put(table))


def rename_column(draw: st.DrawFn, schema: Schema) -> Step:
    """Rename a column, sometimes only in case, and in the SQL that mentions it."""
    picked = _pick(draw, schema)
    if picked is None:
        return Step(schema)
    table, column = picked
    taken = {name.casefold() for name in table.column_names}
    names = [name for name in COLUMNS if name.casefold() not in taken] + [column.name.swapcase()]
    name = draw(st.sampled_from(names))
    if name in table.column_names:
        return Step(schema)
    moved = schema.rename_columns(table.key, {column.name: name})
    moved = moved.put(_reworded(moved.table(table.key), column.name, name))
    return Step(moved, (f"{table.name}.{column.name}={name}",))


def _reworded(table: Table, old: str, new: str) -> Table:
    def reword(text: str) -> str:
        return text.replace(f'"{old}"', f'"{new}"')

    return table.with_(
        indexes=[
            Index(
                index.name,
                [Sql(reword(part.text)) if isinstance(part, Sql) else part for part in index.parts],
                unique=index.unique,
                where=reword(index.where),
            )
            for index in table.indexes
        ],
        constraints=[Check(reword(c.sql), c.name) if isinstance(c, Check) else c for c in table.constraints],
    )


def alter_type(draw: st.DrawFn, schema: Schema) -> Step:
    """Give a column a type that its values convert to; what leans on the old type goes."""
    picked = _pick(draw, schema)
    if picked is None or not WIDER.get(picked[1].type):
        return Step(schema)
    table, column = picked
    type_ = draw(st.sampled_from(WIDER[column.type]))
    sql, value = _default_of(type_)
    default = None if column.default is None else sql
    changed = column.with_(type=type_, default=default, python={"default": value})
    table = table.swap("columns", column, changed).with_(
        indexes=[i for i in table.indexes if not (_mentions(i, column.name) and i.textual)],
        constraints=[c for c in table.constraints if not (isinstance(c, Check) and _mentions(c, column.name))],
    )
    return Step(schema.put(table))


def toggle_null(draw: st.DrawFn, schema: Schema) -> Step:
    """Turn null into not null or back."""
    picked = _pick(draw, schema)
    if picked is None:
        return Step(schema)
    table, column = picked
    return Step(schema.put(table.swap("columns", column, column.with_(null=not column.null))))


def toggle_default(draw: st.DrawFn, schema: Schema) -> Step:
    """Give or take a database default."""
    picked = _pick(draw, schema)
    if picked is None:
        return Step(schema)
    table, column = picked
    default = _default_of(column.type)[0] if column.default is None else None
    return Step(schema.put(table.swap("columns", column, column.with_(default=default))))


def add_index(draw: st.DrawFn, schema: Schema) -> Step:
    """Add an index: plain, partial, or over an expression; not unique, so that any rows will do."""
    table = _some_table(draw, schema)
    if table is None:
        return Step(schema)
    column = draw(st.sampled_from(table.columns))
    name = _free(_objects(schema), "ix")
    form = draw(st.sampled_from(["plain", "two", "partial", "expression"]))
    parts: list[str | Sql] = [column.name]
    if form == "two":
        parts = list(dict.fromkeys([column.name, draw(st.sampled_from(table.column_names))]))
    if form == "expression" and column.type.kind in ("text", "varchar"):
        parts = [Sql(f'lower("{column.name}")')]
    where = f'"{column.name}" IS NOT NULL' if form == "partial" else ""
    return Step(schema.put(table.swap("indexes", None, Index(name, parts, where=where))))


def drop_index(draw: st.DrawFn, schema: Schema) -> Step:
    """Drop an index."""
    table = _some_table(draw, schema)
    if table is None or not table.indexes:
        return Step(schema)
    return Step(schema.put(table.swap("indexes", draw(st.sampled_from(table.indexes)), None)))


def rename_index(draw: st.DrawFn, schema: Schema) -> Step:
    """Rename an index."""
    table = _some_table(draw, schema)
    if table is None or not table.indexes:
        return Step(schema)
    index = draw(st.sampled_from(table.indexes))
    renamed = Index(_free(_objects(schema), "rx"), index.parts, unique=index.unique, where=index.where)
    return Step(schema.put(table.swap("indexes", index, renamed)))


def add_check(draw: st.DrawFn, schema: Schema) -> Step:
    """Add a check that any value passes, named or not."""
    picked = _pick(draw, schema)
    if picked is None:
        return Step(schema)
    table, column = picked
    name = draw(st.sampled_from(["", _free(_objects(schema), "ck")]))
    check = Check(f'"{column.name}" IS NULL OR "{column.name}" = "{column.name}"', name)
    if check in table.constraints:
        return Step(schema)
    return Step(schema.put(table.swap("constraints", None, check)))


def add_unique(draw: st.DrawFn, schema: Schema) -> Step:
    """Add a unique constraint over the primary key's columns and one more: any rows will do."""
    picked = _pick(draw, schema)
    if picked is None:
        return Step(schema)
    table, column = picked
    unique = Unique([*table.primary_key, column.name], name=_free(_objects(schema), "uq"))
    return Step(schema.put(table.swap("constraints", None, unique)))


def drop_constraint(draw: st.DrawFn, schema: Schema) -> Step:
    """Drop any constraint."""
    table = _some_table(draw, schema)
    if table is None or not table.constraints:
        return Step(schema)
    return Step(schema.put(table.swap("constraints", draw(st.sampled_from(table.constraints)), None)))


def add_foreign_key(draw: st.DrawFn, schema: Schema) -> Step:
    """Add a nullable column with a foreign key to any table with a single key, itself included."""
    table, target = _some_table(draw, schema), _some_table(draw, schema)
    if table is None or target is None or len(target.primary_key) != 1:
        return Step(schema)
    key = target.column(target.primary_key[0])
    column = Column(_free(table.column_names, "ref"), KEY_TYPES.get(key.type.kind, key.type), null=True)
    name = draw(st.sampled_from(["", _free(_objects(schema), "fk")]))
    action = draw(st.sampled_from(["", "CASCADE", "SET NULL"]))
    fk = ForeignKey(column.name, target.key, key.name, on_delete=action, name=name)
    table = table.with_(columns=[*table.columns, column], constraints=[*table.constraints, fk])
    return Step(schema.put(table))


def change_action(draw: st.DrawFn, schema: Schema) -> Step:
    """Change ON DELETE of a foreign key, under the same name."""
    table = _some_table(draw, schema)
    if table is None or not table.foreign_keys:
        return Step(schema)
    fk = draw(st.sampled_from(table.foreign_keys))
    action = "CASCADE" if fk.on_delete != "CASCADE" else "SET NULL"
    changed = ForeignKey(fk.columns, fk.ref_table, fk.ref_columns, on_delete=action, name=fk.name)
    return Step(schema.put(table.swap("constraints", fk, changed)))


def widen_key(draw: st.DrawFn, schema: Schema) -> Step:
    """Widen an automatic key from 32 to 64 bits, and every column that refers to it."""
    table = _some_table(draw, schema)
    if table is None or table.column(table.columns[0].name).type != types.auto():
        return Step(schema)
    key = table.columns[0]
    schema = schema.put(table.swap("columns", key, key.with_(type=types.bigauto())))
    for other in list(schema.tables.values()):
        for fk in other.foreign_keys:
            if fk.ref_table == table.key:
                held = schema.table(other.key)
                column = held.column(fk.columns[0])
                schema = schema.put(held.swap("columns", column, column.with_(type=types.bigint())))
    return Step(schema)


def extend_key(draw: st.DrawFn, schema: Schema) -> Step:
    """Add a not-null column to a primary key that nothing refers to, or take the last one from a longer key."""
    table = _some_table(draw, schema)
    if table is None or any(fk.ref_table == table.key for t in schema.tables.values() for fk in t.foreign_keys):
        return Step(schema)
    if len(table.primary_key) > 2:
        return Step(schema.put(table.with_(primary_key=table.primary_key[:-1])))
    ready = [c for c in _plain_columns(schema, table) if not c.null and c.type.kind != "text"]
    if not ready or table.columns[0].type.automatic:  # SQLite numbers a single key only
        return Step(schema)
    return Step(schema.put(table.with_(primary_key=[*table.primary_key, draw(st.sampled_from(ready)).name])))


DECORATIONS: list[Callable[[st.DrawFn, Schema], Step]] = [add_index, add_check, add_unique, add_foreign_key]
EDITS: list[Callable[[st.DrawFn, Schema], Step]] = [
    *DECORATIONS,
    add_table,
    drop_table,
    rename_table,
    swap_tables,
    add_column,
    drop_column,
    rename_column,
    swap_columns,
    alter_type,
    toggle_null,
    toggle_default,
    drop_index,
    rename_index,
    drop_constraint,
    change_action,
    widen_key,
    extend_key,
]


@st.composite
def walks(draw: st.DrawFn, *, length: int = 20, start: st.SearchStrategy[Schema] | None = None) -> list[Step]:
    """Successive steps, the start first: each the schema before it after one random edit."""
    steps = [Step(draw(start if start is not None else st.just(Schema())), (), "start")]
    for _ in range(length):
        edit = draw(st.sampled_from(EDITS if steps[-1].schema.tables else [add_table]))
        step = edit(draw, steps[-1].schema)
        steps.append(Step(step.schema, step.renames, edit.__name__))
    return steps
