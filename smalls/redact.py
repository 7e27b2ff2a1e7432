"""Keep secrets out of everything that leaves the process."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "***"
# Masking every "a" because the password is "a" would destroy the log and hide nothing.
_SHORTEST = 3
_ESCAPED = re.compile("%[0-9A-F]{2}")
# Passwords in URLs of whatever kind, known to us or not: what stands between user and host. Hints show by
# `user:password@` how a URL is written.
_IN_URL = re.compile(r"""(?<=://)(?!user:password@)([^\s/:@"']*:)[^\s/"']+(?=@)""")


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
        self._spellings = sorted({*self._spellings, *_spellings(secret)}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return `text` without any known secret."""
        for spelling in self._spellings:
            text = text.replace(spelling, MASK)
        return _IN_URL.sub(rf"\1{MASK}", text) if "://" in text else text

    def value(self, value: Any) -> Any:
        """Return `value` with every string in it cleaned, at any depth."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value


def _spellings(secret: str) -> set[str]:
    """Return the secret as URLs, Python, JSON and SQL literals spell it."""
    encoded = {
        quote(secret, safe="", errors="replace"),
        quote(secret, errors="replace"),
        quote_plus(secret, errors="replace"),
    }
    as_bytes = repr(secret.encode(errors="surrogatepass"))[2:-1]
    quoted = {
        repr(secret)[1:-1],
        ascii(secret)[1:-1],
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
    }
    doubled = secret.replace("\\", "\\\\")
    literals = {secret.replace("'", "''"), doubled.replace("'", "''"), doubled.replace("'", "\\'")}
    return {
        secret,
        as_bytes,
        *encoded,
        *(_ESCAPED.sub(lambda found: found[0].lower(), text) for text in encoded),
        *quoted,
        *literals,
    }
