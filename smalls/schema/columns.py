"""Columns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from smalls.attrs import NO_ATTRS, Attrs, attrs
from smalls.codec import plain
from smalls.schema.names import names, renamed
from smalls.sqltokens import rename_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from smalls.schema.types import Type

IDENTITIES = ("", "by default", "always")


@plain("generated")
@dataclass(frozen=True, slots=True)
class Generated:
    """The expression that a generated column holds, stored on disk or computed when read."""

    sql: str
    stored: bool = True


@plain("column")
@dataclass(frozen=True, slots=True)
class Column:
    """A column as the database knows it, and, in `python`, what only Python knows of it.

    `default` is the database's own default as SQL text (None = none; `'NULL'` is one). `checks` are the
    expressions of CHECKs written in the column, without the word and its outer parentheses. `extra` is any
    other column constraint, verbatim. `identity` is "", "by default" or "always". `unindexed` is SQLite's
    word for full-text tables. `python` holds what a snapshot of the models needs and no database sees (field
    class, choices, help text, …), as far as it is not what goes without saying; it does not count in
    comparisons. Two of its keys are read by the differ: `default`, the field's default if it is a literal,
    and `attribute`, the field's name where the column has another.
    """

    name: str
    type: Type
    null: bool = False
    default: str | None = None
    collation: str = ""
    checks: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    generated: Generated | None = None
    identity: str = ""
    sequence: str = ""
    unindexed: bool = False
    comment: str = ""
    python: Attrs = field(default=NO_ATTRS, compare=False)

    def __init__(
        self,
        name: str,
        type: Type,  # noqa: A002 - the word that everybody uses
        *,
        null: bool = False,
        default: str | None = None,
        collation: str = "",
        checks: str | Iterable[str] = (),
        extra: str | Iterable[str] = (),
        generated: Generated | None = None,
        identity: str = "",
        sequence: str = "",
        unindexed: bool = False,
        comment: str = "",
        python: Mapping[str, Any] = NO_ATTRS,
    ) -> None:
        if identity not in IDENTITIES:
            raise TypeError(f"identity of column {name!r} is one of {IDENTITIES}, not {identity!r}")
        put = object.__setattr__
        put(self, "name", name)
        put(self, "type", type)
        put(self, "null", null)
        put(self, "default", default)
        put(self, "collation", collation)
        put(self, "checks", names(checks))
        put(self, "extra", names(extra))
        put(self, "generated", generated)
        put(self, "identity", identity)
        put(self, "sequence", sequence)
        put(self, "unindexed", unindexed)
        put(self, "comment", comment)
        put(self, "python", attrs(python))

    @property
    def filled(self) -> bool:
        """Whether the database itself gives the column a value in a row that names none."""
        made = self.type.automatic or self.generated or self.identity or self.sequence
        return bool(made) or self.default is not None

    def rename(self, mapping: Mapping[str, str]) -> Column:
        """Return the column after columns of its table, itself perhaps, were renamed."""
        generated = self.generated
        if generated is not None:
            generated = replace(generated, sql=rename_in(generated.sql, mapping))
        checks = [rename_in(check, mapping) for check in self.checks]
        return self.with_(name=renamed(self.name, mapping), checks=checks, generated=generated)

    def with_(self, **changes: Any) -> Column:
        """Return the column with some fields changed."""
        return replace(self, **changes)
