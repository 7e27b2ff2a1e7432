"""What the numbers were measured on: the machine, the servers, and the day."""

import os
import platform
import sqlite3
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.servers import SQLITE, UnavailableError, family, server

# For each kind of server, the first that this machine has.
KINDS = {
    "SQLite": SQLITE,
    "PostgreSQL": ("postgres15", "postgres17"),
    "MariaDB": ("mariadb10", "mariadb11"),
}


def find_engine(kind: str) -> str:
    """Return the engine of a kind that this machine has, started. Raises UnavailableError."""
    reasons = []
    for engine in KINDS[kind]:
        try:
            if engine not in SQLITE:
                server(engine)
        except UnavailableError as reason:
            reasons.append(f"{engine}: {reason}")
            print(f"# {reasons[-1]}", file=sys.stderr)
        else:
            return engine
    raise UnavailableError("; ".join(reasons))


def engine_version(engine: str) -> str:
    """Return the version of an engine, as it says itself."""
    if engine in SQLITE:
        return sqlite3.sqlite_version
    ask = "SHOW server_version" if family(engine) == "postgres" else "SELECT version()"
    connection = server(engine).connect()
    cursor = connection.cursor()
    cursor.execute(ask)
    row = cursor.fetchone()
    connection.close()
    return str(row[0]).split()[0].partition("-")[0] if row else "unknown"


def describe() -> str:
    """Return the machine in a line: cores, processor, memory, system, Python."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({_processor()}), {gigabytes:.0f} GiB of memory, "
        f"{platform.system()} {platform.release().partition('-')[0]}, Python {platform.python_version()}"
    )


def memory_folder() -> str:
    """Return a folder whose files are kept in memory, so that no disk decides; where there is none, the usual."""
    shared = Path("/dev/shm")  # noqa: S108 -- only the parent of a folder of our own
    return str(shared) if os.access(shared, os.W_OK) else tempfile.gettempdir()


def today() -> str:
    """Return the date."""
    return datetime.now(UTC).date().isoformat()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
