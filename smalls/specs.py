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


class LockKind(Enum):
    """Which lock keeps two runs apart."""

    AUTO = "auto"
    ADVISORY = "advisory"
    LEASE = "lease"
    NONE = "none"


class LogFormat(Enum):
    """How log events are written."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


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
    if not 0 <= number < float("inf"):
        raise ValueError("a number of seconds, 0 or more")
    return number


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
        Spec("lock_timeout", _seconds, "300"),
        Spec("lock", _one_of(LockKind), "auto"),
        Spec("ddl_lock_timeout", _seconds, "5"),
        Spec("statement_timeout", _seconds),
        Spec("run_timeout", _seconds),
        Spec("out_of_order", _one_of(OutOfOrder), "apply", "refuse"),
        Spec("edited", _one_of(Edited), "warn", "refuse"),
        Spec("on_newer", _one_of(OnNewer), "accept"),
        Spec("smalls_version", _version),
        Spec("log_format", _one_of(LogFormat), "auto"),
        Spec("log_level", _level, "info"),
        Spec("yes", _yes, "0"),
    )
}
