"""Image versions: integers or PEP 440 releases, compared; anything else is an error.

The grammar and the order are those of https://peps.python.org/pep-0440/ (appendix B and "Summary of
permitted suffixes"), without local versions, which no image registry accepts in a tag.
"""

from __future__ import annotations

import re

from smalls.errors import ConfigError

_VERSION = re.compile(
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>a|b|c|rc|alpha|beta|pre|preview)[-_.]?(?P<pre_n>\d*))?"
    r"(?:-(?P<post_bare>\d+)|[-_.]?(?P<post>post|rev|r)[-_.]?(?P<post_n>\d*))?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_n>\d*))?\Z",
    re.IGNORECASE,
)
_PRE = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "c": 2, "rc": 2, "pre": 2, "preview": 2}
_NO_PRE = 3
_LONGEST = 255
_LARGEST_INTEGER = 2**31 - 1
_DEV_ONLY = -1

VersionKey = tuple[int, tuple[int, ...], tuple[int, int], int, tuple[int, int]]


def version_key(text: str, *, where: str) -> VersionKey:
    """Return a key by which versions sort.

    Raises ConfigError, naming `where` the text stands, for anything that is no version.
    """
    match = _VERSION.match(text.strip()) if len(text) <= _LONGEST else None
    if match is None:
        raise ConfigError(
            f"{where} is {text[:_LONGEST]!r}, which is neither an integer nor a version such as 1.4.0.",
            hint="Use an integer (42) or a PEP 440 version (1.4.0, 2.0rc1).",
        )
    part = match.groupdict()
    return (int(part["epoch"] or 0), _release(part["release"]), _pre(part), _post(part), _dev(part))


def _release(text: str) -> tuple[int, ...]:
    numbers = [int(number) for number in text.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _pre(part: dict[str, str | None]) -> tuple[int, int]:
    if part["pre"]:
        return (_PRE[part["pre"].lower()], int(part["pre_n"] or 0))
    dev_only = part["dev"] and not (part["post"] or part["post_bare"])
    return (_DEV_ONLY if dev_only else _NO_PRE, 0)


def _post(part: dict[str, str | None]) -> int:
    if part["post_bare"]:
        return int(part["post_bare"])
    return int(part["post_n"] or 0) if part["post"] else -1


def _dev(part: dict[str, str | None]) -> tuple[int, int]:
    return (0, int(part["dev_n"] or 0)) if part["dev"] else (1, 0)


def at_least(have: str, floor: str, *, where: str) -> bool:
    """Tell whether version `have` is `floor` or later."""
    return version_key(have, where="SMALLS_VERSION") >= version_key(floor, where=where)


def later(one: str, other: str, *, where: str) -> bool:
    """Tell whether version `one` is later than `other`."""
    return version_key(one, where=where) > version_key(other, where="SMALLS_VERSION")


def as_integer(version: str | None) -> int:
    """Return the integer that upstream's `version` column holds: the image version if it is one, else 0.

    The column has 32 bits; a number beyond them (a build's time stamp) is kept in our own column only.
    """
    if version is None or len(version) > _LONGEST or not version.strip().isdecimal():
        return 0
    number = int(version)
    return number if number <= _LARGEST_INTEGER else 0
