"""Names of migrations: file stems, numbers, history keys, and safe names from any description."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from smalls.errors import UsageError
from smalls.model import Revision

if TYPE_CHECKING:
    from collections.abc import Iterable

_STEM = re.compile(r"(\d{4,})(?:\D.*)?\Z", re.DOTALL)
_NEARLY = re.compile(r"\d+[_\-. ]")
_MAX_WORDS_LENGTH = 100


def revision_of_stem(stem: str, app: str = "") -> Revision | None:
    """Return the revision that a file stem names, or None where it is not a migration's.

    A migration's stem begins with at least four digits and goes on with anything but a digit.
    """
    match = _STEM.match(stem)
    return Revision(app, int(match[1]), stem) if match else None


def looks_like_migration(stem: str) -> bool:
    """Tell whether a stem that is not a migration's was probably meant to be one (`12_add_x`)."""
    return revision_of_stem(stem) is None and _NEARLY.match(stem) is not None


def revision_of_key(key: str) -> Revision:
    """Return the revision that a history row's name means: `stem`, or `app.stem`.

    A name that is no migration's at all (a hand-edited row) has the number -1.
    """
    app, dot, stem = key.partition(".")
    if app and dot and not app[0].isdigit():
        found = revision_of_stem(stem, app)
        return found or Revision(app, -1, stem)
    return revision_of_stem(key) or Revision("", -1, key)


def next_number(revisions: Iterable[Revision]) -> int:
    """Return the number after the highest; 1 where there is none."""
    return max((revision.number for revision in revisions), default=0) + 1


def stem_for(number: int, description: str) -> str:
    """Return a file stem that is safe on every file system, for any description.

    Letters of other scripts are kept where they have a plain ASCII form, else dropped; what is left is
    cut at 100 characters. Raises UsageError where nothing is left.
    """
    plain = unicodedata.normalize("NFKD", description).encode("ascii", "ignore").decode()
    words = re.sub(r"[^0-9A-Za-z]+", "_", plain.replace("'", "")).strip("_")
    if not words:
        raise UsageError(
            f"The description {description!r} has no letter or digit that can be in a file name.",
            hint='Describe the change in a few words: smalls create "add reset count to users"',
        )
    return f"{number:04d}_{words[:_MAX_WORDS_LENGTH].rstrip('_')}"
