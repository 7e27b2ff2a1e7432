"""`init` and `seed`: the project's own scripts as child processes, under the lock."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

from smalls.errors import ChildFailedError, ScriptMissingError
from smalls.model import Environment
from smalls.stop import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalls.run import Run
    from smalls.stop import Stop

_LOOK_EVERY = 0.1
_LAST_WORDS = 5.0
_FAREWELL = 2.0
# What would contradict the URL that the child is given.
_REPLACED = ("SMALLS_DATABASE_URL_FILE", "DATABASE_URL_FILE")


def run_script(run: Run, name: str, consent: Callable[[str], None]) -> str:
    """Run `name` with this interpreter, under the lock; return a sentence that says how it ended.

    The child finds the run's database in SMALLS_DATABASE_URL and DATABASE_URL, and a token with which a
    smalls inside it does not wait for this one. Its output becomes log events. Raises ScriptMissingError,
    ConsentError (in PROD), and ChildFailedError for any exit code but 0.
    """
    path = Path(name).absolute()
    if not path.is_file():
        raise ScriptMissingError(f"There is no {path}.", file=str(path))
    if run.settings.environment is Environment.PROD:
        consent(f"Run {name} on {run.chosen.location.shown}, in PROD?")
    with run.locked(both=False) as held:
        run.log("script.started", f"Running {name}.", script=name)
        code = _run(run, path, held.first.token())
    run.log("script.finished", f"{name} ended with {code}.", script=name, exit_code=code)
    if code:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        raise ChildFailedError(f"{name} {how}.", file=str(path))
    return f"{name} is done."


def _run(run: Run, path: Path, token: str) -> int:
    child = subprocess.Popen(  # noqa: S603 -- the project's own script
        [sys.executable, str(path)],
        env=_environment(run, token),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    readers = [
        threading.Thread(target=_pass_on, args=(run, path.name, stream, name), daemon=True)
        for stream, name in ((child.stdout, "stdout"), (child.stderr, "stderr"))
    ]
    for reader in readers:
        reader.start()
    try:
        code = _wait(child, run.stop)
    except Stopped:
        _end(child)
        raise
    for reader in readers:
        reader.join(_LAST_WORDS)
    return code


def _wait(child: subprocess.Popen[bytes], stop: Stop) -> int:
    """Return the child's exit code; a SIGTERM is passed on, and leaves it the grace to end well by itself."""
    with stop.graceful(), stop.interruptible():
        while stop.reason is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return child.wait(_LOOK_EVERY)
        child.terminate()
        if child.wait():
            raise Stopped
    return 0


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_FAREWELL)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _environment(run: Run, token: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if (name not in _REPLACED and not name.startswith("SMALLS_DB_"))
        or name in {"SMALLS_DB_ROLE", "SMALLS_DB_SCHEMA"}
    }
    if run.settings.config:
        kept["SMALLS_CONFIG"] = run.settings.config  # the child's schema and folder stand there too
    url = run.chosen.location.url
    return kept | {
        "SMALLS_DATABASE_URL": url,
        "DATABASE_URL": url,
        "SMALLS_LOCK_TOKEN": token,
        "PYTHONUNBUFFERED": "1",
    }


def _pass_on(run: Run, script: str, stream: IO[bytes] | None, name: str) -> None:
    for line in stream or ():
        run.log("script.output", line.decode(errors="backslashreplace").rstrip("\r\n"), script=script, stream=name)
