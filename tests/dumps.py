"""Write a whole database as canonical text, from its catalogue, for comparison byte by byte."""

import re
from collections.abc import Iterator
from typing import Any

TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    "postgres": "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
    "mysql": "SELECT table_name FROM information_schema.tables"
    " WHERE table_schema = database() AND table_type = 'BASE TABLE'",
}


def dump(family: str, cursor: Any, *, without: tuple[str, ...], sequences: bool) -> str:
    """Write what a cursor's database holds; tables in `without` are left out."""
    writer = {"sqlite": _sqlite, "postgres": _postgres, "mysql": _mysql}[family]
    return "\n".join(writer(cursor, without, sequences)) + "\n"


def _rows(cursor: Any, sql: str) -> list[tuple]:
    cursor.execute(sql)
    return [tuple(row) for row in cursor.fetchall()]


def _contents(cursor: Any, table: str, sql: str) -> Iterator[str]:
    yield from sorted(f"{table}: {row!r}" for row in _rows(cursor, sql))


# ---- SQLite


def _sqlite(cursor: Any, without: tuple[str, ...], sequences: bool) -> Iterator[str]:
    for pragma in ("user_version", "application_id", "encoding", "journal_mode"):
        yield f"{pragma} = {_rows(cursor, f'PRAGMA {pragma}')[0][0]}"
    objects = _rows(cursor, "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2")
    kept = [row for row in objects if row[2] not in without]
    yield from map(repr, kept)
    for kind, name, *_ in kept:
        if kind == "table" and (sequences or name != "sqlite_sequence"):
            quoted = name.replace('"', '""')
            yield from _contents(cursor, name, f'SELECT * FROM "{quoted}"')


# ---- PostgreSQL: every schema that is not the system's

USER = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
IN_SCHEMA = f"JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {USER}"
POSTGRES_CATALOGUE = {
    "schema": f"SELECT '', nspname, nspowner::regrole, nspacl::text FROM pg_namespace n WHERE {USER}",
    "extension": "SELECT '', extname, extversion FROM pg_extension",
    "relation": "SELECT c.relname, nspname, relkind, relpersistence, relowner::regrole, relacl::text,"
    " reloptions::text, relrowsecurity, relispartition, obj_description(c.oid, 'pg_class')"
    f" FROM pg_class c {IN_SCHEMA} AND relkind <> 'i'",
    "column": "SELECT c.relname, nspname, attnum, attname, format_type(atttypid, atttypmod), attnotnull,"
    " pg_get_expr(adbin, adrelid), attidentity, attgenerated, attcollation::regcollation, attacl::text,"
    " col_description(c.oid, attnum)"
    " FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped"
    f" LEFT JOIN pg_attrdef d ON adrelid = c.oid AND adnum = attnum {IN_SCHEMA} AND relkind <> 'i'",
    "constraint": "SELECT c.relname, nspname, conname, pg_get_constraintdef(k.oid), convalidated"
    f" FROM pg_class c JOIN pg_constraint k ON conrelid = c.oid {IN_SCHEMA}",
    "index": "SELECT c.relname, nspname, pg_get_indexdef(indexrelid), indisvalid, indisprimary, indisclustered"
    f" FROM pg_class c JOIN pg_index ON indrelid = c.oid {IN_SCHEMA}",
    "trigger": "SELECT c.relname, nspname, pg_get_triggerdef(t.oid), tgenabled"
    f" FROM pg_class c JOIN pg_trigger t ON tgrelid = c.oid AND NOT tgisinternal {IN_SCHEMA}",
    "view": "SELECT c.relname, nspname, pg_get_viewdef(c.oid)"
    f" FROM pg_class c {IN_SCHEMA} AND relkind IN ('v', 'm')",
    "sequence": "SELECT '', schemaname, sequencename, data_type, start_value, min_value, max_value, increment_by,"
    " cycle, cache_size FROM pg_sequences",
    "function": "SELECT '', pg_get_functiondef(p.oid) FROM pg_proc p"
    f" JOIN pg_namespace n ON n.oid = pronamespace WHERE {USER} AND prokind IN ('f', 'p')"
    " AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e')",
    "type": "SELECT '', nspname, typname, typtype, (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder)"
    " FROM pg_enum WHERE enumtypid = t.oid)"
    f" FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace WHERE {USER} AND typtype IN ('e', 'd', 'r')",
    "policy": "SELECT c.relname, nspname, polname, pg_get_expr(polqual, polrelid)"
    f" FROM pg_class c JOIN pg_policy ON polrelid = c.oid {IN_SCHEMA}",
}


def _postgres(cursor: Any, without: tuple[str, ...], sequences: bool) -> Iterator[str]:
    for kind, sql in POSTGRES_CATALOGUE.items():
        yield from sorted(f"{kind}: {row!r}" for row in _rows(cursor, sql) if not _left_out(row, without))
    stored = _rows(cursor, f"SELECT nspname, c.relname FROM pg_class c {IN_SCHEMA} AND relkind IN ('r', 'm')")
    for schema, table in sorted(stored):
        if table not in without:
            yield from _contents(cursor, table, f'SELECT t::text FROM "{schema}"."{table}" t')
    if sequences:
        yield from _contents(cursor, "position", "SELECT schemaname, sequencename, last_value FROM pg_sequences")


def _left_out(row: tuple, without: tuple[str, ...]) -> bool:
    """Tell whether a catalogue row is about a table that is left out, or about its sequence."""
    return any(table in row or f"{table}_id_seq" in row for table in without)


# ---- MySQL and MariaDB

MYSQL_CATALOGUE = {
    "database": "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata"
    " WHERE schema_name = database()",
    "trigger": "SELECT trigger_name, event_object_table, action_timing, event_manipulation, action_statement"
    " FROM information_schema.triggers WHERE trigger_schema = database()",
    "routine": "SELECT routine_name, routine_type, routine_definition FROM information_schema.routines"
    " WHERE routine_schema = database()",
    "event": "SELECT event_name, status, event_definition FROM information_schema.events"
    " WHERE event_schema = database()",
}


def _mysql(cursor: Any, without: tuple[str, ...], sequences: bool) -> Iterator[str]:
    for kind, sql in MYSQL_CATALOGUE.items():
        yield from sorted(f"{kind}: {row!r}" for row in _rows(cursor, sql) if not set(row) & set(without))
    names = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = database()"
    for name, kind in sorted(_rows(cursor, names)):
        if name not in without:
            (definition,) = _rows(cursor, f"SHOW CREATE TABLE `{name}`")
            yield definition[1] if sequences else re.sub(r" AUTO_INCREMENT=\d+", "", definition[1])
            if kind == "BASE TABLE":
                yield from _contents(cursor, name, f"SELECT * FROM `{name}`")
