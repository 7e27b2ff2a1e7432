"""`python -m benchmarks.unchanged`: measure every tool on models that have not changed, and print the table."""

import argparse
import random
import resource
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks import machine, table
from benchmarks.commands import Command, FailedError, run
from benchmarks.environments import LeftOutError
from benchmarks.unchanged.tools import AUTO, CHECK, DJANGO_CHECK, TOOLS, Tool

QUICK = {20: 2}
FULL = {200: 5, 1_000: 5}
GOAL, GOAL_TABLES = 0.33, 1_000
Taken = dict[int, dict[str, list[float]]]
"""Seconds by number of tables and tool, one a round."""


def main() -> int:
    """Measure, print, and return 1 where smalls itself could not be measured."""
    arguments = _arguments()
    tempfile.tempdir = machine.memory_folder()
    left_out: list[str] = []
    versions: dict[str, str] = {}
    tools = [tool for tool in TOOLS if _install(tool, versions, left_out)]
    rounds = QUICK if arguments.quick else FULL
    taken: Taken = {}
    for tables, times in rounds.items():
        print(f"# measuring {tables} tables", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
            taken[tables] = _measure(tools, tables, times, Path(name), left_out)
    report = _report(taken, versions, rounds, left_out)
    print(report)
    if arguments.write:
        table.write(report, "<!-- unchanged: begin -->", "<!-- unchanged: end -->")
    return int(not all(label in found for found in taken.values() for label in (AUTO, CHECK)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unchanged", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few tables and rounds: does it all still run?")
    parser.add_argument("--write", action="store_true", help="also put the table into docs/performance.md")
    return parser.parse_args()


def _install(tool: Tool, versions: dict[str, str], left_out: list[str]) -> bool:
    try:
        versions[tool.name] = tool.install()
    except LeftOutError as reason:
        left_out.append(f"{tool.label}: {reason}")
        return False
    return True


def _measure(
    tools: list[Tool], tables: int, times: int, folder: Path, left_out: list[str]
) -> dict[str, list[float]]:
    """Give each tool a project and a first run, which leaves byte-code for everybody; then take turns."""
    ready: list[tuple[Tool, Path]] = []
    for place, tool in enumerate(tools):
        project = folder / str(place)
        try:
            if tables <= tool.most:
                tool.prepare(project, tables)
                run(tool.command(project))
                ready.append((tool, project))
        except FailedError as reason:
            left_out.append(f"{tool.label}, {tables} tables: {reason}")
    taken: dict[str, list[float]] = {tool.label: [] for tool, _ in ready}
    order = random.Random(times)  # noqa: S311 -- no secret
    for _ in range(times):
        for tool, project in order.sample(ready, len(ready)):
            taken[tool.label].append(_cpu_seconds(tool.command(project)))
    for tool, project in ready:
        tool.verify(project, tables)
    return taken


def _cpu_seconds(command: Command) -> float:
    """Return the processor time, of user and system, that a command and its children take."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


# ── the table ───────────────────────────────────────────────────────────────────────────────────────────


def _report(taken: Taken, versions: dict[str, str], rounds: dict[int, int], left_out: list[str]) -> str:
    facts = {
        "Machine": machine.describe(),
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "Rounds": ", ".join(f"{times} of {tables:,} tables" for tables, times in rounds.items()),
        "Date": machine.today(),
    }
    parts = [table.rows(["", ""], ([name, fact] for name, fact in facts.items())), _table(taken)]
    if GOAL_TABLES in taken:
        parts.append(
            table.rows(["goal", "by rounds, median", "of minima", "at most", ""], _goals(taken[GOAL_TABLES]))
        )
    if left_out:
        parts.append("\n".join(f"- left out: {reason}" for reason in left_out))
    return "\n\n".join(parts)


def _table(taken: Taken) -> str:
    heads = ["CPU ms"]
    for tables in taken:
        heads += [f"{tables:,} tables", "create --auto ÷ it", "check ÷ it"]
    lines = [[tool.label, *_cells(taken, tool.label)] for tool in TOOLS]
    return table.rows(heads, (line for line in lines if any(line[1:])))


def _cells(taken: Taken, label: str) -> list[str]:
    cells = []
    for found in taken.values():
        if label not in found:
            cells += ["", "", ""]
            continue
        cells.append(table.spread(found[label]))
        peer = label not in {AUTO, CHECK}
        cells += [f"{_ratio(found, ours, label):.2f}" if peer and ours in found else "" for ours in (AUTO, CHECK)]
    return cells


def _ratio(found: dict[str, list[float]], ours: str, theirs: str) -> float:
    return statistics.median(one / other for one, other in zip(found[ours], found[theirs], strict=True))


def _goals(found: dict[str, list[float]]) -> list[list[str]]:
    lines = []
    for ours in (AUTO, CHECK):
        if ours in found and DJANGO_CHECK in found:
            ratio, least = _ratio(found, ours, DJANGO_CHECK), min(found[ours]) / min(found[DJANGO_CHECK])
            verdict = "met" if round(ratio, 2) <= GOAL else "not met"
            lines.append(
                [
                    f"{ours}, {GOAL_TABLES:,} tables, beside Django",
                    f"{ratio:.2f}",
                    f"{least:.2f}",
                    f"{GOAL}",
                    verdict,
                ]
            )
    return lines


if __name__ == "__main__":
    sys.exit(main())
