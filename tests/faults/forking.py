"""Runs of smalls from one process that has everything imported: tens a second, each to be killed at will.

It is a process of its own, since what forks must have no threads, and those who use it have: proxies, clients.
"""

import contextlib
import gc
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.running import Result, clean_environment

ROOT = Path(__file__).parent.parent.parent
LONGEST = 120.0  # of seconds; a run that takes longer hangs


@dataclass
class Running:
    """One run: a child of the fork server, or the fork server itself."""

    pid: int
    out: Path
    err: Path
    ended: threading.Event = field(default_factory=threading.Event)
    told: dict[str, Any] = field(default_factory=dict)

    def kill(self) -> None:
        """Kill it as the system does when memory is short."""
        if not self.ended.is_set():  # its number may be another's by now
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def finish(self, timeout: float = LONGEST) -> Result:
        """Wait for its end, and give what it left behind; one that hangs is killed, and is a failure."""
        hangs = not self.ended.wait(timeout)
        if hangs:
            self.kill()
            self.ended.wait(timeout)
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in (self.out, self.err)]
        for path in (self.out, self.err):
            path.unlink()
        assert not hangs, f"still running after {timeout:g} s: {texts[1][-2000:]}"
        return Result(self.told["code"], *texts)


class Forks:
    """A fork server, and what it runs. Safe to use from many threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._mutex = threading.Lock()
        self._runs: dict[int, Running] = {}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forking"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=clean_environment(),
        )
        self._began = threading.Semaphore(0)
        self._last: Running | None = None
        threading.Thread(target=self._hear, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait()

    def start(self, *words: str, cwd: Path, env: dict[str, str], hook: dict[str, Any] | None = None) -> Running:
        """Start a run in a child of its own; `hook` is for `tests.faults.statements`."""
        return self._ask(words, cwd, env, hook, here=False)

    def run(self, *words: str, cwd: Path, env: dict[str, str], hook: dict[str, Any] | None = None) -> Result:
        """Run to the end, in a child of its own."""
        return self.start(*words, cwd=cwd, env=env, hook=hook).finish()

    def held(self) -> dict[str, Any]:
        """Tell what the fork server holds: memory, files, threads; and the processor's time that it took."""
        running = self._ask((), ROOT, {}, None, here=True)
        running.finish()
        return running.told

    def here(self, *words: str, cwd: Path, env: dict[str, str]) -> Result:
        """Run in the fork server itself, to see whether it comes to hold more."""
        return self._ask(words, cwd, env, None, here=True).finish()

    def _ask(
        self, words: tuple[str, ...], cwd: Path, env: dict[str, str], hook: dict[str, Any] | None, *, here: bool
    ) -> Running:
        assert self._server.stdin
        with self._mutex:
            self._number += 1
            out, err = (self._folder / f"run{self._number}.{kind}" for kind in ("out", "err"))
            out.touch()  # one that is killed at once writes neither
            err.touch()
            asked = {"words": words, "cwd": str(cwd), "env": clean_environment(env), "hook": hook, "here": here}
            line = json.dumps({**asked, "out": str(out), "err": str(err)})
            self._pending = (out, err)
            self._server.stdin.write(line.encode() + b"\n")
            self._server.stdin.flush()
            self._began.acquire()
            assert self._last
            return self._last

    def _hear(self) -> None:
        assert self._server.stdout
        for line in self._server.stdout:
            told = json.loads(line)
            if "began" in told:
                self._last = self._runs[told["began"]] = Running(told["began"], *self._pending)
                self._began.release()
            else:
                running = self._runs.pop(told["ended"])
                running.told = told
                running.ended.set()


# ---- in the fork server


def _serve() -> None:
    asks, tells = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    from tests.bad_input import forked  # it imports all of smalls

    gc.freeze()  # or each child would copy all of it, to look for garbage there
    children: dict[int, int] = {}  # what tells of its end → its process
    left = b""
    while True:
        ready, _, _ = select.select([asks, *children], [], [])
        for watched in ready:
            if watched == asks:
                read = os.read(asks, 1 << 20)
                if not read:
                    return
                *lines, left = (left + read).split(b"\n")
                for line in lines:
                    _begin(json.loads(line), tells, children, forked)
            else:
                child = children.pop(watched)
                _, status = os.waitpid(child, 0)
                os.close(watched)
                _tell(tells, ended=child, code=os.waitstatus_to_exitcode(status))


def _begin(asked: dict[str, Any], tells: int, children: dict[int, int], forked: Any) -> None:
    if asked["here"]:
        _tell(tells, began=os.getpid())
        code = _here(asked, forked.main.main) if asked["words"] else 0
        _tell(tells, ended=os.getpid(), code=code, **_held())
        return
    child = os.fork()
    if child == 0:
        out, err = (os.open(asked[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for name in ("out", "err"))
        if asked["hook"]:
            from tests.faults import statements

            statements.install(**asked["hook"])
        forked.become(tuple(asked["words"]), Path(asked["cwd"]), asked["env"], out, err)
    children[os.pidfd_open(child)] = child
    _tell(tells, began=child)


def _here(asked: dict[str, Any], main: Any) -> int:
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    with (
        Path(asked["out"]).open("w", encoding="utf-8") as out,
        Path(asked["err"]).open("w", encoding="utf-8") as err,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        return main(asked["words"])


def _held() -> dict[str, Any]:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "rss": pages * resource.getpagesize(),
        "descriptors": descriptors,
        "threads": threading.active_count(),
        "cpu": sum(each.ru_utime + each.ru_stime for each in used),
    }


def _tell(tells: int, **told: Any) -> None:
    os.write(tells, json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    _serve()
