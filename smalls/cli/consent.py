"""One word of consent: asked for on a terminal, else taken from --yes or SMALLS_YES."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from smalls.cli.typed import answer_to
from smalls.errors import ConsentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalls.run import Run


def consent(run: Run, *, yes: bool) -> Callable[[str], None]:
    """Return what asks a question and raises ConsentError unless the answer is yes."""

    def ask(question: str) -> None:
        if yes or run.settings.yes:
            return
        if not sys.stdin.isatty():
            raise ConsentError(f"{question} Nobody said yes, and there is no terminal to ask on.")
        if answer_to(f"{question} [y/N]", run.stop).lower() not in {"y", "yes"}:
            raise ConsentError(f"{question} The answer was no.", hint="Nothing was changed; `y` goes on.")

    return ask
