"""Environments of their own for the peers, under `.venvs/`: made once, used again until that folder is removed."""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".venvs"
DRIVERS = ("psycopg2-binary", "pymysql")  # the same for every Python peer
_SHOWN = 300  # characters of an installer's last words


class LeftOutError(Exception):
    """A peer cannot be measured on this machine; the text says why."""


def python_environment(name: str, *requirements: str) -> Path:
    """Give the folder of programs of a virtual environment that holds the requirements and the drivers.

    Raises LeftOutError where they cannot be installed.
    """
    folder = FOLDER / name
    wanted = (*requirements, *DRIVERS)
    mark = folder / f"installed-{_digest((*wanted, sys.version))}"
    if not mark.exists():
        _install([sys.executable, "-m", "venv", "--clear", str(folder)])
        _install([*_pip(folder), *wanted])
        mark.touch()
    return folder / "bin"


def this_project() -> Path:
    """Give the folder of programs of an environment with smalls as it is in this tree, installed as users do."""
    programs = python_environment("smalls")
    _install([*_pip(programs.parent), str(ROOT)])  # pip installs a folder anew each time
    return programs


def node_package(name: str, package: str) -> Path:
    """Give the folder of an installed npm package. Raises LeftOutError where it cannot be installed."""
    folder = FOLDER / name
    found = folder / "node_modules" / package
    if not found.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _install(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), package])
    return found


def _pip(folder: Path) -> list[str]:
    return [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _install(words: list[str]) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LeftOutError(f"{words[0]} is not installed") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-_SHOWN:]
        raise LeftOutError(f"installing {words[-1]} failed: {said}")


def _digest(words: tuple[str, ...]) -> str:
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:12]
