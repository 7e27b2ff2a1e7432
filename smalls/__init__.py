"""smalls: a database deployment step for projects with Peewee models.

Migration files may say `from smalls import db, migrator`: the run's database and Peewee's migrator for it.
"""

from __future__ import annotations

from typing import Any

__all__ = ["db", "migrator"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from smalls import current

        return getattr(current, name)()
    raise AttributeError(f"module 'smalls' has no attribute {name!r}")
