"""A page whose commands run: its files are written, its commands run, and what they print is compared.

- A ```python block after a paragraph that ends with "`PATH`:" is that file: it is written, or, if the
  paragraph has the word "wrote", compared with what is there.
- A ```console block has commands behind `$ `, each followed by what it prints, both streams together.
  `...` in it stands for any lines.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.running import clean_environment

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`([\w./]+)`:\s*\Z")
TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?Z?")
BANNER = re.compile(r"^=+\n\|.*\|\n=+\n\nRunning at: .*\n", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """One file or command of a page, with the text that the page has for it."""

    kind: str  # "write", "wrote" or "run"
    what: str
    text: str

    def happens(self, folder: Path) -> str:
        """Do it in a folder, and give what came of it: the file's text, or what the command printed."""
        path = folder / self.what
        if self.kind == "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.text, encoding="utf-8")
        return run(self.what, folder) if self.kind == "run" else path.read_text(encoding="utf-8")


def steps(page: str) -> list[Step]:
    """Read the steps of a page, in order."""
    found: list[Step] = []
    for fence in FENCE.finditer(page):
        language, text = fence.groups()
        paragraph = page[: fence.start()].rstrip().rpartition("\n\n")[2]
        named = FILE.search(paragraph)
        if language == "python" and named:
            found.append(Step("wrote" if "wrote" in paragraph else "write", named[1], text))
        elif language == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, _, printed = part.partition("\n")
                found.append(Step("run", command, printed))
    return found


def run(command: str, folder: Path) -> str:
    """Run a command as a person would on a terminal, and give what it prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**clean_environment(), "PATH": path, "SMALLS_LOG_FORMAT": "console"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout


def plain(text: str) -> str:
    """Give text without what differs from run to run, and without the banner."""
    return TIME.sub("TIME", BANNER.sub("", text)).strip("\n")


def matches(told: str, real: str) -> bool:
    """Whether a page tells what a command printed, up to times and to the lines that `...` stands for."""
    parts = re.split(r"^ *\.\.\.$\n?", plain(told), flags=re.MULTILINE)
    return re.fullmatch(r"(?:.*\n)*?".join(map(re.escape, parts)), plain(real)) is not None
