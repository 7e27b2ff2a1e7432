"""Keep secrets out of everything that leaves the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "***"
# Masking every "a" because the password is "a" would destroy the log and hide nothing.
_SHORTEST = 3


class Redactor:
    """Replace every known secret, in each of the spellings it may appear in, by `***`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._spellings: list[str] = []
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str | None) -> None:
        """Learn a secret; those under three characters are not masked."""
        if not secret or len(secret) < _SHORTEST:
            return
        spellings = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), repr(secret)[1:-1]}
        self._spellings = sorted({*self._spellings, *spellings}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return `text` without any known secret."""
        for spelling in self._spellings:
            text = text.replace(spelling, MASK)
        return text

    def value(self, value: Any) -> Any:
        """Return `value` with every string in it cleaned, at any depth."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value
