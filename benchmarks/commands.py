"""A command to measure, and the running of it."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

_SHOWN = 2000  # characters of a failed command's output
_INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR")


class FailedError(Exception):
    """A command ended with an error, or its result is not what it has to be."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to start, where, and with which variables beside the few that every command gets."""

    words: tuple[str | Path, ...]
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment; settings of the caller's own do not reach what is measured."""
        return {name: os.environ[name] for name in _INHERITED if name in os.environ} | self.variables


def run(command: Command) -> str:
    """Run a command to its end and return what it wrote to stdout. Raises FailedError."""
    done = subprocess.run(
        command.words,
        cwd=command.folder,
        env=command.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-_SHOWN:]
        raise FailedError(f"{Path(command.words[0]).name} ended with {done.returncode}: {said}")
    return done.stdout
