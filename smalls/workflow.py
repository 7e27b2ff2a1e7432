"""The log's form for GitHub Actions: the console's lines, with migrations grouped and failures annotated.

The commands and their escapes: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
and https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from smalls.console import VERBS, Console

if TYPE_CHECKING:
    from collections.abc import Sequence

# What the runner would take for a command: `::name::` at a line's beginning, blanks aside, and `##[name]` anywhere.
_COMMAND = re.compile(r"(^|[\r\n])(\s*)::")
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = _DATA | str.maketrans({":": "%3A", ",": "%2C"})


class Workflow(Console):
    """Write events as lines and workflow commands; what others printed can never become a command.

    Files are named relative to the first of `roots` that they are in, as the repository has them.
    """

    def __init__(self, stream: TextIO, roots: Sequence[str]) -> None:
        super().__init__(stream)
        self._roots = roots
        self._grouped = False

    def show(self, event: str, level: str, message: str, fields: dict[str, Any]) -> None:
        """Write one event; warnings and errors are annotations, a migration's failure once, at the run's end."""
        if event == "run.failed" and level == "error":
            self._annotate(message, fields["error"])
        elif event != "migration.failed" and level in {"warning", "error"}:
            self._command(level, message, title=event, file=self._relative(fields.get("path")))
        else:
            super().show(event, level, message, fields)

    def progress(self, total: int) -> None:
        """Draw no bar: nobody watches."""

    def _write(self, text: str) -> None:
        super()._write(_COMMAND.sub(r"\1\2| ::", text).replace("##[", "## ["))

    def _command(self, name: str, message: str, **properties: object) -> None:
        told = ",".join(f"{key}={str(value).translate(_PROPERTY)}" for key, value in properties.items() if value)
        super()._write(f"::{name}{' ' if told else ''}{told}::{message.translate(_DATA)}\n")

    def _started(self, _message: str, fields: dict[str, Any]) -> None:
        self._command("group", f"{VERBS[fields['direction']]}: {fields['path']}")
        self._grouped = True

    def _outcome(self, message: str, fields: dict[str, Any]) -> None:
        super()._outcome(message, fields)
        self._end_group()

    def _failure(self, _message: str, _fields: dict[str, Any]) -> None:
        self.line("FAILED")
        self._end_group()

    def _end_group(self) -> None:
        if self._grouped:
            self._command("endgroup", "")
        self._grouped = False

    def _annotate(self, message: str, error: dict[str, Any]) -> None:
        parts = [message]
        parts += [f"statement: {error['statement']}"] if "statement" in error else []
        parts += [f"also {more}" for more in error.get("also", ())]
        parts += [f"What to do: {error['hint']}"]
        file = self._relative(error.get("file"))
        self._command("error", "\n".join(parts), file=file, line=file and error.get("line"), title=error["code"])

    def _relative(self, file: str | None) -> str | None:
        if not file:
            return None
        with contextlib.suppress(OSError):  # the current folder may be gone
            path = Path(os.path.realpath(file))
            for root in map(os.path.realpath, self._roots):
                if path.is_relative_to(root):
                    return path.relative_to(root).as_posix()
        return file
