"""The table of settings: each one's key, variable, defaults, and how its text is read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from smalls.errors import ConfigError
from smalls.model import Edited, Environment, OnNewer, OutOfOrder
from smalls.variables import (
    PREFIX,
)
from smalls.versions import version_key

if TYPE_CHECKING:
    from collections.abc import Callable


# Servers count these in milliseconds, in 32 bits; that is 23 days.
_MOST_SECONDS = 2_000_000
_SHORTEST_KEY = 16


class LockKind(Enum):
    """Which lock keeps two runs apart."""

    AUTO = "auto"
    ADVISORY = "advisory"
    LEASE = "lease"
    NONE = "none"


class Transaction(Enum):
    """What one transaction holds: each migration, or all that a run does."""

    MIGRATION = "migration"
    RUN = "run"


class LogFormat(Enum):
    """How log events are written."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"
    GITHUB = "github"


def _text(text: str) -> str:
    return text


def _one_of(kind: type[Enum]) -> Callable[[str], Enum]:
    def parse(text: str) -> Enum:
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"one of {', '.join(str(member.value) for member in kind)}") from None

    return parse


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= _MOST_SECONDS:
        raise ValueError(f"a number of seconds, 0 to {_MOST_SECONDS}")
    return number


def _life(text: str) -> float:
    number = _seconds(text)
    if number < 1:
        raise ValueError("a number of seconds, 1 or more")
    return number


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError("a whole number, 0 or more")
    return int(text)


def _yes(text: str) -> bool:
    answers = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.lower() not in answers:
        raise ValueError("1 or 0")
    return answers[text.lower()]


def _level(text: str) -> str:
    if text.lower() not in {"debug", "info", "warning", "error"}:
        raise ValueError("one of debug, info, warning, error")
    return text.lower()


def _paths(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _keys(text: str) -> tuple[str, ...]:
    keys = tuple(text.replace(",", "\n").split())
    if not keys or any(len(key) < _SHORTEST_KEY for key in keys):
        raise ValueError(f"keys of {_SHORTEST_KEY} characters or more, separated by commas or line ends")
    return keys


def _name(text: str) -> str:
    if "\x00" in text:
        raise ValueError("a name without NUL characters")
    return text


def _version(text: str) -> str | None:
    if not text.strip():
        return None
    try:
        version_key(text, where="")
    except ConfigError:
        raise ValueError("an integer or a version such as 1.4.0") from None
    return text.strip()


@dataclass(frozen=True, slots=True)
class Spec:
    """One setting: its config key, how its text is read, its defaults, and whether it can hold a secret."""

    key: str
    parse: Callable[[str], Any]
    default: str | None = None
    prod_default: str | None = None
    secret: bool = False
    in_config_file: bool = True

    @property
    def variable(self) -> str:
        """The environment variable's name."""
        return PREFIX + self.key.removeprefix("smalls_").upper()


PARTS = ("engine", "host", "port", "user", "password", "name")

SPECS: dict[str, Spec] = {
    spec.key: spec
    for spec in (
        Spec("env", _one_of(Environment), "DEV"),
        Spec("database_url", _text, secret=True),
        *(Spec(f"db_{part}", _name, secret=True, in_config_file=False) for part in PARTS),
        Spec("db_role", _name),
        Spec("db_schema", _name),
        Spec("session_sql", _text, secret=True),
        Spec("model", _text),
        Spec("object", _text, "db"),
        Spec("migrations", _name, "migrations"),
        Spec("apps", _paths),
        Spec("wait_timeout", _seconds, "0", "60"),
        Spec("create_database", _yes, "0"),
        Spec("lock_timeout", _seconds, "300"),
        Spec("lock", _one_of(LockKind), "auto"),
        Spec("lease_timeout", _life, "30"),
        Spec("ddl_lock_timeout", _seconds, "5"),
        Spec("ddl_retries", _count, "10"),
        Spec("transaction", _one_of(Transaction), "migration"),
        Spec("statement_timeout", _seconds),
        Spec("run_timeout", _seconds),
        Spec("shutdown_grace", _seconds, "5"),
        Spec("out_of_order", _one_of(OutOfOrder), "apply", "refuse"),
        Spec("edited", _one_of(Edited), "warn", "refuse"),
        Spec("on_newer", _one_of(OnNewer), "accept"),
        Spec("smalls_version", _version),
        Spec("log_format", _one_of(LogFormat), "auto"),
        Spec("log_level", _level, "info"),
        Spec("termination_log", _text, "/dev/termination-log", in_config_file=False),
        Spec("report", _text, in_config_file=False),
        Spec("metrics_file", _text, in_config_file=False),
        Spec("skip", _text, in_config_file=False),
        Spec("history_key", _keys, secret=True, in_config_file=False),
        Spec("track_images", _yes, "0"),
        Spec("contract_after", _seconds, "0"),
        Spec("yes", _yes, "0"),
        Spec("verify", _yes, "0"),
    )
}
