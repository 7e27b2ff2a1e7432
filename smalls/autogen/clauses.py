"""Column and table constraints that a project wrote as SQL, taken apart into what a state holds.

No grammar of SQL: words, quotes and brackets are enough to tell where one clause ends and the next begins.
What is not known is kept, verbatim, as `extra`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from smalls.schema import Check, Constraint, ForeignKey, Generated, Unique

_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[^\W\d][\w$]*|\S""")
_STARTS = frozenset(
    ("CHECK", "COLLATE", "UNIQUE", "GENERATED", "AS", "COMMENT", "REFERENCES", "CONSTRAINT", "DEFAULT", "PRIMARY")
)
_CONTINUES = {"CONSTRAINT": {"CHECK", "UNIQUE", "REFERENCES", "PRIMARY"}, "GENERATED": {"AS"}}
_COMPUTED = re.compile(r"(?:GENERATED\s+ALWAYS\s+)?AS\s*(?=\()", re.IGNORECASE)
_IDENTITY = re.compile(r"GENERATED\s+(ALWAYS|BY\s+DEFAULT)\s+AS\s+IDENTITY\Z", re.IGNORECASE)


@dataclass
class ColumnClauses:
    """What the constraints of one column say. `table` holds those that are the table's as well as the column's."""

    default: str | None = None
    collation: str = ""
    comment: str = ""
    identity: str = ""
    generated: Generated | None = None
    not_null: bool = False
    checks: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    table: list[Constraint] = field(default_factory=list)

    def read(self, text: str, column: str) -> None:
        """Take in the SQL text of one constraint of `column`, which may be several clauses."""
        for clause in split_clauses(text):
            self._read_clause(clause, column)

    def _read_clause(self, clause: str, column: str) -> None:
        word, rest = first_word(clause)
        named = read_constraint(clause, column)
        if word == "DEFAULT" and rest:
            self.default = rest
        elif word == "COLLATE" and rest:
            self.collation = rest
        elif word == "COMMENT" and rest[:1] == "'":
            self.comment = unquote(rest)
        elif clause.upper() in {"NULL", "NOT NULL"}:
            self.not_null = self.not_null or word == "NOT"
        elif isinstance(named, Check) and not named.name:
            self.checks.append(named.sql)
        elif isinstance(named, Check | Unique):
            self.table.append(named)
        else:
            self._read_generated(clause)

    def _read_generated(self, clause: str) -> None:
        identity, computed = _IDENTITY.match(clause), _COMPUTED.match(clause)
        if identity:
            self.identity = "always" if identity[1].upper() == "ALWAYS" else "by default"
            return
        body, after = bracketed(clause[computed.end() :]) if computed else ("", "")
        if body and after.upper() in {"", "STORED", "PERSISTENT", "VIRTUAL"}:
            self.generated = Generated(body, stored=after.upper() in {"STORED", "PERSISTENT"})
        else:
            self.extra.append(clause)


