"""The tables: medians, their spread, how smalls compares, and where it stands to its goals."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import PEERS, Scenario
from benchmarks.timing import Results

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
OURS = "smalls"
_TITLES = {
    Scenario.NOTHING_PENDING: "Nothing pending, {count} applied",
    Scenario.FROM_EMPTY: "{count} migrations on an empty database",
}
_PYTHON = frozenset(peer.name for peer in PEERS if peer.is_python) - {OURS}


@dataclass(frozen=True, slots=True)
class Report:
    """The results with what they were measured on. `engines` names each engine as users know it."""

    results: Results
    engines: dict[str, str]
    count: int
    facts: dict[str, str]

    def text(self) -> str:
        """Return the whole report in Markdown."""
        parts = [rows(["", ""], ([name, fact] for name, fact in self.facts.items()))]
        for scenario, title in _TITLES.items():
            if any(measured is scenario for measured, _ in self.results.seconds):
                parts += [f"### {title.format(count=self.count)}", self._table(scenario)]
        if goals := list(self._goals()):
            parts += ["### Goals", rows(["goal", "on", "smalls ÷ it", "at most", ""], goals)]
        if self.results.left_out:
            parts += ["### Left out", "\n".join(f"- {reason}" for reason in self.results.left_out)]
        return "\n\n".join(parts)

    def _table(self, scenario: Scenario) -> str:
        engines = {key: name for key, name in self.engines.items() if (scenario, key) in self.results.seconds}
        with_memory = scenario is Scenario.NOTHING_PENDING
        heads = ["ms"] + [head for name in engines.values() for head in (name, f"smalls ÷ it, {name}")]
        if with_memory:
            heads.append("peak MB")
        found = []
        for peer in (each.name for each in PEERS):
            cells = [cell for engine in engines for cell in self._cells(scenario, engine, peer)]
            if any(cells):
                found.append([peer, *cells, *([self._memory(peer)] if with_memory else [])])
        return rows(heads, found)

    def _cells(self, scenario: Scenario, engine: str, peer: str) -> tuple[str, str]:
        taken = self.results.seconds[scenario, engine].get(peer)
        if not taken:
            return "", ""
        ratio = self._ratio(scenario, engine, peer)
        return spread(taken), f"{ratio:.2f}" if ratio and peer != OURS else ""

    def _memory(self, peer: str) -> str:
        found = [kilobytes for (_, name), kilobytes in self.results.kilobytes.items() if name == peer]
        return f"{max(found) / 1024:.0f}" if found else ""

    def _ratio(self, scenario: Scenario, engine: str, peer: str) -> float | None:
        """Return the median over the rounds of our time over the peer's, None where one is missing."""
        taken = self.results.seconds[scenario, engine]
        return ratio(taken[OURS], taken[peer]) if OURS in taken and peer in taken else None

    def panels(self) -> dict[str, dict[str, list[float]]]:
        """Return the picture's panels: what each tool took, by scenario and database."""
        return {
            f"{_TITLES[scenario].format(count=self.count)}, {self.engines[engine]}": taken
            for (scenario, engine), taken in sorted(self.results.seconds.items(), key=lambda item: item[0][0].value)
        }

    # ── goals ──

    def _goals(self) -> Iterable[list[str]]:
        for (scenario, engine), taken in self.results.seconds.items():
            for peer, bound in _bounds(scenario, engine, taken):
                ratio = self._ratio(scenario, engine, peer)
                if ratio is not None:
                    verdict = "met" if round(ratio, 2) <= bound else "not met"
                    goal = f"{_TITLES[scenario].format(count=self.count)}, beside {peer}"
                    yield [goal, self.engines[engine], f"{ratio:.2f}", f"{bound}", verdict]


def _bounds(scenario: Scenario, engine: str, taken: dict[str, list[float]]) -> list[tuple[str, float]]:
    """Return who to compare with, and how our time over theirs may be at most."""
    if scenario is Scenario.FROM_EMPTY:
        return [("dbmate", 1.3 if engine == "sqlite" else 1.0)]
    python = sorted(_PYTHON & taken.keys(), key=lambda name: statistics.median(taken[name]))
    return [(name, 0.5) for name in python[:1]] + [("dbmate", 3.0)]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median over the rounds of one time over another."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def spread(taken: Sequence[float]) -> str:
    """Show a median and, in brackets, the quartiles, in milliseconds."""
    low, middle, high = statistics.quantiles(taken, n=4, method="inclusive") if len(taken) > 1 else taken * 3
    return f"{middle * 1000:.0f} ({low * 1000:.0f}–{high * 1000:.0f})"  # noqa: RUF001 -- a range takes a dash


def rows(heads: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; where its first head is empty, of words and not of numbers."""
    lines = [
        list(heads),
        ["---", *["---:"] * (len(heads) - 1)] if heads[0] else ["---"] * len(heads),
        *map(list, cells),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(report: str, begin: str = BEGIN, end: str = END) -> None:
    """Put a report between two markers of the page."""
    before, _, rest = PAGE.read_text().partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}\n\n{report}\n\n{end}{after}")
