"""MySQL's and MariaDB's catalogue: https://dev.mysql.com/doc/refman/9.1/en/information-schema.html.

What the server named by a number of its own goes by its definition: such names depend on how a table came to be.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from smalls.reflect.base import Catalogue, LiveColumn, LiveTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from smalls.reflect.base import Query

_NUMBERED = re.compile(r"(?:.+_(?:ibfk|chk)_|CONSTRAINT_|)\d+")
_TABLES = """
SELECT table_name, table_comment, CONCAT_WS(' ', engine, table_collation, create_options)
FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'
"""
_COLUMNS = """
SELECT table_name, column_name, column_type, is_nullable = 'YES', column_default, generation_expression,
       collation_name, column_comment, extra
FROM information_schema.columns WHERE table_schema = DATABASE()
"""
_INDEXES = """
SELECT table_name, index_name, non_unique, index_type, {part}, sub_part, collation
FROM information_schema.statistics WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index
"""
_KEYS = """
SELECT k.table_name, k.constraint_name, CONCAT(
    'FOREIGN KEY (', GROUP_CONCAT(k.column_name ORDER BY k.ordinal_position), ') REFERENCES ',
    IF(k.referenced_table_schema = DATABASE(), '', CONCAT(k.referenced_table_schema, '.')), k.referenced_table_name,
    ' (', GROUP_CONCAT(k.referenced_column_name ORDER BY k.ordinal_position), ')',
    ' ON DELETE ', MAX(r.delete_rule), ' ON UPDATE ', MAX(r.update_rule))
FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r
ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name
    AND r.table_name = k.table_name
WHERE k.table_schema = DATABASE() AND k.referenced_table_name IS NOT NULL
GROUP BY k.table_name, k.constraint_name, k.referenced_table_schema, k.referenced_table_name
"""
_CHECKS = {
    False: """
SELECT t.table_name, t.constraint_name,
       CONCAT('CHECK ', c.check_clause, IF(t.enforced = 'YES', '', ' NOT ENFORCED'))
FROM information_schema.table_constraints t JOIN information_schema.check_constraints c
USING (constraint_schema, constraint_name) WHERE t.table_schema = DATABASE() AND t.constraint_type = 'CHECK'
""",
    True: """
SELECT table_name, constraint_name, CONCAT(level, ' CHECK ', check_clause)
FROM information_schema.check_constraints WHERE constraint_schema = DATABASE()
""",
}
_TRIGGERS = """
SELECT event_object_table, trigger_name, CONCAT_WS(' ', action_timing, event_manipulation, action_statement)
FROM information_schema.triggers WHERE trigger_schema = DATABASE()
"""


def read(query: Query, *, without: Iterable[str] = ()) -> Catalogue:
    """Return the catalogue of the connection's database, but for the tables in `without`."""
    left_out = set(without)
    mariadb = "mariadb" in str(query("SELECT VERSION()")[0][0]).lower()
    columns: dict[str, dict[str, LiveColumn]] = defaultdict(dict)
    for table, name, *rest in query(_COLUMNS):
        columns[table][name] = _column(rest)
    # MariaDB has no indexes over expressions
    parts = _indexes(query(_INDEXES.format(part="column_name" if mariadb else "COALESCE(column_name, expression)")))
    constraints = _by_table(query(_KEYS), query(_CHECKS[mariadb]))
    triggers = _by_table(query(_TRIGGERS))
    return Catalogue(
        {
            name: LiveTable(
                columns[name],
                tuple(part for part, *_ in parts[name].get("PRIMARY", ())),
                {index: _index(held) for index, held in parts[name].items() if index != "PRIMARY"},
                constraints[name],
                triggers=triggers[name],
                comment=comment,
                options=options,
            )
            for name, comment, options in query(_TABLES)
            if name not in left_out
        }
    )


def _column(row: Sequence[object]) -> LiveColumn:
    type_, null, default, generated, collation, comment, extra = (None if v is None else str(v) for v in row)
    return LiveColumn(
        type_ or "",
        null == "1",
        default,
        generated=generated or "",
        collation=collation or "",
        comment=comment or "",
        extra=extra or "",
    )


def _indexes(rows: Iterable[Sequence[object]]) -> Mapping[str, dict[str, list[tuple[str, str]]]]:
    """Return by table and index its parts, each with the words that describe it."""
    found: dict[str, dict[str, list[tuple[str, str]]]] = defaultdict(dict)
    for table, index, non_unique, kind, part, length, order in rows:
        size = f"({length})" if length else ""
        words = f"{'' if non_unique else 'UNIQUE '}{kind} {part}{size}{' DESC' if order == 'D' else ''}"
        found[str(table)].setdefault(str(index), []).append((str(part), words))
    return found


def _index(parts: Iterable[tuple[str, str]]) -> str:
    return ", ".join(words for _, words in parts)


def _by_table(*found: Iterable[Sequence[str]]) -> Mapping[str, dict[str, str]]:
    held: dict[str, dict[str, str]] = defaultdict(dict)
    for rows in found:
        for table, name, definition in rows:
            # MariaDB names a column's check by the column, and forgets to when that is renamed
            nameless = _NUMBERED.fullmatch(name) or definition.startswith("Column CHECK")
            held[table][definition if nameless else name] = definition
    return held
