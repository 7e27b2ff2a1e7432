"""PostgreSQL's catalogue: https://www.postgresql.org/docs/current/catalogs.html."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from smalls.reflect.base import Catalogue, LiveColumn, LiveTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalls.reflect.base import Query

_TABLES = """
SELECT c.oid, n.nspname = current_schema(), n.nspname, c.relname, coalesce(obj_description(c.oid, 'pg_class'), ''),
       concat_ws(' ', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' WHEN 't' THEN 'TEMPORARY' END,
                 'WITH (' || (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(c.reloptions) o) || ')')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
"""
_COLUMNS = """
SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
       CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
       CASE WHEN a.attgenerated = '' THEN '' ELSE concat(a.attgenerated, ' ', pg_get_expr(d.adbin, d.adrelid)) END,
       a.attidentity::text,
       CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text ELSE '' END,
       coalesce(col_description(a.attrelid, a.attnum), '')
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY(%s)
"""
_KEYS = """
SELECT c.conrelid, a.attname FROM pg_constraint c, unnest(c.conkey) WITH ORDINALITY k (attnum, at)
JOIN pg_attribute a ON a.attnum = k.attnum
WHERE c.contype = 'p' AND a.attrelid = c.conrelid AND c.conrelid = ANY(%s) ORDER BY c.conrelid, k.at
"""
# not-null constraints have rows of their own since PostgreSQL 18; the column's `null` tells of them
_CONSTRAINTS = """
SELECT conrelid, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype <> 'n' AND conrelid = ANY(%s)
"""
_INDEXES = """
SELECT indrelid, indexrelid::regclass::text,
       pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END
FROM pg_index WHERE indrelid = ANY(%s)
"""
_SEQUENCES = """
SELECT d.refobjid, s.seqrelid::regclass::text,
       concat_ws(' ', format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcycle,
                 d.deptype)
FROM pg_sequence s JOIN pg_depend d ON d.objid = s.seqrelid AND d.classid = 'pg_class'::regclass
WHERE d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjid = ANY(%s)
"""
_TRIGGERS = """
SELECT tgrelid, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = ANY(%s)
"""

_NUMBERED = re.compile(r"(.*_(?:check|key|fkey))\d*")


def read(query: Query, *, without: Iterable[str] = ()) -> Catalogue:
    """Return the catalogue of all schemas that are not PostgreSQL's own, but for the tables in `without`."""
    left_out = set(without)
    heads = {
        oid: (name if own else f"{schema}.{name}", comment, options)
        for oid, own, schema, name, comment, options in query(_TABLES)
        if name not in left_out
    }
    oids = list(heads)
    columns, keys = _columns(query, oids), _keys(query, oids)
    constraints, indexes, sequences, triggers = (
        _by_table(query, sql, oids) for sql in (_CONSTRAINTS, _INDEXES, _SEQUENCES, _TRIGGERS)
    )
    return Catalogue(
        {
            shown: LiveTable(
                columns[oid],
                tuple(keys[oid]),
                indexes[oid],
                _numbered(constraints[oid]),
                sequences[oid],
                triggers[oid],
                comment,
                options,
            )
            for oid, (shown, comment, options) in heads.items()
        }
    )


def _columns(query: Query, oids: list[int]) -> dict[int, dict[str, LiveColumn]]:
    found: dict[int, dict[str, LiveColumn]] = defaultdict(dict)
    for oid, name, *rest in query(_COLUMNS, (oids,)):
        found[oid][name] = LiveColumn(*rest)
    return found


def _keys(query: Query, oids: list[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for oid, name in query(_KEYS, (oids,)):
        found[oid].append(name)
    return found


def _by_table(query: Query, sql: str, oids: list[int]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for oid, name, definition in query(sql, (oids,)):
        found[oid][name] = definition
    return found


def _numbered(constraints: dict[str, str]) -> dict[str, str]:
    """Order the numbers of unnamed constraints of one stem by what they say: which came first is chance."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(constraints):
        match = _NUMBERED.fullmatch(name)
        groups[match[1] if match else name].append(name)
    return {
        name: definition
        for names in groups.values()
        for name, definition in zip(names, sorted(constraints[name] for name in names), strict=True)
    }
