"""Which images were seen at a database, and when last: what `migrate --phase contract` may wait for."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from smalls.dialects.base import message_of
from smalls.errors import ConfigError, OldImageError
from smalls.history import read_if_there
from smalls.versions import later

if TYPE_CHECKING:
    from smalls.run import Run

TABLE = "smalls_images"
_CREATE = (
    "CREATE TABLE IF NOT EXISTS {table} (version VARCHAR(200) NOT NULL PRIMARY KEY, seen DOUBLE PRECISION NOT NULL)"
)


def note_image(run: Run) -> None:
    """Record that this image was here, where SMALLS_TRACK_IMAGES asks for it. What is in the way is a warning."""
    version = run.settings.image_version
    if not (run.settings.track_images and version and run.work.exists):
        return
    try:
        with contextlib.suppress(Exception):  # it is there, or another pod makes it at this moment
            _query(run, _CREATE)
        if version not in _seen(run):
            with contextlib.suppress(Exception):  # another pod of this image was first
                _query(run, "INSERT INTO {table} (version, seen) VALUES ({p}, 0)", version)
        _query(run, "UPDATE {table} SET seen = {now} WHERE version = {p}", version)
    except Exception as error:
        message = f"It could not be recorded that image {version} was here: {message_of(error)}."
        run.log("config.warned", message, setting="SMALLS_TRACK_IMAGES")


def refuse_while_older(run: Run) -> None:
    """Raise OldImageError while an older image than this was seen less than SMALLS_CONTRACT_AFTER seconds ago.

    Raises ConfigError where that cannot be known.
    """
    bound, own = run.settings.contract_after, run.settings.image_version
    if not bound:
        return
    if not (run.settings.track_images and own):
        raise ConfigError(
            "SMALLS_CONTRACT_AFTER is set, and images are not told apart.",
            hint="Set SMALLS_TRACK_IMAGES=1 and SMALLS_VERSION in every image that uses this database.",
            setting="SMALLS_CONTRACT_AFTER",
        )
    recent = {
        version: age
        for version, age in _seen(run).items()
        if age < bound and later(own, version, where="SMALLS_VERSION")
    }
    if recent:
        told = ", ".join(f"{version} ({age:.0f} s ago)" for version, age in recent.items())
        raise OldImageError(f"Older images than {own} were seen less than {bound:g} s ago: {told}.")


def _seen(run: Run) -> dict[str, float]:
    """Return how many seconds ago each version was seen last."""
    found = read_if_there(run.work, _filled(run, "SELECT version, {now} - seen AS age FROM {table}"))
    return {str(record["version"]): max(0.0, float(record["age"])) for record in found[1]} if found else {}


def _query(run: Run, sql: str, *parameters: object) -> None:
    run.work.query(_filled(run, sql), parameters)


def _filled(run: Run, sql: str) -> str:
    dialect = run.work.dialect
    return sql.format(table=dialect.table(run.settings.db_schema, TABLE), p=dialect.param, now=dialect.epoch)
