"""SQL text looked at from outside: splitting, first words, and what can be shown of it. No parsing."""

from __future__ import annotations

import re

_LONGEST_SHOWN = 1000
_COMMENT = re.compile(r"\s*(?:--[^\n]*(?:\n|\Z)|/\*(?![!+]).*?\*/)", re.DOTALL)
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


def verb(sql: str) -> str:
    """Return a statement's first word in capitals, after comments."""
    text = sql
    while match := _COMMENT.match(text):
        text = text[match.end() :]
    word = re.match(r"[\s(]*([A-Za-z]+)", text)
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
    """Return a statement in one line, cut at 1,000 characters; its parameters never are in it."""
    line = " ".join(sql.split())
    return line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}… ({len(line)} characters)"
