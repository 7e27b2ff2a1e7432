"""The promised catalogue against the live one: what is missing, changed or extra, as operations. No I/O.

Constraints are compared by what they say: their names depend on how a table came to be. So do the names of
sequences and of the indexes behind constraints, which are left out by whoever reads the catalogues.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from smalls.reflect import LiveColumn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from smalls.reflect import Catalogue, LiveTable

MISSING, CHANGED, EXTRA = "missing", "changed", "extra"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: `kind` as above, the `operation` that would mend it, and both sides as far as there are."""

    kind: str
    operation: str
    expected: Any = None
    found: Any = None

    @property
    def breaks(self) -> bool:
        """Whether a promise is broken; what is extra breaks none."""
        return self.kind != EXTRA

    def __str__(self) -> str:
        sides = f" (is {self.found!r}, not {self.expected!r})" if self.kind == CHANGED else ""
        return f"{self.kind:<8} {self.operation}{sides}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, without the sides that are not there."""
        sides = {"expected": self.expected, "found": self.found}
        return {"kind": self.kind, "operation": self.operation} | {k: v for k, v in sides.items() if v is not None}


def compare(promised: Catalogue, live: Catalogue) -> list[Difference]:
    """Return the differences of two catalogues, table by table; none if all is kept and nothing is extra."""
    found: list[Difference] = []
    for name in sorted({*promised.tables, *live.tables}):
        if name not in live.tables:
            found.append(Difference(MISSING, f"add table {name}"))
        elif name not in promised.tables:
            found.append(Difference(EXTRA, f"drop table {name}"))
        else:
            found += _tables(name, promised.tables[name], live.tables[name])
    return found


def _tables(name: str, promised: LiveTable, live: LiveTable) -> Iterator[Difference]:
    yield from _columns(name, promised.columns, live.columns)
    if promised.primary_key != live.primary_key:
        shown = ", ".join(promised.primary_key)
        sides = (list(promised.primary_key), list(live.primary_key))
        yield Difference(CHANGED, f"change primary key of {name} to ({shown})", *sides)
    yield from _indexes(name, promised.indexes, live.indexes)
    yield from _constraints(name, promised.constraints.values(), live.constraints.values())
    if promised.options != live.options:
        yield Difference(CHANGED, f"change options of table {name}", promised.options, live.options)
    if promised.comment and promised.comment != live.comment:
        yield Difference(CHANGED, f"change comment on table {name}", promised.comment, live.comment)


def _columns(
    table: str, promised: Mapping[str, LiveColumn], live: Mapping[str, LiveColumn]
) -> Iterator[Difference]:
    for name in sorted({*promised, *live}):
        if name not in live:
            yield Difference(MISSING, f"add column {table}.{name}", promised[name].type)
        elif name not in promised:
            yield Difference(EXTRA, f"drop column {table}.{name}", found=live[name].type)
        elif other := dict(_traits(promised[name], live[name])):
            expected, found = ({key: pair[side] for key, pair in other.items()} for side in (0, 1))
            yield Difference(CHANGED, f"alter column {table}.{name}", expected, found)


def _traits(promised: LiveColumn, live: LiveColumn) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for item in fields(LiveColumn):
        mine, theirs = getattr(promised, item.name), getattr(live, item.name)
        if mine != theirs and not (item.name == "comment" and not mine):
            yield item.name, (mine, theirs)


def _indexes(table: str, promised: Mapping[str, str], live: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted({*promised, *live}):
        if name not in live:
            yield Difference(MISSING, f"add index {name} on {table}", promised[name])
        elif name not in promised:
            yield Difference(EXTRA, f"drop index {name} on {table}", found=live[name])
        elif promised[name] != live[name]:
            yield Difference(CHANGED, f"change index {name} on {table}", promised[name], live[name])


def _constraints(table: str, promised: Iterable[str], live: Iterable[str]) -> Iterator[Difference]:
    mine, theirs = Counter(promised), Counter(live)
    for text in sorted((mine - theirs).elements()):
        yield Difference(MISSING, f"add constraint on {table}", text)
    for text in sorted((theirs - mine).elements()):
        yield Difference(EXTRA, f"drop constraint on {table}", found=text)
