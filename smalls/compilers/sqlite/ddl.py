"""SQLite's words for types, columns, constraints, tables and indexes, as Peewee's `create_tables` has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.compilers.refusals import SQLITE, refusal
from smalls.schema import Check, ForeignKey, types
from smalls.sqltokens import with_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from smalls.operations import Value
    from smalls.schema import Column, Constraint, Index, Table, TableKey, Type

# Peewee's FIELD and SqliteDatabase.field_types; JSON is TEXT because SQLite would take JSON for NUMERIC.
_WORDS = {
    "auto": "INTEGER",
    "bigauto": "INTEGER",
    "smallint": "INTEGER",
    "integer": "INTEGER",
    "bigint": "INTEGER",
    "boolean": "INTEGER",
    "real": "REAL",
    "double": "REAL",
    "decimal": "DECIMAL",
    "char": "CHAR",
    "varchar": "VARCHAR",
    "text": "TEXT",
    "blob": "BLOB",
    "uuid": "TEXT",
    "binary_uuid": "BLOB",
    "date": "DATE",
    "time": "TIME",
    "datetime": "DATETIME",
    "timestamptz": "TIMESTAMPTZ",
    "interval": "INTERVAL",
    "json": "TEXT",
    "jsonb": "JSONB",
    "hstore": "HSTORE",
    "tsvector": "TSVECTOR",
}
# https://www.sqlite.org/stricttables.html
_STRICT = {"INT", "INTEGER", "REAL", "TEXT", "BLOB", "ANY"}


def quote(name: str) -> str:
    """Return `name` as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def quoted(names: Iterable[str]) -> str:
    """Return names as a list of identifiers."""
    return ", ".join(map(quote, names))


def dotted(key: TableKey) -> str:
    """Return the table's name with the attached database it is in."""
    return f"{quote(key.schema)}.{quote(key.name)}" if key.schema else quote(key.name)


def literal(value: Value) -> str:
    """Return a plain value as SQL: https://www.sqlite.org/lang_expr.html#literal_values_constants_."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else f"({value.text})"


def type_word(type_: Type) -> str:
    """Return the type as Peewee writes it; "" for a column without one."""
    if type_.kind == "raw":
        return str(type_.params["ddl"])
    if type_.kind == "array":
        return type_word(types.item_of(type_)) + "[]" * int(type_.get("dimensions", 1))
    word = _WORDS[type_.kind] + (" UNSIGNED" if type_.get("unsigned") else "")
    modifiers = [str(type_.params[name]) for name in ("length", "precision", "scale") if name in type_.params]
    return f"{word}({', '.join(modifiers)})" if modifiers else word


def column_sql(column: Column, table: Table) -> str:
    """Return the column's definition in its table: https://www.sqlite.org/syntax/column-def.html.

    Raises UnsupportedError for what SQLite has not.
    """
    _refuse(column, table)
    return " ".join(filter(None, (quote(column.name), type_word(column.type), *_traits(column, table))))


def _refuse(column: Column, table: Table) -> None:
    where = f"{table.key}.{column.name}"
    for key in ("identity", "sequence"):
        if getattr(column, key):
            raise refusal(key, SQLITE, where)
    if table.options.strict and type_word(column.type).upper() not in _STRICT:
        raise refusal("strict", SQLITE, where)


def _traits(column: Column, table: Table) -> Iterator[str]:
    if not column.null:
        yield "NOT NULL"
    if table.primary_key == (column.name,):
        yield "PRIMARY KEY"
        # it may stand nowhere else: https://www.sqlite.org/autoinc.html
        yield from (word for word in column.extra if word.upper() == "AUTOINCREMENT")
    if column.default is not None:
        yield f"DEFAULT {column.default}"
    yield from (f"CHECK ({check})" for check in column.checks)
    yield from (word for word in column.extra if word.upper() != "AUTOINCREMENT")
    if column.generated:
        yield f"GENERATED ALWAYS AS ({column.generated.sql}) {'STORED' if column.generated.stored else 'VIRTUAL'}"
    if column.collation:
        yield f"COLLATE {column.collation}"


def constraint_sql(constraint: Constraint, table: Table) -> str:
    """Return the table constraint; raises UnsupportedError for what SQLite has not."""
    name = f"CONSTRAINT {quote(constraint.name)} " if constraint.name else ""
    if isinstance(constraint, Check):
        return f"{name}CHECK ({constraint.sql})"
    if isinstance(constraint, ForeignKey):
        return name + _foreign_key_sql(constraint)
    if constraint.deferrable:
        raise refusal("deferrable-unique", SQLITE, table.key)
    return f"{name}UNIQUE ({quoted(constraint.columns)})"


def _foreign_key_sql(key: ForeignKey) -> str:
    words = [f"FOREIGN KEY ({quoted(key.columns)})"]
    # a key never leaves its file, so its target has no schema
    words.append(f"REFERENCES {quote(key.ref_table.name)} ({quoted(key.ref_columns)})")
    words += [f"ON DELETE {key.on_delete}"] if key.on_delete else []
    words += [f"ON UPDATE {key.on_update}"] if key.on_update else []
    words += [f"DEFERRABLE {key.deferrable}"] if key.deferrable else []
    return " ".join(words)


def create_table(table: Table, name: str = "") -> str:
    """Return CREATE TABLE, under another name if one is given; indexes are statements of their own."""
    key = table.key._replace(name=name or table.name)
    if table.options.module:
        return f"CREATE VIRTUAL TABLE {dotted(key)} USING {table.options.module} ({_arguments(table)})"
    parts = [column_sql(column, table) for column in table.columns]
    if len(table.primary_key) > 1:
        parts.append(f"PRIMARY KEY ({quoted(table.primary_key)})")
    parts += [constraint_sql(item, table) for item in table.constraints]
    parts += _pairs(table)
    word = "TEMPORARY TABLE" if table.options.temporary else "TABLE"
    ending = [*table.options.settings, ", ".join(_kept(table))]
    return " ".join(filter(None, (f"CREATE {word} {dotted(key)} ({', '.join(parts)})", *ending)))


def _kept(table: Table) -> Iterator[str]:
    if table.options.strict:
        yield "STRICT"
    if table.options.without_rowid:
        yield "WITHOUT ROWID"


def _pairs(table: Table) -> list[str]:
    return [f"{name}={value}" for name, value in table.options.extra.items()]


def _arguments(table: Table) -> str:
    """Return a module's arguments; a column that numbers rows is the rowid, which is there anyway."""
    named = [column for column in table.columns if not column.type.automatic]
    words = [quote(column.name) + (" UNINDEXED" if column.unindexed else "") for column in named]
    return ", ".join((*words, *table.options.settings, *_pairs(table)))


def create_index(index: Index, table: Table) -> str:
    """Return CREATE INDEX; raises UnsupportedError for what SQLite has not."""
    if index.sql:
        return index.sql
    if index.method:
        raise refusal("method", SQLITE, f"index {index.name}")
    if index.nulls_distinct is False:
        raise refusal("nulls", SQLITE, f"index {index.name}")
    parts = ", ".join(quote(part) if isinstance(part, str) else with_numbers(part.text) for part in index.parts)
    unique = "UNIQUE " if index.unique else ""
    where = f" WHERE {with_numbers(index.where)}" if index.where else ""
    return f"CREATE {unique}INDEX {index_name(index.name, table)} ON {quote(table.name)} ({parts}){where}"


def index_name(name: str, table: Table) -> str:
    """Return an index's name with the attached database it is in."""
    return dotted(table.key._replace(name=name))
