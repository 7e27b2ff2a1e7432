"""Runs of smalls in forked children, hundreds a minute, and what must hold of each whatever it was given."""

import ctypes
import importlib
import json
import os
import pkgutil
import select
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import jsonschema

import smalls as package
from smalls.cli import main
from smalls.errors import Exit
from smalls.events import schema
from tests.running import Result, clean_environment

BOUND = 30.0  # of seconds; none of these runs has anything to wait for
COMMANDS = (("status",), ("migrate",), ("check",), ("repair",), ("config",))
for _module in pkgutil.walk_packages(package.__path__, "smalls."):  # the children find them imported
    if not _module.name.endswith(("__main__", "tracing")):
        importlib.import_module(_module.name)
_VALIDATOR = jsonschema.Draft202012Validator(schema())


def smalls(*words: str, cwd: Path, env: Mapping[str, str] | None = None, powerless: bool = False) -> Result:
    """Run a command in a child of this process, and hold what came of it; a child that hangs is a failure.

    Root may write anywhere; a `powerless` child only where its permissions let it.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            become(words, cwd, clean_environment(dict(env or {})), out.fileno(), err.fileno(), powerless=powerless)
        code = _wait(child)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="surrogateescape"))
    result = Result(code, *texts)
    hold(result)
    return result


def become(
    words: tuple[str, ...], cwd: Path, env: Mapping[str, str], out: int, err: int, *, powerless: bool = False
) -> None:
    """Be smalls, as a process of its own would be, and end."""
    code = 255
    try:
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        null = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in enumerate((null, out, err)):
            os.dup2(descriptor, number)
        for number, name in ((1, "stdout"), (2, "stderr")):
            stream = os.fdopen(number, "w", encoding="utf-8", closefd=False)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
        sys.path.insert(0, "")
        if powerless:
            _give_capabilities_up()
        code = main.main(list(words))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _give_capabilities_up() -> None:
    """Be what any other user is: https://man7.org/linux/man-pages/man2/capset.2.html."""
    version, parts = 0x20080522, 6
    ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(version, 0), (ctypes.c_uint32 * parts)())


def _wait(child: int) -> int:
    watched = os.pidfd_open(child)
    try:
        ended, _, _ = select.select([watched], [], [], BOUND)
        if not ended:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert ended, f"still running after {BOUND:g} s"
    finally:
        os.close(watched)
    return os.waitstatus_to_exitcode(status)


def hold(result: Result) -> None:
    """Hold what must be so of every run: a code of the table that is no defect's, and a log that is whole."""
    assert result.code in set(Exit) - {Exit.DEFECT}, result.stderr
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    for line in lines:
        assert [error.message for error in _VALIDATOR.iter_errors(line)] == [], line
    assert (lines[-1]["event"], lines[-1]["exit_code"]) == ("run.finished", result.code)
    if result.code not in {Exit.OK, Exit.PENDING}:
        assert [line["error"]["hint"] for line in lines if line["event"] == "run.failed"]
    assert "Traceback" not in result.stdout + result.stderr
