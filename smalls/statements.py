"""SQL text looked at from outside: splitting, first words, and what can be shown of it. No parsing."""

from __future__ import annotations

import re
from functools import lru_cache

_LONGEST_SHOWN = 1000
DATA = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE"})
_STRING = r"""'(?:[^'\\]|''|\\.)*'|\$(\w*)\$.*?\$\1\$"""
_STRINGS = re.compile(_STRING, re.DOTALL)
_VALUES = re.compile(rf"{_STRING}|(?P<name>\"[^\"]*\"|`[^`]*`)|(?<!\w)\d[\w.]*", re.DOTALL)
# From such a word on, strings are taken for secrets: CREATE USER, SET PASSWORD, rows of users, subscriptions …
_SECRET = re.compile(r"PASSW|IDENTIFIED|SECRET|TOKEN|API_?KEY|\bCONNECTION\b", re.IGNORECASE)
_QUOTED = re.compile(r'(\b(?:BY|AS|PASSWORD)\s+|[=(]\s*)"[^"]*"', re.IGNORECASE)  # also a string, on MySQL
_COMMENT = re.compile(r"\s*(?:--[^\n]*(?:\n|\Z)|/\*(?![!+]).*?\*/)", re.DOTALL)
_WORD = re.compile(r"[\s(]*([A-Za-z]+)")
_PIECE = re.compile(
    r"""'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/|;|.""",
    re.DOTALL,
)
_READS = frozenset(
    {"SELECT", "SHOW", "EXPLAIN", "DESCRIBE", "DESC", "SET", "USE", "VALUES", "PRAGMA", "WITH", "HELP"}
)
_WRITING_READ = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE|INTO)\b", re.IGNORECASE)
_HALFWAY = re.compile(
    r"\s*(?:CALL\b|DROP\s+(?:TABLE|VIEW)\b[^;]*,|RENAME\s+TABLE\b[^;]*,|(?:CREATE|DROP|REINDEX|ALTER)\b.*\bCONCURRENTLY\b)",
    re.IGNORECASE | re.DOTALL,
)


def split_statements(text: str) -> list[str]:
    """Split at semicolons that stand outside quotes, dollar quotes and comments."""
    statements, current = [], ""
    for match in _PIECE.finditer(text):
        if match[0] == ";":
            statements.append(current)
            current = ""
        else:
            current += match[0]
    return [statement.strip() for statement in (*statements, current) if statement.strip()]


@lru_cache(maxsize=16)  # of one statement it is asked again and again
def verb(sql: str) -> str:
    """Return a statement's first word in capitals, after comments."""
    text = sql
    while match := _COMMENT.match(text):
        text = text[match.end() :]
    word = _WORD.match(text)
    return word[1].upper() if word else ""


def only_reads(sql: str) -> bool:
    """Tell whether a statement surely changes nothing; in doubt it does not say so."""
    first = verb(sql)
    return first in _READS and not (first in {"SELECT", "WITH", "EXPLAIN"} and _WRITING_READ.search(sql))


def may_fail_halfway(sql: str) -> bool:
    """Tell whether a statement that failed may have left something behind, by itself and for good.

    A failed CREATE INDEX CONCURRENTLY leaves an invalid index; DROP TABLE of several drops what is there
    on MariaDB; a procedure may commit.
    """
    return _HALFWAY.match(sql) is not None


def shown(sql: str) -> str:
    """Return a statement in one line, cut at 1,000 characters, without passwords that are written in it.

    Its parameters never are in it.
    """
    line = " ".join(_masked(sql).split())
    return line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}… ({len(line)} characters)"


def without_values(sql: str, *, names_in: str = '"`') -> str:
    """Return another program's statement as `shown`, with `?` for strings and numbers, which may be anybody's.

    `names_in` are the quotes that hold names, not strings.
    """
    return shown(_VALUES.sub(lambda found: found[0] if (found["name"] or " ")[0] in names_in else "?", sql))


def _masked(sql: str) -> str:
    found = _SECRET.search(sql)
    if not found:
        return sql
    head, tail = sql[: found.end()], sql[found.end() :]
    return head + _QUOTED.sub(r"\1'***'", _STRINGS.sub("'***'", tail))
