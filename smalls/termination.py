"""The termination message: what became of the run, in a file that Kubernetes shows in `kubectl describe`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smalls.errors import Exit, SmallsError
    from smalls.events import Emit
    from smalls.redact import Redactor

VARIABLE = "SMALLS_TERMINATION_LOG"
# Made by the kubelet, and nowhere else:
# https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
DEFAULT = "/dev/termination-log"
LIMIT = 4096  # of bytes; what is longer the kubelet cuts off, wherever that is
# Bytes for each part, together below the limit.
_HEAD, _MIGRATION, _MESSAGE, _STATEMENT, _PLACE, _REMEDY = 120, 280, 1300, 900, 500, 700
_ELLIPSIS = "…"


def message(command: str, code: Exit, ending: str, error: SmallsError | None, redactor: Redactor) -> str:
    """Return what a person needs, in at most 4,096 bytes of UTF-8: one line, or the parts of `error`.

    `ending` is the sentence that a run without an error ended with. Secrets are taken out before anything is
    cut, or half a secret would stay.
    """
    if error is None:
        return cut(f"smalls {command}, exit code {int(code)}: {redactor.text(ending)}", LIMIT - 1) + "\n"
    told: dict[str, Any] = redactor.value({**error.as_dict(), "migration": error.fields.get("migration")})
    place = f"{told['file']}:{told.get('line', '')}".rstrip(":") if "file" in told else None
    parts = (
        ("migration", told["migration"], _MIGRATION),
        ("error", told["message"], _MESSAGE),
        ("statement", told.get("statement"), _STATEMENT),
        ("at", place, _PLACE),
        ("what to do", told["hint"], _REMEDY),
    )
    head = cut(f"smalls {command} failed: exit code {int(code)}, {error.code}{_retry(code)}", _HEAD)
    lines = [head, *(cut(f"{name}: {_one_line(text)}", limit) for name, text, limit in parts if text)]
    return "\n".join(lines) + "\n"


def _retry(code: Exit) -> str:
    return ", a retry may help" if code.retryable else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def cut(text: str, limit: int) -> str:
    """Return `text` in at most `limit` bytes of UTF-8, cut between characters and marked where it was cut."""
    data = text.encode(errors="backslashreplace")
    if len(data) <= limit:
        return data.decode()
    return data[: limit - len(_ELLIPSIS.encode())].decode(errors="ignore") + _ELLIPSIS


def leave(text: str, environ: dict[str, str] | os._Environ[str], emit: Emit) -> None:
    """Write the message where SMALLS_TERMINATION_LOG says; a file that cannot be written is a warning.

    The default is written only where it is there for us; a file that was named is made. The environment is
    read here, so that settings that cannot be read are told as well.
    """
    named = environ.get(VARIABLE)
    if not named and not os.access(DEFAULT, os.W_OK):
        return
    try:
        _write(named or DEFAULT, text.encode())
    except (OSError, ValueError) as error:
        emit(
            "termination.warned",
            f"The termination message could not be written: {error}.",
            path=named or DEFAULT,
        )


def _write(path: str, data: bytes) -> None:
    # Written in place: Kubernetes mounts the one file, which cannot be replaced. Without O_NONBLOCK a named
    # pipe that nobody reads would hold up the end of the run.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK, 0o644)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
