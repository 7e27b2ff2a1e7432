"""Which table, and which column, of the old schema is which of the new: by name, by hint, by asking.

Nothing but a change of case is taken for a rename on likeness alone. Likeness, scored table by table, only
chooses what to ask; unasked, a likely rename becomes drop + add, with a warning that says how to say otherwise.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, TypeVar

from smalls.autoerrors import HintError
from smalls.hints import NO_HINTS, Ask, DiffWarning, Hints, Path, Question, label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from smalls.schema import Column, Schema, Table, TableKey

LIKELY_TABLE, LIKELY_COLUMN = 0.45, 0.35
"""The scores from which on two tables, or two columns of one table, are worth a question."""

Key = TypeVar("Key", bound="TableKey | str")


@dataclass(frozen=True, slots=True)
class Match:
    """What stays; whatever is not there goes, or comes.

    `tables` maps old keys to new ones; `columns`, by a table's new key, maps old names of columns to new ones.
    """

    tables: Mapping[TableKey, TableKey]
    columns: Mapping[TableKey, Mapping[str, str]]
    warnings: tuple[DiffWarning, ...] = ()


def match(old: Schema, new: Schema, *, hints: Hints = NO_HINTS, ask: Ask | None = None, app: str = "") -> Match:
    """Tell which tables and columns stay, possibly under other names.

    Raises `HintError` for a rename hint that fits nothing.
    """
    return _Matcher(old, new, hints, ask, app).run()


class _Matcher:
    def __init__(self, old: Schema, new: Schema, hints: Hints, ask: Ask | None, app: str) -> None:
        self.old, self.new, self.hints, self.ask, self.app = old, new, hints, ask, app
        self.used: set[Path] = set()
        self.warnings: list[DiffWarning] = []

    def run(self) -> Match:
        tables = self._tables()
        columns = {key: self._columns(self.old.tables[was], self.new.tables[key]) for was, key in tables.items()}
        for path, name in self.hints.renames:
            if path not in self.used:
                raise HintError(f"nothing to rename: {'.'.join(path.parts)}={name}")
        return Match(tables, columns, tuple(self.warnings))

    # tables

    def _tables(self) -> dict[TableKey, TableKey]:
        pairs = self._hinted_tables()
        pairs |= _same(self.old.tables, self.new.tables, pairs)
        gone = [key for key in sorted(self.old.tables) if key not in pairs]
        come = [key for key in sorted(self.new.tables) if key not in pairs.values()]

        # where many tables get new names at once, those with the very same columns are enough to choose from
        shapes: dict[frozenset[object], set[TableKey]] = {}
        for was in gone:
            shapes.setdefault(_shape(self.old.tables[was]), set()).add(was)
        twins = {key: shapes.get(_shape(self.new.tables[key])) for key in come}

        def score(was: TableKey, key: TableKey) -> float:
            among = twins[key]
            return table_score(self.old.tables[was], self.new.tables[key]) if not among or was in among else 0.0

        def choose(key: TableKey, likely: list[TableKey]) -> TableKey | None:
            was = self.old.tables[likely[0]]
            hint = f"--rename {self._path(was)}={label(self.new.tables[key])}"
            question = Question("rename_table", "", str(key), tuple(map(str, likely)), hint)
            return self._choose(question, likely)

        pairs |= _by_likeness(gone, come, score, LIKELY_TABLE, choose)
        return {was: pairs[was] for was in sorted(pairs)}

    def _hinted_tables(self) -> dict[TableKey, TableKey]:
        pairs: dict[TableKey, TableKey] = {}
        for path, name in self.hints.renames:
            old = [table for key, table in self.old.tables.items() if key not in pairs]
            new = [table for key, table in self.new.tables.items() if key not in pairs.values()]
            # models' names on both sides, or tables' names on both, before one of each
            for called in ((label,), (_name, _full_name), (label, _name, _full_name)):
                sources = [table.key for table in old if path.means_table(table, self.app, *called)]
                targets = [table.key for table in new if name in {call(table) for call in called}]
                if len(sources) == 1 and len(targets) == 1:
                    pairs[sources[0]] = targets[0]
                    self.used.add(path)
                    break
        return pairs

    # columns

    def _columns(self, old: Table, new: Table) -> dict[str, str]:
        pairs = self._hinted_columns(old, new)
        before = {column.name: column for column in old.columns}
        after = {column.name: column for column in new.columns}
        pairs |= _same(before, after, pairs)
        gone = [name for name in before if name not in pairs]
        come = [name for name in after if name not in pairs.values()]

        def score(was: str, name: str) -> float:
            return column_score(before[was], after[name])

        def choose(name: str, likely: list[str]) -> str | None:
            hint = f"--rename {self._path(new)}.{likely[0]}={name}"
            return self._choose(Question("rename_column", str(new.key), name, tuple(likely), hint), likely)

        return pairs | _by_likeness(gone, come, score, LIKELY_COLUMN, choose)

    def _hinted_columns(self, old: Table, new: Table) -> dict[str, str]:
        pairs: dict[str, str] = {}
        for path, name in self.hints.renames:
            for was in old.column_names:
                known = path.means_column(old, was, self.app) or (
                    path.parts[-1] == was and _within(path, new, self.app)
                )
                target = next((c.name for c in new.columns if name in (c.name, c.python.get("attribute"))), None)
                if known and target and was not in pairs and target not in pairs.values():
                    pairs[was] = target
                    self.used.add(path)
        return pairs

    # both

    def _path(self, table: Table) -> str:
        return f"{self.app}.{label(table)}" if self.app else label(table)

    def _choose(self, question: Question, likely: list[Key]) -> Key | None:
        if self.ask is None:
            what = "column" if question.table else "table"
            where = f"{question.table}." if question.table else ""
            self.warnings.append(
                DiffWarning(
                    "rename-not-asked",
                    f"{what} {where}{question.options[0]} goes and {where}{question.name} comes, with nothing "
                    "kept; they look like one under two names",
                    question.hint,
                )
            )
            return None
        answer = self.ask(question)
        return next((key for key in likely if str(key) == answer), None)


def _shape(table: Table) -> frozenset[object]:
    return frozenset((column.name, column.type) for column in table.columns)


def _name(table: Table) -> str:
    return table.name


def _full_name(table: Table) -> str:
    return str(table.key)


def _within(path: Path, table: Table, app: str) -> bool:
    return len(path.parts) > 1 and Path(path.parts[:-1]).means_table(table, app)


def _same(old: Iterable[Key], new: Iterable[Key], pairs: Mapping[Key, Key]) -> dict[Key, Key]:
    """Pair what has one name, and then what has one but for its case, where that leaves no choice."""
    gone = [key for key in old if key not in pairs]
    taken = set(pairs.values())
    come = {key for key in new if key not in taken}
    same = {key: key for key in gone if key in come}
    gone, come = [key for key in gone if key not in same], come.difference(same)
    for key in gone:
        twins = [other for other in come if _folded(other) == _folded(key)]
        if len(twins) == 1 and sum(_folded(other) == _folded(key) for other in gone) == 1:
            same[key] = twins[0]
    return same


def _folded(key: TableKey | str) -> tuple[str, ...]:
    return (key.casefold(),) if isinstance(key, str) else (key.schema, key.name.casefold())


def _by_likeness(
    gone: list[Key],
    come: list[Key],
    score: Callable[[Key, Key], float],
    likely_from: float,
    choose: Callable[[Key, list[Key]], Key | None],
) -> dict[Key, Key]:
    """Put the likeliest pairs to `choose` first, so that no weaker likeness takes what a stronger one wants."""
    scores = {(was, key): score(was, key) for was in gone for key in come}
    best = {key: max((scores[was, key] for was in gone), default=0.0) for key in come}
    pairs: dict[Key, Key] = {}
    for key in sorted(come, key=lambda key: (-best[key], come.index(key))):
        likely = [was for was in gone if was not in pairs and scores[was, key] >= likely_from]
        likely.sort(key=lambda was: (-scores[was, key], gone.index(was)))
        chosen = choose(key, likely) if likely else None
        if chosen is not None:
            pairs[chosen] = key
    return pairs


def _alike(one: str, other: str) -> float:
    return SequenceMatcher(None, one.casefold(), other.casefold()).ratio()


def column_score(old: Column, new: Column) -> float:
    """Return how likely `new` is `old` under another name, from 0 to 1: its type, field, name and the rest."""
    score = 0.5 if old.type == new.type else 0.2 if old.type.kind == new.type.kind else 0.0
    score += 0.35 * _alike(old.name, new.name)
    score += 0.05 * (old.null == new.null) + 0.05 * (old.default == new.default)
    if old.python.get("attribute", old.name) == new.python.get("attribute", new.name):
        score += 0.3
    return min(score, 1.0)


def table_score(old: Table, new: Table) -> float:
    """Return how likely `new` is `old` under another name, from 0 to 1: columns' types and names, its own name."""
    if label(old) == label(new):
        return 1.0
    types = _overlap([c.type for c in old.columns], [c.type for c in new.columns])
    named = _overlap([c.name for c in old.columns], [c.name for c in new.columns])
    return 0.4 * types + 0.4 * named + 0.2 * _alike(old.name, new.name)


def _overlap(old: Sequence[object], new: Sequence[object]) -> float:
    common = sum((Counter(old) & Counter(new)).values())
    return common / max(len(old), len(new), 1)
