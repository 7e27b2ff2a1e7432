"""The words of smalls as values: revision, history row, unfinished work, policies, directions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Direction(Enum):
    """Which way a migration is run."""

    FORWARD = "forward"
    BACKWARD = "backward"


class Environment(Enum):
    """Where smalls runs; it decides defaults only, every one of which has a setting of its own."""

    DEV = "DEV"
    PROD = "PROD"


class OutOfOrder(Enum):
    """What to do with a pending migration that is numbered below an applied one."""

    APPLY = "apply"
    REFUSE = "refuse"
    IGNORE = "ignore"


class Edited(Enum):
    """What to do when an applied migration's file was changed."""

    REFUSE = "refuse"
    WARN = "warn"


class OnNewer(Enum):
    """What to do when the database has migrations that this image does not know."""

    ACCEPT = "accept"
    REFUSE = "refuse"


class Phase(Enum):
    """Which migrations a run takes: those that running code can live with, those that it cannot, or both."""

    EXPAND = "expand"
    CONTRACT = "contract"
    ALL = "all"


class Kind(Enum):
    """How a migration came to be in the history."""

    APPLIED = "applied"
    BASELINED = "baselined"
    FAKED = "faked"


@dataclass(frozen=True, slots=True, order=True)
class Revision:
    """A migration's identity: its app ("" for a project without apps), number and file stem.

    Revisions sort by app, then number, then name, so that two files of one number have an order.
    """

    app: str
    number: int
    name: str

    def __str__(self) -> str:
        return f"{self.app}.{self.name}" if self.app else self.name


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """A row of the history table: a migration that is applied. Missing columns read as None.

    `additive` is whether it only added things; `kept` whether its operations are kept with it.
    """

    id: int
    revision: Revision
    migrated_at: datetime | str | None = None
    version: int | None = None
    applied_at: datetime | str | None = None
    checksum: str | None = None
    image_version: str | None = None
    min_version: str | None = None
    duration_ms: int | None = None
    applied_by: str | None = None
    kind: Kind = Kind.APPLIED
    additive: bool | None = None
    kept: bool = False

    @property
    def key(self) -> str:
        """The name in the table."""
        return str(self.revision)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A migration that some run began and never finished, as the journal tells it.

    `state` is "running" (no end was recorded) or "failed" (its failure was). `resumable` is whether it was run
    step by step, so that a rerun can go on where it stopped.
    """

    key: str
    state: str
    direction: Direction
    at: str
    detail: dict[str, object]
    resumable: bool = False


@dataclass(frozen=True, slots=True)
class Policies:
    """The decisions that settings make where history and files differ."""

    out_of_order: OutOfOrder
    edited: Edited
    on_newer: OnNewer
    image_version: str | None = None
