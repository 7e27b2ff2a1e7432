"""Where settings come from: environment variables with their `_FILE` forms, and the config file."""

from __future__ import annotations

import configparser
import difflib
import errno
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from smalls.errors import ConfigError
from smalls.urls import is_unicode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX = "SMALLS_"

# What Kubernetes injects for a Service whose name begins with "smalls" (docker-links style variables):
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_SERVICE_LINK = re.compile(
    r"SMALLS(?:_\w+)?_(?:SERVICE_(?:HOST|PORT)(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)\Z"
    r"|SMALLS(?:_\w+)?_PORT\Z"
)
_SERVICE_VALUE = re.compile(r"(?:tcp|udp|sctp)://")


@dataclass(frozen=True, slots=True)
class Value:
    """A setting's text and the place it came from, for messages and for `smalls config`."""

    text: str = field(repr=False)
    source: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """A warning about a setting, to be logged once logging is set up."""

    setting: str
    message: str


def is_service_link(name: str, value: str) -> bool:
    """Tell whether Kubernetes, not a person, set this variable, for a Service of that name."""
    if _SERVICE_VALUE.match(value):
        return True
    return _SERVICE_LINK.match(name) is not None and name != "SMALLS_DB_PORT"


def read_variable(environ: Mapping[str, str], name: str, *, may_be_file: bool) -> Value | None:
    """Return a variable's value; empty counts as not set, and what Kubernetes injects is ignored.

    With `may_be_file`, `NAME_FILE` names a file that holds the value; its last line end is not part of it.
    Raises ConfigError where both are set, the file cannot be read, or the value is not UTF-8.
    """
    text = environ.get(name, "")
    if not is_unicode(text):
        raise ConfigError(f"{name} is not UTF-8 text.", hint="Set it again, in UTF-8.", setting=name)
    if text and is_service_link(name, text):
        text = ""
    path = environ.get(f"{name}_FILE", "") if may_be_file else ""
    if text and path:
        raise ConfigError(f"{name} and {name}_FILE are both set.", hint="Unset one of them.", setting=name)
    if path:
        return Value(_read_secret(path, f"{name}_FILE"), f"file {path} ({name}_FILE)")
    return Value(text, name) if text else None


def _refuse_pipe(path: str) -> None:
    """Raise OSError for a named pipe, which might never say anything; a shell's `<(command)` is none."""
    if Path(path).is_fifo() and not path.startswith(("/dev/", "/proc/")):
        raise OSError(errno.EINVAL, "it is a named pipe")


def _read_secret(path: str, name: str) -> str:
    try:
        _refuse_pipe(path)
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(
            f"{name} names {path}, which cannot be read: {why}.",
            hint="Mount the secret at that path, readable by the user that smalls runs as.",
            setting=name,
        ) from None
    return text.removesuffix("\n").removesuffix("\r")


def read_config_file(path: str, environment: str | None, *, required: bool) -> dict[str, Value]:
    """Return the keys of `[smalls.ENVIRONMENT]` over those of `[smalls]`; empty where there is no file.

    Raises ConfigError for a file that is `required` and not there, or that cannot be read as INI.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        _refuse_pipe(path)
        text = Path(path).read_text(encoding="utf-8-sig")
        parser.read_string(text, source=path)
    except FileNotFoundError:
        if required:
            raise ConfigError(
                f"The config file {path} does not exist.",
                hint="Name one that is there with --config or SMALLS_CONFIG, or neither: config.ini may be absent.",
                file=path,
            ) from None
        return {}
    except (OSError, UnicodeDecodeError, ValueError, configparser.Error) as error:
        raise ConfigError(
            f"The config file {path} cannot be read: {_config_problem(error)}.",
            hint="It is an INI file with a section [smalls] of `key = value` lines.",
            file=path,
            line=getattr(error, "lineno", None),
        ) from None
    return _sections(parser, path, environment)


def _config_problem(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or "it cannot be opened"
    if isinstance(error, configparser.DuplicateOptionError):
        return f"the key {error.option!r} stands twice in [{error.section}] (line {error.lineno})"
    if isinstance(error, configparser.DuplicateSectionError):
        return f"the section [{error.section}] stands twice (line {error.lineno})"
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"line {error.lineno} stands before any [section]"
    if isinstance(error, configparser.ParsingError):
        return f"line {error.errors[0][0]} is not `key = value`"
    return "it is not UTF-8 text"


def _sections(parser: configparser.ConfigParser, path: str, environment: str | None) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for section in ("smalls", f"smalls.{environment}" if environment else None):
        if section and parser.has_section(section):
            found |= {key: Value(text, f"{path} [{section}]") for key, text in parser.items(section) if text}
    return found


def unknown_names(names: Iterable[str], known: Iterable[str], where: str) -> list[Doubt]:
    """Return a doubt for each of `names` that is not `known`, with the nearest that is."""
    choices = sorted(known)
    doubts = []
    for name in sorted(set(names) - set(choices)):
        near = difflib.get_close_matches(name, choices, n=1, cutoff=0.6)
        question = f": did you mean {near[0]}?" if near else "."
        doubts.append(Doubt(name, f"Unknown {where} {name}{question}"))
    return doubts


def environment_doubts(environ: Mapping[str, str], known: Iterable[str]) -> list[Doubt]:
    """Return doubts about SMALLS_* variables: unknown ones, and those that a Kubernetes Service injected."""
    ours = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    links = sorted(name for name, value in ours.items() if is_service_link(name, value))
    doubts = unknown_names(set(ours) - set(links), known, "environment variable")
    if links:
        message = (
            f"Ignored {', '.join(links)}: Kubernetes sets these for a Service whose name begins with "
            "'smalls'. Set enableServiceLinks: false in the pod to be rid of them."
        )
        doubts.append(Doubt(links[0], message))
    return doubts
