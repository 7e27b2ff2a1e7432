"""What the fault tests share: slow statements, gates that migrations wait at, and the server's own view."""

import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from tests.databases import Database
from tests.running import Project, Result, wait_until

MARK = "smalls_slow_one"  # stands in every slow statement, so that the server's own list shows it


def slow_ddl(database: Database, seconds: float) -> str:
    """Give a schema change that takes so long in the server."""
    if database.family == "postgres":
        # A rewrite of the table, with a sleep for its only row.
        return (
            f"ALTER TABLE slow ALTER COLUMN n TYPE bigint USING n + length(pg_sleep({seconds})::text) /* {MARK} */"
        )
    # Two rows: a sleep that is cancelled only returns, and the next row finds that the statement was.
    rows = f"(SELECT {seconds} AS s UNION ALL SELECT 0) AS two"
    return f"CREATE TABLE slow_result AS SELECT s AS {MARK} FROM {rows} WHERE SLEEP(s) = 0"


def slow_query(database: Database, seconds: float) -> str:
    """Give a statement that takes so long and changes nothing."""
    if database.family == "sqlite":
        return "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 1e9) SELECT count(*) FROM c"
    if database.family == "postgres":
        return f"SELECT pg_sleep({seconds}) AS {MARK}"
    return f"SELECT * FROM (SELECT SLEEP({seconds}) AS {MARK}) AS t WHERE {MARK} = 5 FOR UPDATE"


def running(database: Database) -> list[int]:
    """Name the sessions that run a slow statement now, as the server tells."""
    if database.family == "sqlite":
        return []
    if database.family == "postgres":
        sql = f"SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%{MARK}%'"
        sql += " AND datname = current_database() AND pid <> pg_backend_pid()"
    else:
        sql = f"SELECT id FROM information_schema.processlist WHERE command = 'Query' AND info LIKE '%{MARK}%'"
        sql += " AND db = database() AND id <> connection_id()"
    return [row[0] for row in database.query(sql)]


def sessions(database: Database) -> list[tuple]:
    """List the sessions on this database, besides the one that asks."""
    if database.family == "sqlite":
        return []
    if database.family == "postgres":
        sql = "SELECT pid, application_name, state, query FROM pg_stat_activity"
        return database.query(f"{sql} WHERE datname = current_database() AND pid <> pg_backend_pid()")
    sql = "SELECT id, command, state, info FROM information_schema.processlist"
    return database.query(f"{sql} WHERE db = database() AND id <> connection_id()")


def advisory_locks(database: Database) -> list[tuple]:
    """List the advisory locks of a PostgreSQL database; the view has those of others on the server too."""
    sql = "SELECT pid FROM pg_locks JOIN pg_database AS own ON own.oid = database"
    return database.query(f"{sql} WHERE locktype = 'advisory' AND datname = current_database()")


def nothing_is_left(database: Database) -> None:
    """Fail unless the server soon has no session on this database: nothing runs, and no lock is held."""
    wait_until(lambda: not sessions(database), 5)


def end_session(database: Database, session: str) -> None:
    """End a session on the server."""
    database.query(
        f"SELECT pg_terminate_backend({session})" if database.family == "postgres" else f"KILL {session}"
    )


def make_tables(database: Database) -> None:
    """Make what the scenes write to."""
    database.execute("CREATE TABLE slow (n INTEGER); INSERT INTO slow VALUES (1)")
    database.execute("CREATE TABLE log (migration VARCHAR(40), runner INTEGER)")


def logged(database: Database) -> list[str]:
    """List the migrations that ran, in the order of their names; one that ran twice is there twice."""
    return [row[0] for row in database.query("SELECT migration FROM log ORDER BY migration")]


def applied(database: Database) -> list[str]:
    """List the migrations that the history has."""
    if "migration_history" not in database.tables():
        return []
    return [row[0] for row in database.query("SELECT name FROM migration_history ORDER BY id")]


def at_gate(project: Project, name: str, before: str = "pass", after: str = "pass") -> Callable[[], None]:
    """Write a migration that says that it is there, waits for the gate, and goes on; give what opens the gate."""
    there, gate = project.path / f"{name}.there", project.path / f"{name}.open"
    lines = (
        *before.splitlines(),
        f"open({str(there)!r}, 'w').close()",
        f"while not os.path.exists({str(gate)!r}):",
        "    time.sleep(0.01)",
        *after.splitlines(),
    )
    project.migration(name, "\n".join(lines), header="import os\n")
    return gate.touch


def wait_at_gate(project: Project, name: str, process: subprocess.Popen[str]) -> None:
    """Wait until the migration is at its gate."""
    there = project.path / f"{name}.there"
    wait_until(lambda: there.exists() or process.poll() is not None, 20)
    assert there.exists(), process.communicate()


def logs(migration: str) -> str:
    """Give the line of a migration that logs that it ran."""
    return f"db.execute_sql(\"INSERT INTO log VALUES ('{migration}', 0)\")"


def read_until(process: subprocess.Popen[str], event: str) -> None:
    """Read a run's log up to an event; what was read is no longer in its result."""
    assert process.stderr is not None
    assert any(f'"{event}"' in line for line in process.stderr), f"it ended without {event}"


def code_of(result: Result) -> str:
    """Give the stable code of the run's error."""
    return result.named("run.failed")[-1]["error"]["code"]


def settled(path: Path) -> str:
    """Read a file that a process may still be writing."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


def moment(event: dict) -> float:
    """Give the time of a log line."""
    return datetime.fromisoformat(event["timestamp"]).timestamp()