def split_clauses(text: str) -> list[str]:
    """Split the constraints of a column where a new one begins, outside quotes and brackets."""
    starts: list[int] = []
    current, before, depth = "", "", 0
    tokens = [(match[0].upper(), match.start()) for match in _TOKEN.finditer(text)]
    for at, (word, start) in enumerate(tokens):
        after = tokens[at + 1][0] if at + 1 < len(tokens) else ""
        if depth == 0 and (not starts or _begins(word, after, current, before)):
            starts.append(start)
            current = word
        depth += (word == "(") - (word == ")")
        before = word
    ends = [*starts[1:], len(text)]
    return [text[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def _begins(word: str, after: str, current: str, before: str) -> bool:
    if before == "DEFAULT" or (before, word) == ("BY", "DEFAULT"):
        return False
    if word == "NOT":
        return after == "NULL"
    if word == "NULL":
        return before not in {"NOT", "SET"}
    if word == "ON":
        return after == "UPDATE" and current != "REFERENCES"
    if word == "AUTO_INCREMENT":
        return True
    return word in _STARTS and word not in _CONTINUES.get(current, ()) and before != "SET"


def first_word(text: str) -> tuple[str, str]:
    """Return the first word in capitals, and what comes after it."""
    match = re.match(r"([^\W\d]\w*)\s*", text)
    return (match[1].upper(), text[match.end() :].strip()) if match else ("", text)


def bracketed(text: str) -> tuple[str, str]:
    """Return what is in the brackets that `text` begins with, and what comes after; ("", text) without any."""
    depth = 0
    for match in _TOKEN.finditer(text):
        depth += (match[0] == "(") - (match[0] == ")")
        if depth == 0:
            inside = text[text.find("(") + 1 : match.start()].strip() if match[0] == ")" else ""
            return inside, text[match.end() :].strip() if inside else text
    return "", text


def unquote(name: str) -> str:
    """Return what a quoted name or string stands for; one without quotes is itself."""
    ends = {'"': '"', "`": "`", "'": "'", "[": "]"}
    close = ends.get(name[:1])
    if close is None or not name.endswith(close) or len(name) < 2:  # noqa: PLR2004 - a pair of quotes
        return name
    return name[1:-1].replace(close * 2, close)


# ── constraints with a meaning of their own ─────────────────────────────────────────────────────────────


def read_constraint(text: str, column: str = "") -> Constraint | None:
    """Return the constraint that SQL text means, of `column` or else of its table; None where it is not known."""
    name, body = _named(text.strip())
    word, rest = first_word(body)
    if word == "CHECK":
        inside, after = bracketed(rest)
        return Check(inside, name) if inside and not after else None
    if word == "UNIQUE":
        return _unique(name, rest, column)
    return _foreign_key(name, rest) if word == "FOREIGN" and not column else None


def primary_key(text: str) -> tuple[str, ...]:
    """Return the columns of a table's PRIMARY KEY clause; () for any other."""
    match = re.match(r"PRIMARY\s+KEY\s*(?=\()", _named(text.strip())[1], re.IGNORECASE)
    inside, after = bracketed(_named(text.strip())[1][match.end() :]) if match else ("", "")
    return tuple(_names(inside)) if inside and not after else ()


def _named(text: str) -> tuple[str, str]:
    word, rest = first_word(text)
    match = _TOKEN.match(rest) if word == "CONSTRAINT" else None
    if match is None or match[0].upper() in _STARTS:
        return "", rest if word == "CONSTRAINT" else text
    return unquote(match[0]), rest[match.end() :].strip()


def _names(inside: str) -> list[str]:
    found = [match[0] for match in _TOKEN.finditer(inside) if match[0] != ","]
    return [unquote(name) for name in found] if found and "(" not in found else []


def _unique(name: str, rest: str, column: str) -> Unique | None:
    if not rest:
        return Unique(column, name=name) if column else None
    match = re.match(r"(?:KEY\b|INDEX\b)?\s*([^\s(]*)\s*(?=\()", rest, re.IGNORECASE)
    inside, after = bracketed(rest[match.end() :]) if match and not column else ("", "")
    deferrable = re.match(r"DEFERRABLE\b\s*(.*)\Z", after, re.IGNORECASE)
    columns = _names(inside)
    if not match or not columns or (after and not deferrable):
        return None
    return Unique(columns, deferrable=deferrable[1].upper() if deferrable else "", name=name or unquote(match[1]))


_REFERENCE = re.compile(
    r"""KEY\s*(?P<own>\([^()]*\))\s*REFERENCES\s+(?P<table>(?:[\w$.]|"[^"]+"|`[^`]+`)+)\s*(?P<theirs>\([^()]*\))
    (?:\s*ON\s+DELETE\s+(?P<delete>CASCADE|RESTRICT|SET\s+NULL|SET\s+DEFAULT|NO\s+ACTION)
    |\s*ON\s+UPDATE\s+(?P<update>CASCADE|RESTRICT|SET\s+NULL|SET\s+DEFAULT|NO\s+ACTION)
    |\s*DEFERRABLE\s*(?P<deferrable>INITIALLY\s+\w+))*\Z""",
    re.IGNORECASE | re.VERBOSE,
)


def _foreign_key(name: str, rest: str) -> ForeignKey | None:
    match = _REFERENCE.match(rest)
    if match is None:
        return None
    table = [unquote(part) for part in re.findall(r'"[^"]+"|`[^`]+`|[\w$]+', match["table"])]
    if len(table) > 2:  # noqa: PLR2004 - a schema and a name
        return None
    said = {word: " ".join((match[word] or "").upper().split()) for word in ("delete", "update", "deferrable")}
    return ForeignKey(
        _names(match["own"][1:-1]),
        ("", table[0]) if len(table) == 1 else (table[0], table[1]),
        _names(match["theirs"][1:-1]),
        on_delete=said["delete"],
        on_update=said["update"],
        deferrable=said["deferrable"],
        name=name,
    )
