"""The floor of a Python tool: the migrations that smalls gets, and its statements and commits, by Peewee alone.

Run as a program with a URL, in a project's folder. It knows no settings and checks nothing.
"""

import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import peewee
from playhouse.db_url import connect

HISTORY = (
    "name VARCHAR(255) NOT NULL UNIQUE, migrated_at {time} NOT NULL, version INTEGER NOT NULL, applied_at {time},"
    " checksum TEXT, duration_ms INTEGER, applied_by TEXT, kind TEXT"
)
JOURNAL = (
    "at {time} NOT NULL, run_id VARCHAR(64) NOT NULL, migration VARCHAR(255) NOT NULL,"
    " event VARCHAR(32) NOT NULL, detail TEXT"
)


def main(url: str) -> None:
    """Apply what is not recorded yet."""
    db, beside = connect(url), connect(url)
    smalls = sys.modules["smalls"] = ModuleType("smalls")
    smalls.db = db
    ways = {peewee.SqliteDatabase: Sqlite, peewee.PostgresqlDatabase: Postgres, peewee.MySQLDatabase: Mariadb}
    way = next(made for kind, made in ways.items() if isinstance(db, kind))(db, beside)
    way.make_tables()
    done = {name for (name,) in db.execute_sql("SELECT name FROM migration_history").fetchall()}
    for path in sorted(Path("migrations").glob("*.py")):
        if path.stem not in done:
            source = path.read_bytes()
            module = ModuleType(path.stem)
            exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 -- what a migration is for
            tell("Applying", path.stem)
            way.apply(module.migrate, path.stem, hashlib.sha256(source).hexdigest())
            tell("Applied", path.stem)


def tell(what: str, name: str) -> None:
    """Write a line."""
    line = {"timestamp": datetime.now(UTC).isoformat(), "message": f"{what} {name}.", "migration": name}
    print(json.dumps(line), file=sys.stderr)


class Way:
    """How one engine applies and records a migration."""

    identity, time, param = "INTEGER NOT NULL PRIMARY KEY", "DATETIME", "?"

    def __init__(self, db, beside):
        self.db, self.beside = db, beside
        self.insert = f"INSERT INTO migration_history ({', '.join(self._columns())}) VALUES ({self._marks(8)})"
        columns = "at, run_id, migration, event, detail"
        self.note = f"INSERT INTO smalls_journal ({columns}) VALUES ({self._marks(5)})"

    def _columns(self):
        return [part.split()[0] for part in HISTORY.split(", ")]

    def _marks(self, count):
        return ", ".join([self.param] * count)

    def make_tables(self):
        """Make both tables."""
        for table, columns in (("migration_history", HISTORY), ("smalls_journal", JOURNAL)):
            text = f"id {self.identity}, {columns.format(time=self.time)}"
            self.db.execute_sql(f"CREATE TABLE IF NOT EXISTS {table} ({text})")

    def row(self, name, checksum):
        """Give a row of the history."""
        now = datetime.now()  # noqa: DTZ005 -- as upstream records it
        return name, now, 0, now, checksum, 1, "nobody", "applied"


class Sqlite(Way):
    """All in one transaction, with foreign keys off."""

    def apply(self, migrate, name, checksum):
        """Run and record it."""
        cursor = self.db.connection().cursor()
        for sql in ("PRAGMA foreign_keys = 0", "BEGIN IMMEDIATE", "SAVEPOINT m"):
            cursor.execute(sql)
        migrate()
        cursor.execute("RELEASE SAVEPOINT m")
        cursor.execute(self.insert, self.row(name, checksum))
        cursor.execute("COMMIT")
        cursor.execute("PRAGMA foreign_keys = 1")


class Postgres(Way):
    """All in one transaction; the record, a look at a lock and the commit in one message."""

    identity, time, param = "SERIAL NOT NULL PRIMARY KEY", "TIMESTAMP", "%s"

    def apply(self, migrate, name, checksum):
        """Run and record it."""
        cursor = self.db.connection().cursor()
        cursor.execute("BEGIN; SAVEPOINT m")
        migrate()
        record = cursor.mogrify(self.insert, self.row(name, checksum))
        cursor.execute(
            b"; ".join([b"RELEASE SAVEPOINT m", b"SELECT pg_try_advisory_xact_lock(1)", record, b"COMMIT"])
        )


class Mariadb(Way):
    """A note beside; the migration; both records in one message."""

    identity, time, param = "INTEGER AUTO_INCREMENT NOT NULL PRIMARY KEY", "DATETIME(6)", "%s"

    def apply(self, migrate, name, checksum):
        """Run and record it."""
        row = self.row(name, checksum)
        self.beside.execute_sql(self.note, (row[1], "run", name, "statement", "{}"))
        migrate()
        cursor = self.db.connection().cursor()
        history = cursor.mogrify(self.insert, row)
        journal = cursor.mogrify(self.note, (row[1], "run", name, "applied", "{}"))
        cursor.execute(f"BEGIN NOT ATOMIC START TRANSACTION; {history}; {journal}; COMMIT; END")


if __name__ == "__main__":
    main(sys.argv[1])
