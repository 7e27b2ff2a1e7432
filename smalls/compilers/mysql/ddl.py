"""MySQL's and MariaDB's words for types, columns, constraints, tables, indexes; as in Peewee's `create_tables`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smalls.compilers.refusals import MARIADB, MYSQL, refusal
from smalls.schema import Check, ForeignKey, Sql
from smalls.sqltokens import tokens, with_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from smalls.schema import Column, Constraint, Index, Table, TableKey, Type

_WORDS = {
    "auto": "INTEGER",
    "bigauto": "BIGINT",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "boolean": "BOOL",
    "real": "FLOAT",
    "double": "DOUBLE PRECISION",
    "decimal": "NUMERIC",
    "char": "CHAR",
    "varchar": "VARCHAR",
    "text": "TEXT",
    "blob": "BLOB",
    "uuid": "VARCHAR(40)",
    "binary_uuid": "VARBINARY(16)",
    "date": "DATE",
    "time": "TIME",
    "datetime": "DATETIME",
    "json": "JSON",
}
LARGE = frozenset({"text", "blob", "json"})
"""Kinds that have no literal default, and no key over their whole, in MySQL."""

_LONGEST_NAME = 64  # https://dev.mysql.com/doc/refman/9.1/en/identifier-length.html
_CHARSET = ("CHARACTER SET", "CHARSET")
_METHODS = ("BTREE", "HASH", "RTREE")
# a part of an index that is a column after all: its length, its order
_PART = re.compile(r"""(["`]?)(\w+)\1\s*(\(\d+\))?\s*(ASC|DESC)?""", re.IGNORECASE)


def quote(name: str) -> str:
    """Return `name` as an identifier; raises UnsupportedError when no server would take it."""
    if len(name) > _LONGEST_NAME:
        raise refusal("long-name", f"{MYSQL} and {MARIADB}", name)
    return "`" + name.replace("`", "``") + "`"


def quoted(names: Iterable[str]) -> str:
    """Return names as a list of identifiers."""
    return ", ".join(map(quote, names))


def dotted(key: TableKey) -> str:
    """Return the table's name with the database it is in, if it is not the connection's."""
    return f"{quote(key.schema)}.{quote(key.name)}" if key.schema else quote(key.name)


def text(value: str) -> str:
    """Return a string as a literal: https://dev.mysql.com/doc/refman/9.1/en/string-literals.html."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def is_unique(word: str) -> bool:
    """Tell whether an extra word of a column makes a unique key of it."""
    return word.strip().upper() in ("UNIQUE", "UNIQUE KEY")


def is_expression(default: str | None) -> bool:
    """Tell whether a default is an expression, in its parentheses."""
    return default is not None and default.startswith("(")


def localized(sql: str, table: Table) -> str:
    """Return SQL with the table's columns in backticks where they are in double quotes, which make strings here."""
    known = set(table.column_names)
    return "".join(
        quote(token.name) if token.kind == "name" and token.name in known else token.text for token in tokens(sql)
    )


@dataclass(frozen=True, slots=True)
class Ddl:
    """The words of one of the two: `engine` is MYSQL or MARIADB."""

    engine: str

    @property
    def is_mysql(self) -> bool:
        """Whether it is MySQL."""
        return self.engine == MYSQL

    # columns

    def type_word(self, type_: Type, where: object) -> str:
        """Return the type; raises UnsupportedError for PostgreSQL's own."""
        if type_.kind == "raw":
            return str(type_.params["ddl"])
        if type_.kind not in _WORDS:
            raise refusal("type", self.engine, where)
        modifiers = [str(type_.params[name]) for name in ("length", "precision", "scale") if name in type_.params]
        word = _WORDS[type_.kind] + (f"({', '.join(modifiers)})" if modifiers else "")
        return word + (" UNSIGNED" if type_.get("unsigned") else "")

    def column(self, column: Column, table: Table, *, checks: bool = True, key: bool = False) -> str:
        """Return the whole definition of a column of `table`, which MODIFY needs: what it leaves out is lost.

        `checks` and `key` are whether its CHECKs and its UNIQUE and PRIMARY KEY are written, too. Raises
        UnsupportedError. https://dev.mysql.com/doc/refman/9.1/en/create-table.html,
        https://mariadb.com/kb/en/create-table/
        """
        words = [quote(column.name), self.type_word(column.type, f"{table.key}.{column.name}")]
        words += self._traits(column, table)
        if key:
            words += ["PRIMARY KEY"] if table.primary_key == (column.name,) else []
            words += [word for word in column.extra if is_unique(word)]
        if checks:
            words += self.column_checks(column, table)
        return " ".join(words)

    def _traits(self, column: Column, table: Table) -> Iterator[str]:
        where = f"{table.key}.{column.name}"
        for word in ("identity", "sequence", "unindexed"):
            if getattr(column, word):
                raise refusal(word, self.engine, where)
        yield from (word for word in column.extra if word.upper().startswith(_CHARSET))
        if column.collation:
            yield f"COLLATE {column.collation}"
        if column.generated:
            sql = localized(column.generated.sql, table)
            yield f"GENERATED ALWAYS AS ({sql}) {'STORED' if column.generated.stored else 'VIRTUAL'}"
        # MariaDB's grammar has no NOT NULL for them
        if not column.null and (self.is_mysql or not column.generated):
            yield "NOT NULL"
        if column.default is not None:
            yield f"DEFAULT {self._default(column)}"
        if column.type.automatic:
            yield "AUTO_INCREMENT"
        yield from (w for w in column.extra if not is_unique(w) and not w.upper().startswith(_CHARSET))
        if column.comment:
            yield f"COMMENT {text(column.comment)}"

    def _default(self, column: Column) -> str:
        """Return the default; MySQL takes an expression only, for the large types."""
        default = column.default or ""
        literal = not is_expression(default) and default.upper() != "NULL"
        return f"({default})" if self.is_mysql and column.type.kind in LARGE and literal else default

    def column_checks(self, column: Column, table: Table) -> list[str]:
        """Return the CHECKs of a column; MariaDB takes one, so there several are joined."""
        checks = [localized(check, table) for check in column.checks]
        if not self.is_mysql and len(checks) > 1:
            checks = [" AND ".join(f"({check})" for check in checks)]
        return [f"CHECK ({check})" for check in checks]

    # constraints

    def constraint(self, constraint: Constraint, table: Table) -> str:
        """Return the constraint as CREATE TABLE and ADD take it; raises UnsupportedError."""
        name = f"CONSTRAINT {quote(constraint.name)} " if constraint.name else ""
        if isinstance(constraint, Check):
            return f"{name}CHECK ({localized(constraint.sql, table)})"
        if constraint.deferrable:
            key = "deferrable-key" if isinstance(constraint, ForeignKey) else "deferrable-unique"
            raise refusal(key, self.engine, table.key)
        if isinstance(constraint, ForeignKey):
            return name + self._foreign_key(constraint)
        self._check_key(constraint.columns, table, constraint.name or "unique constraint")
        return f"{name}UNIQUE ({quoted(constraint.columns)})"

    def _foreign_key(self, key: ForeignKey) -> str:
        words = [f"FOREIGN KEY ({quoted(key.columns)})"]
        words.append(f"REFERENCES {dotted(key.ref_table)} ({quoted(key.ref_columns)})")
        words += [f"ON DELETE {key.on_delete}"] if key.on_delete else []
        words += [f"ON UPDATE {key.on_update}"] if key.on_update else []
        return " ".join(words)

    def _check_key(self, columns: Iterable[str], table: Table, what: str) -> None:
        large = [name for name in columns if table.column(name).type.kind in LARGE]
        if self.is_mysql and large:
            raise refusal("text-key", self.engine, f"{table.key}.{large[0]} in {what}")

    # tables

    def create_table(self, table: Table) -> str:
        """Return CREATE TABLE; indexes are statements of their own, as Peewee makes them."""
        self.check_keys(table)
        self.check_generated_names(table)
        if table.options.extra or table.options.strict or table.options.without_rowid or table.options.module:
            raise refusal("options", self.engine, table.key)
        parts = [self.column(column, table, key=True) for column in table.columns]
        if len(table.primary_key) > 1:
            parts.append(f"PRIMARY KEY ({quoted(table.primary_key)})")
        parts += [self.constraint(item, table) for item in table.constraints]
        word = "TEMPORARY TABLE" if table.options.temporary else "TABLE"
        comment = [f"COMMENT={text(table.comment)}"] if table.comment else []
        sql = f"CREATE {word} {dotted(table.key)} ({', '.join(parts)})"
        return " ".join((sql, *table.options.settings, *comment))

    def check_keys(self, table: Table) -> None:
        """Raise UnsupportedError where a key or an index of `table` is over a column that can't be in one."""
        self._check_key(table.primary_key, table, "the primary key")
        for index in table.indexes:
            if index.method.upper() not in ("FULLTEXT", "SPATIAL"):
                self._check_key(index.columns, table, f"index {index.name}")
        for item in table.constraints:
            self._check_key(() if isinstance(item, Check) else item.columns, table, "a constraint")

    def check_generated_names(self, table: Table) -> None:
        """Raise UnsupportedError where a name that the server makes of the table's would be too long."""
        nameless = [item for item in table.constraints if not item.name]
        numbered = any(isinstance(item, ForeignKey) for item in nameless)
        if self.is_mysql:
            numbered |= any(isinstance(item, Check) for item in nameless) or any(c.checks for c in table.columns)
        if numbered and len(table.name) + len("_ibfk_1") > _LONGEST_NAME:
            raise refusal("long-name", self.engine, f"what the server itself names after {table.key}")

    # indexes

    def index(self, index: Index, table: Table) -> str:
        """Return the index as `ALTER TABLE … ADD` takes it; raises UnsupportedError."""
        where = f"index {index.name}"
        if index.where:
            raise refusal("partial-index", self.engine, where)
        if index.nulls_distinct is False:
            raise refusal("nulls", self.engine, where)
        if index.method and index.method.upper() not in _METHODS:
            raise refusal("method", self.engine, where)
        self._check_key(index.columns, table, where)
        method = f" USING {index.method}" if index.method else ""
        parts = ", ".join(self._part(part, table, where) for part in index.parts)
        return f"{'UNIQUE ' if index.unique else ''}INDEX {quote(index.name)}{method} ({parts})"

    def _part(self, part: str | Sql, table: Table, where: str) -> str:
        if isinstance(part, str):
            return quote(part)
        column = _PART.fullmatch(part.text.strip())
        if column and table.find(column[2]):
            return " ".join(filter(None, (quote(column[2]) + (column[3] or ""), column[4])))
        if not self.is_mysql:
            raise refusal("expression-index", self.engine, where)
        return f"({localized(with_numbers(part.text), table)})"

    def is_functional(self, index: Index, table: Table) -> bool:
        """Tell whether an index is over an expression, which is a hidden column to MySQL."""
        over = [part for part in index.parts if isinstance(part, Sql)]
        return any(self._part(part, table, index.name).startswith("(") for part in over)
