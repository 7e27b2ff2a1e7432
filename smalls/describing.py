"""`config`: the effective settings with their sources, and what the database user may do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from smalls.dialects.base import message_of
from smalls.errors import SmallsError
from smalls.redact import MASK
from smalls.specs import SPECS

if TYPE_CHECKING:
    from smalls.run import Run
    from smalls.settings import Settings


def describe(run: Run) -> dict[str, Any]:
    """Return settings and abilities as plain data; secrets are masked, and an unreachable database is told.

    A database is tried once: who asks for settings does not want to wait for it.
    """
    found: dict[str, Any] = {"settings": _settings(run.settings)}
    run.settings = replace(run.settings, wait_timeout=0.0)
    try:
        chosen = run.chosen
        found["database"] = {
            "name": chosen.location.shown,
            "source": chosen.source,
            "engine": chosen.dialect.engine.value,
        }
        if run.work.exists:
            found["database"]["server"] = chosen.dialect.server(run.work.query)
            found["user"] = chosen.dialect.abilities(run.work.query, run.settings.db_schema)
    except SmallsError as error:
        found["database_error"] = error.as_dict()
    except Exception as error:
        # A compatible engine may lack what is asked for; the rest is worth showing.
        found["database_error"] = {"message": message_of(error)}
    return found


def _settings(settings: Settings) -> list[dict[str, str | None]]:
    return [
        {
            "setting": key,
            "variable": spec.variable,
            "value": _shown(settings, key),
            "source": settings.values[key].source if key in settings.values else "not set",
        }
        for key, spec in SPECS.items()
    ]


def _shown(settings: Settings, key: str) -> str | None:
    if key not in settings.values:
        return None
    if key == "database_url":
        return settings.location.shown if settings.location else MASK
    return MASK if key in {"db_password", "session_sql"} else settings.values[key].text


def as_text(found: dict[str, Any]) -> str:
    """Return the description as lines."""
    rows = [(row["variable"], row["value"] or "", row["source"]) for row in found["settings"]]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = ["  ".join((row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2])).rstrip() for row in rows]
    for title in ("database", "user", "database_error"):
        if title in found:
            lines += ["", f"{title.replace('_', ' ')}:"]
            lines += [f"  {name}: {_word(value)}" for name, value in found[title].items()]
    return "\n".join(lines)


def _word(value: Any) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
