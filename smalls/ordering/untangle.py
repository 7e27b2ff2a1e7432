"""An order for renames in which no name is ever taken twice: swaps, rings and case-only renames included."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from typing import TypeVar

from smalls.schema import fit

Name = TypeVar("Name", bound=Hashable)


def untangle(
    renames: Mapping[Name, Name],
    *,
    going: Collection[Name],
    coming: Collection[Name],
    fold: Callable[[Name], Hashable],
    spare: Callable[[Name], Name],
) -> list[tuple[Name, Name]]:
    """Return single renames, in an order that works one after the other.

    Names that `fold` alike are one name to some engine, so they are never there together. A name of `going`
    (dropped afterwards) steps aside to a spare name when a rename or a name of `coming` wants its place; a
    ring is broken by a spare name. `spare` must return a name that is free, a new one at each call.
    """
    wanted = {fold(name) for name in (*renames.values(), *coming)}
    steps = [(name, spare(name)) for name in going if fold(name) in wanted]
    pending = dict(renames)
    while pending:
        sources = {fold(name) for name in pending}
        free = [(name, target) for name, target in pending.items() if fold(target) not in sources]
        if not free:
            name = next(iter(pending))
            aside = spare(name)
            steps.append((name, aside))
            pending = {aside if key == name else key: target for key, target in pending.items()}
            continue
        steps.extend(free)
        for name, _ in free:
            del pending[name]
    return steps


class Spares:
    """Gives out names that are free: deterministic, and short enough for every engine."""

    def __init__(self, taken: Collection[str]) -> None:
        self._taken = {name.casefold() for name in taken}

    def __call__(self, name: str) -> str:
        """Return a spare name for `name` and remember that it is taken."""
        number = 1
        while (spare := f"{fit(name, 48)}_aside_{number}").casefold() in self._taken:
            number += 1
        self._taken.add(spare.casefold())
        return spare
