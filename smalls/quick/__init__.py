"""`migrate` where nothing is to do, decided with the driver alone: what nearly every start of a pod is.

Click and Peewee take longer to import than the database takes to answer. So the plainest settings, the
files and the history are read here with little more than the driver; where every file is recorded as it is, and
nothing else is, the lines of the full way are written, and that was it. Nothing else is ever decided: whatever is
not known here (another command, a setting that matters, a row or file that does not fit, any error at all) is left
to the full way, which begins anew. Nothing is cached, so it is the truth each time.

Even the standard library is imported with care here: `typing` alone is a quarter of what all of this may cost.
"""

from __future__ import annotations

import os
import sys
import time

from smalls.quick import drivers, files, lines, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS = (None, "applied", "baselined", "faked")


def nothing_to_do(arguments: list[str], environ: Mapping[str, str]) -> bool:
    """Tell whether the command line is a `migrate` with nothing to do; then its log is written.

    False means only that it is not known here; nothing has been written or changed then. After True SIGTERM and
    SIGINT stay blocked, since the log has said how the process ends.
    """
    if arguments != ["migrate"]:
        return False
    began = lines.Moment(time.time(), time.monotonic())
    try:
        settings = plain.settings(environ, terminal=sys.stderr.isatty())
        found = files.checksums(settings.migrations)
        run_id = os.urandom(6).hex()
        rows, waited = drivers.ask(settings.place, f"smalls run={run_id} host={os.uname().nodename}")
        return _fits(found, rows) and lines.Answer(settings, run_id, len(rows), began, waited).tell()
    except Exception:  # the full way tells what is wrong
        return False


def _fits(found: dict[str, str], rows: list[drivers.Row]) -> bool:
    """Tell whether files and rows are the same, one for one, and each file is as it was recorded."""
    if not found or len(rows) != len(found):
        return False
    for name, checksum, kind, strange in rows:
        digest = found.pop(name, None)
        if digest is None or strange or kind not in _KINDS or not _accepts(checksum, digest):
            return False
    return True


def _accepts(recorded: str | None, digest: str) -> bool:
    """Tell whether the raw bytes are accepted; nothing recorded accepts any, as `smalls.checksum` has it."""
    return not recorded or any(entry.split(":")[1:2] == [digest] for entry in recorded.split())
