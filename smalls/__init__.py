"""smalls: a database deployment step for projects with Peewee models.

Migration files may say `from smalls import db, migrator`: the run's database and Peewee's migrator for it.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` itself is a late import: see `smalls.quick`
if TYPE_CHECKING:
    from typing import Any

__all__ = ["db", "migrator"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from smalls import current

        return getattr(current, name)()
    raise AttributeError(f"module 'smalls' has no attribute {name!r}")
