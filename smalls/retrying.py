"""Trying again what a lock of others kept from being done: rolled back first, after a growing, jittered pause."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from smalls.dialects.base import Trouble, message_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalls.dialects.base import Dialect
    from smalls.events import Emit
    from smalls.stop import Stop

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0
_IN_THE_WAY = {Trouble.LOCKED: "others hold a lock", Trouble.DEADLOCK: "the server broke a deadlock"}


@dataclass(slots=True)
class Retries:
    """Tries again, at most `most` times for one unit of work; `tries` counts those of the unit at hand.

    `jitter` returns a number between two others.
    """

    most: int
    dialect: Dialect
    stop: Stop
    emit: Emit
    jitter: Callable[[float, float], float] = field(default=random.uniform)
    tries: int = 0

    def run(self, key: str, unit: Callable[[bool], Any]) -> Any:
        """Run a unit of a migration's work, which leaves nothing behind when it fails, until no lock is in its way.

        It is told whether it was tried before. Raises what it raises, at the bound also for a lock.
        """
        self.tries = 0
        while True:
            try:
                return unit(self.tries > 0)
            except Exception as error:
                if not self.wait(key, error):
                    raise

    def wait(self, key: str, error: BaseException) -> bool:
        """Tell whether to try again after an error; if so, once the pause is over."""
        trouble = self.dialect.trouble(error) if isinstance(error, Exception) else Trouble.OTHER
        if trouble not in _IN_THE_WAY or self.tries >= self.most:
            return False
        self.tries += 1
        longest = min(_FIRST_PAUSE * 2 ** (self.tries - 1), _LONGEST_PAUSE)
        pause = self.jitter(longest / 2, longest)
        why = f"{_IN_THE_WAY[trouble]}: {message_of(error)}"
        self.emit(
            "ddl.retried",
            f"{key}: {why}. Trying again in {pause:.1f} s ({self.tries} of {self.most}).",
            migration=key,
            reason=trouble.name.lower(),
            tries=self.tries,
            most=self.most,
        )
        self.stop.sleep(pause)
        return True
