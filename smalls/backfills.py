"""Which value rows get where a column must not be null; on the way forward nothing is made up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from smalls.hints import NO_HINTS, Ask, DiffWarning, Hints, Question, label
from smalls.schema import Sql, Unique

if TYPE_CHECKING:
    from smalls.operations import Value
    from smalls.schema import Column, Table, Type

_ZERO = "00000000-0000-0000-0000-000000000000"
_BLANKS: dict[str, Value] = {
    "boolean": False,
    "smallint": 0,
    "integer": 0,
    "bigint": 0,
    "real": 0,
    "double": 0,
    "decimal": 0,
    "char": "",
    "varchar": "",
    "text": "",
    "uuid": _ZERO,
    "date": "1970-01-01",
    "time": "00:00:00",
    "datetime": "1970-01-01 00:00:00",
    "timestamptz": "1970-01-01 00:00:00+00:00",
    "json": "{}",
    "jsonb": "{}",
    "hstore": "",
    "blob": b"",
    "array": "{}",
}


def blank(type_: Type) -> Value:
    """Return an empty value of the type, None if it has none that every engine takes."""
    return _BLANKS.get(type_.kind)


@dataclass(slots=True)
class Backfills:
    """Finds backfills for one diff; `warnings` collects the columns for which there is none."""

    hints: Hints = NO_HINTS
    ask: Ask | None = None
    app: str = ""
    warnings: list[DiffWarning] = field(default_factory=list)

    def forward(self, table: Table, column: Column) -> Value:
        """Return what rows get in `column` of `table` on the way forward.

        In this order: a hint, the field's literal Python default (unless values must differ), the database's
        default, an answer. None, with a warning, if all fail.
        """
        hinted = self._hinted(table, column)
        if hinted is not None:
            return hinted
        if column.filled and column.default is None:
            return None
        known = _literal(column) if not _distinct(table, column.name) else None
        if known is None and column.default is not None:
            return Sql(column.default)
        return known if known is not None else self._ask(table, column)

    def back(self, table: Table, column: Column) -> Value:
        """Return what rows get in a column that becomes not null again: a hint, its old default, something empty.

        The way back must not fail for want of a value that nobody has any more. None where values must
        differ or refer to rows: nothing can be made up there.
        """
        if column.null or column.filled:
            return None
        known = self._hinted(table, column)
        if known is not None or _chosen(table, column.name):
            return known
        known = _literal(column)
        return blank(column.type) if known is None else known

    def returning(self, table: Table, column: Column) -> Value:
        """Return what rows get in a column that is dropped and made again: as `back`, with a warning for None."""
        value = self.back(table, column)
        if value is None and not (column.null or column.filled):
            what = (
                "was not null, and nothing can be made up for its rows; on a table with rows a rollback will fail"
            )
            self._warn("backfill-missing-back", table, column, what)
        return value

    def _hinted(self, table: Table, column: Column) -> Value:
        hints = self.hints.backfills
        return next((value for path, value in hints if path.means_column(table, column.name, self.app)), None)

    def _ask(self, table: Table, column: Column) -> Value:
        if self.ask is not None:
            question = Question("backfill", str(table.key), column.name, (), self._flag(table, column))
            answer = self.ask(question)
            if answer is not None:
                return answer
        self._warn(
            "backfill-missing",
            table,
            column,
            "becomes not null and rows that are there have no value for it; on a table with rows this will fail",
        )
        return None

    def _warn(self, code: str, table: Table, column: Column, what: str) -> None:
        flag = self._flag(table, column)
        self.warnings.append(DiffWarning(code, f"{table.key}.{column.name} {what}", flag))

    def _flag(self, table: Table, column: Column) -> str:
        path = ".".join(filter(None, (self.app, label(table), column.name)))
        return f"--backfill {path}=VALUE"


def _literal(column: Column) -> Value:
    value: Value = column.python.get("default")
    return value if isinstance(value, (bool, int, float, str, bytes)) else None


def _chosen(table: Table, name: str) -> bool:
    """Whether a value there must be one of certain values: it refers to rows, or no two may be the same."""
    return _distinct(table, name) or any(name in key.columns for key in table.foreign_keys)


def _distinct(table: Table, name: str) -> bool:
    """Whether no two rows may have the same value there."""
    unique = [item.columns for item in table.constraints if isinstance(item, Unique)]
    unique += [index.columns for index in table.indexes if index.unique]
    return (name,) in (table.primary_key, *unique)
