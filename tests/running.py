"""Run smalls as a process of its own, as its users do, in project folders made for the test."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

SMALLS = (sys.executable, "-m", "smalls")
LEAKS = ("SMALLS_", "DATABASE_URL", "PG", "MYSQL_", "PYTHON", "GITHUB_", "CI", "OTEL_", "TRACE")


@dataclass(frozen=True)
class Result:
    """What a finished run left behind."""

    code: int
    stdout: str
    stderr: str

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """Parse the JSON lines of stderr, in order; other lines are passed over."""
        return [event for event in map(_parsed, self.stderr.splitlines()) if event is not None]

    def named(self, event: str) -> list[dict[str, Any]]:
        """Pick the events of one name."""
        return [each for each in self.events if each.get("event") == event]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def clean_environment(env: dict[str, str] | None = None) -> dict[str, str]:
    """Give this process's environment without what would steer smalls or a driver, plus `env`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(LEAKS)}
    # A test may write a module twice within the second that Python dates its byte-code by.
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}


def run_smalls(
    *args: str,
    cwd: Path,
    env: dict[str, str] | None = None,
    input: str | None = None,  # noqa: A002 - as subprocess names it
    timeout: float = 60,
) -> Result:
    """Run `python -m smalls` to its end; without input, stdin is empty and no terminal."""
    done = subprocess.run(
        [*SMALLS, *args],
        cwd=cwd,
        env=clean_environment(env),
        input=input or "",
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def start_smalls(*args: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start `python -m smalls` and return at once; `finish` waits. Prefer the fixture, which cleans up."""
    return subprocess.Popen(
        [*SMALLS, *args],
        cwd=cwd,
        env=clean_environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], timeout: float = 60) -> Result:
    """Wait for a started run and give its result."""
    stdout, stderr = process.communicate(timeout=timeout)
    return Result(process.returncode, stdout, stderr)


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Look again and again until something holds, or fail."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.05)


HEADER = """\
import time

from peewee import *
from playhouse.migrate import migrate as pw_migrate

from smalls import db, migrator
"""


@dataclass(frozen=True)
class Project:
    """A user's project: a folder with migrations in it."""

    path: Path

    @property
    def migrations(self) -> Path:
        """Give the migrations folder."""
        return self.path / "migrations"

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project, its text dedented."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    def migration(self, name: str, migrate: str = "pass", rollback: str | None = "pass", header: str = "") -> Path:
        """Write a direct migration from the bodies of its functions; `rollback=None` leaves that out."""
        parts = [HEADER + dedent(header), _function("migrate", migrate)]
        if rollback is not None:
            parts.append(_function("rollback", rollback))
        return self.write(f"migrations/{name}.py", "\n\n".join(parts))

    def run(self, *args: str, env: dict[str, str] | None = None, **options: Any) -> Result:
        """Run smalls in this project."""
        return run_smalls(*args, cwd=self.path, env=env, **options)


def _function(name: str, body: str) -> str:
    return f"def {name}():\n{indent(dedent(body).strip() or 'pass', '    ')}\n"
