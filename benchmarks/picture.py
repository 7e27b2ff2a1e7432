"""The picture beside the tables: bars of medians, one panel for each scenario and database, as SVG."""

import statistics
from collections.abc import Iterator
from html import escape
from pathlib import Path

FILE = Path(__file__).parent.parent / "docs" / "performance.svg"
OURS = "smalls"
_WIDTH, _LABEL, _BAR, _LINE, _HEAD = 720, 130, 440, 20, 34
# Colours that stand out on white and on black.
_COLOURS = {True: "#2f81f7", False: "#8b949e"}

Panels = dict[str, dict[str, list[float]]]


def svg(panels: Panels) -> str:
    """Return the picture. `panels` gives by title the seconds of each tool, one a round."""
    parts: list[str] = []
    top = 0
    for title, taken in panels.items():
        parts += _panel(title, {name: seconds for name, seconds in taken.items() if seconds}, top)
        top += _HEAD + len(taken) * _LINE + 10
    style = 'font-family="sans-serif" font-size="12" fill="#808080"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" width="{_WIDTH}" {style}>'
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def _panel(title: str, taken: dict[str, list[float]], top: int) -> Iterator[str]:
    medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
    longest = max(medians.values(), default=1.0)
    yield f'<text x="0" y="{top + 20}" font-size="14" font-weight="bold">{escape(title)}</text>'
    for line, (name, middle) in enumerate(sorted(medians.items(), key=lambda item: item[1])):
        y = top + _HEAD + line * _LINE
        long = max(1, round(middle / longest * _BAR))
        yield f'<text x="{_LABEL - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>'
        yield f'<rect x="{_LABEL}" y="{y}" width="{long}" height="15" fill="{_COLOURS[name == OURS]}"/>'
        yield f'<text x="{_LABEL + long + 6}" y="{y + 12}">{middle * 1000:.0f} ms</text>'


def write(panels: Panels) -> None:
    """Write the picture beside the page."""
    FILE.write_text(svg(panels))
