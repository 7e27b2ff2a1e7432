"""One column altered on PostgreSQL: what is in the way comes off, the type is cast, the rest goes on again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalls.compilers.base import Statement
from smalls.compilers.postgres.columns import (
    create_sequence,
    drop_sequence,
    fire_deferred,
    make_again,
    typed,
)
from smalls.compilers.postgres.following import change
from smalls.compilers.postgres.names import auto_name, is_unique_word, mentioned, owned
from smalls.compilers.postgres.statements import (
    EXCLUSIVE,
    SHARE_ROW,
    alter,
    comment,
    fill,
    set_not_null,
)
from smalls.compilers.postgres.text import beside, default_of, quote, relation, string
from smalls.compilers.postgres.types import conversion, rewrites, same, word
from smalls.compilers.refusals import POSTGRES, refusal
from smalls.schema import Sql

if TYPE_CHECKING:
    from smalls.compilers.postgres.names import Tag
    from smalls.operations import AlterColumn
    from smalls.schema import Column, Schema, Table


def alter_column(operation: AlterColumn, before: Schema, version: int) -> list[Statement]:
    """Return the statements for any change of a column but its name."""
    return _Alteration(operation, before, version).statements()


class _Alteration:
    def __init__(self, operation: AlterColumn, before: Schema, version: int) -> None:
        self.operation, self.version = operation, version
        self.key, self.old, self.new = operation.table, operation.old, operation.new
        self.before, self.schema = before.table(self.key), before
        self.after = operation.apply(before).table(self.key)
        self.target = f"ALTER COLUMN {quote(self.old.name)}"
        self.retyped = not same(self.old.type, self.new.type) or self.old.collation != self.new.collation
        self.recast = self.retyped or bool(operation.using)
        again = [item.tag for item in owned(self.before) if self.recast and self._is_check(item.tag)]
        self.changed = change(self.before, self.after, again)
        self._expect_changeable()

    def _is_check(self, tag: Tag) -> bool:
        """Tell whether the tag is of a check that is written in the column: it may not hold for the new type."""
        return isinstance(tag, tuple) and tag[:2] == ("check", self.old.name)

    def statements(self) -> list[Statement]:
        if self.new.generated is not None and self.new.generated != self.old.generated:
            return [*self._drop(self.old), *make_again(self.after, self.new, self.version)]
        if self.new.generated is not None and self.recast:
            return [*self._drop(self.old), *make_again(self.after, self.new, self.version)]
        leaning = [column for column in self.before.columns if self.recast and self._leans(column)]
        again = [statement for column in leaning for statement in make_again(self.after, column, self.version)]
        off = [statement for column in leaning for statement in self._drop(column)]
        return [*off, *self._loosen(), *self._type(), *self._fill(), *self._tighten(), *again, *self._tell()]

    def _leans(self, column: Column) -> bool:
        return column.generated is not None and self.old.name in mentioned(column.generated.sql, self.before)

    def _drop(self, column: Column) -> list[Statement]:
        return [alter(self.key, f"DROP COLUMN {quote(column.name)}")]

    def _set(self, action: str) -> Statement:
        return alter(self.key, f"{self.target} {action}")

    # off

    def _loosen(self) -> list[Statement]:
        steps = [self._set("DROP EXPRESSION")] if self.old.generated and not self.new.generated else []
        steps += self.changed.off
        steps += self._drop_filling()
        if not _nullable(self.before, self.old) and _nullable(self.after, self.new):
            steps.append(self._set("DROP NOT NULL"))
        return steps

    def _expect_changeable(self) -> None:
        """Refuse other words in the column's definition than UNIQUE: ALTER TABLE takes them from nowhere."""
        for extra in {*self.old.extra} ^ {*self.new.extra}:
            if not is_unique_word(extra):
                raise refusal("column-words", POSTGRES, f"{self.key}.{self.old.name}, {extra}")

    def _drop_filling(self) -> list[Statement]:
        if self.old.identity and not self.new.identity:
            return [self._set("DROP IDENTITY")]
        if self.old.type.automatic and not self.new.type.automatic:
            name = auto_name(self.before, ("sequence", self.old.name))
            return [self._set("DROP DEFAULT"), Statement(f"DROP SEQUENCE {beside(self.key, name)}", lock=EXCLUSIVE)]
        if default_of(self.old) is not None and (self.recast or default_of(self.old) != default_of(self.new)):
            return [self._set("DROP DEFAULT")]
        return []

    # type

    def _type(self) -> list[Statement]:
        if not self.recast:
            return []
        old, new = self.old.type, self.new.type
        using = self.operation.using or conversion(old, new, quote(self.old.name))
        collate = self.new.collation or ('"default"' if self.old.collation else "")
        action = f"TYPE {word(new)}{f' COLLATE {collate}' if collate else ''}{f' USING {using}' if using else ''}"
        copies = rewrites(old, new) or bool(self.operation.using)
        online = "" if copies else "the rows stay as they are"
        steps = [alter(self.key, f"{self.target} {action}", rewrites=copies, online=online)]
        if old.automatic and new.automatic:
            name = auto_name(self.before, ("sequence", self.old.name))
            steps.append(Statement(f"ALTER SEQUENCE {beside(self.key, name)} AS {word(new)}", lock=SHARE_ROW))
        return steps

    # on

    def _fill(self) -> list[Statement]:
        value = self.operation.backfill
        if value is None or self.new.generated:
            return []
        shown = value if isinstance(value, Sql) else Sql(typed(value, self.new))
        where = f"{quote(self.old.name)} IS NULL"
        return [fill(self.key, self.old.name, shown, where), *fire_deferred(self.schema, self.key)]

    def _tighten(self) -> list[Statement]:
        steps = []
        if _nullable(self.before, self.old) and not _nullable(self.after, self.new):
            steps += set_not_null(self.key, self.new.name)
        steps += self._set_filling()
        return steps + self.changed.on

    def _set_filling(self) -> list[Statement]:
        old, new = self.old, self.new
        if new.identity:
            return self._identity()
        if new.type.automatic:
            return [] if old.type.automatic else self._serial()
        default = default_of(new)
        if default is None or (default == default_of(old) and not self.recast):
            return [] if default is not None else drop_sequence(old, self.operation.apply(self.schema))
        return [
            *create_sequence(new, self.schema),
            self._set(f"SET DEFAULT {default}"),
            *drop_sequence(old, self.operation.apply(self.schema)),
        ]

    def _identity(self) -> list[Statement]:
        if self.old.identity:
            same_kind = self.old.identity == self.new.identity
            return [] if same_kind else [self._set(f"SET GENERATED {self.new.identity.upper()}")]
        return [self._set(f"ADD GENERATED {self.new.identity.upper()} AS IDENTITY"), self._continue()]

    def _serial(self) -> list[Statement]:
        sequence = beside(self.key, auto_name(self.after, ("sequence", self.new.name)))
        owner = f"{relation(self.key)}.{quote(self.new.name)}"
        return [
            Statement(f"CREATE SEQUENCE {sequence} AS {word(self.new.type)} OWNED BY {owner}"),
            self._set(f"SET DEFAULT nextval({string(sequence)})"),
            self._continue(),
        ]

    def _continue(self) -> Statement:
        """Let a new sequence go on after the highest number that is there."""
        table, column = relation(self.key), quote(self.new.name)
        sequence = f"pg_get_serial_sequence({string(table)}, {string(self.new.name)})"
        return Statement(
            f"SELECT setval({sequence}, coalesce(max({column}), 0) + 1, false) FROM {table}", lock="ACCESS SHARE"
        )

    def _tell(self) -> list[Statement]:
        if self.old.comment == self.new.comment:
            return []
        return [comment(f"COLUMN {relation(self.key)}.{quote(self.new.name)}", self.new.comment)]


def _nullable(table: Table, column: Column) -> bool:
    """Tell whether the database lets NULL in: keys and numbered columns are never null, whatever they say."""
    numbered = column.type.automatic or column.identity
    return column.null and not numbered and column.name not in table.primary_key
