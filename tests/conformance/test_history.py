"""The history table, on every engine: made, read, added to, taken from, and adopted from upstream."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from smalls.errors import HistoryError, PermissionDeniedError
from smalls.history import OUR_COLUMNS
from smalls.model import Kind
from tests.databases import Database
from tests.ports import Opened, write_migrations
from tests.running import Project
from tests.servers import MYSQL, POSTGRES

OpenRun = Callable[..., Opened]
NAMES = ("0001_one", "0002_two", "0003_three")
# As Peewee creates upstream's model; the newer upstream adds `version`, without a default.
UPSTREAM = {
    "sqlite": (
        'CREATE TABLE "migration_history" ("id" INTEGER NOT NULL PRIMARY KEY, "name" VARCHAR(255) NOT NULL, '
        '"migrated_at" DATETIME NOT NULL{version}); '
        'CREATE UNIQUE INDEX "migrationhistory_name" ON "migration_history" ("name")'
    ),
    "postgres": (
        'CREATE TABLE "migration_history" ("id" SERIAL NOT NULL PRIMARY KEY, "name" VARCHAR(255) NOT NULL, '
        '"migrated_at" TIMESTAMP NOT NULL{version}); '
        'CREATE UNIQUE INDEX "migrationhistory_name" ON "migration_history" ("name")'
    ),
    "mysql": (
        "CREATE TABLE `migration_history` (`id` INTEGER AUTO_INCREMENT NOT NULL PRIMARY KEY, "
        "`name` VARCHAR(255) NOT NULL, `migrated_at` DATETIME NOT NULL{version}); "
        "CREATE UNIQUE INDEX `migrationhistory_name` ON `migration_history` (`name`)"
    ),
}
VERSION = {"old": "", "newer": ", version INTEGER NOT NULL"}


def make_upstream(database: Database, form: str, *names: str) -> None:
    """Make the history that upstream would have made, with its rows."""
    database.execute(UPSTREAM[database.family].format(version=VERSION[form]))
    for name in names:
        upstream_inserts(database, form, name)


def upstream_inserts(database: Database, form: str, name: str) -> None:
    """Insert a row as upstream's model does: its own columns only."""
    column, value = (", version", ", 7") if form == "newer" else ("", "")
    database.execute(
        f"INSERT INTO migration_history (name, migrated_at{column}) VALUES ('{name}', '2024-05-06 07:08:09'{value})"
    )


def test_a_history_is_made_read_added_to_and_taken_from(
    database: Database, open_run: OpenRun, tmp_path: Path
) -> None:
    """Rows come back as they were written, in order of application, and go one at a time."""
    write_migrations(tmp_path, *NAMES)
    run = open_run(database.url, SMALLS_VERSION="1.2.0")
    assert run.history.read().columns == ()
    run.work.connect()
    run.prepare_tables()
    for migration in reversed(run.files):
        run.history.add(migration, Kind.APPLIED, 12)
    rows = run.history.read().rows
    assert [row.key for row in rows] == list(reversed(NAMES))
    row = rows[0]
    assert (row.kind, row.duration_ms, row.image_version, row.version) == (Kind.APPLIED, 12, "1.2.0", 0)
    assert run.files[2].checksum.matches(row.checksum)
    run.history.remove("0002_two")
    assert [row.key for row in run.history.read().rows] == ["0003_three", "0001_one"]


def test_both_clocks_are_recorded_as_they_are_meant(
    database: Database, open_run: OpenRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`migrated_at` is upstream's local time and `applied_at` is UTC, whatever the zones of the session."""
    write_migrations(tmp_path, "0001_one")
    run = open_run(database.url)
    run.work.connect()
    run.prepare_tables()
    local, utc = datetime(2026, 7, 1, 12, 0, 0), datetime(2026, 7, 1, 4, 0, 0)  # noqa: DTZ001 - as the columns
    monkeypatch.setattr(run.clock, "local", lambda: local)
    monkeypatch.setattr(run.clock, "utc", lambda: utc)
    run.history.add(run.files[0], Kind.APPLIED, 0)
    row = database.query("SELECT migrated_at, applied_at FROM migration_history")[0]
    found = [datetime.fromisoformat(value) if isinstance(value, str) else value for value in row]
    assert found == [local, utc]


def test_preparing_twice_changes_nothing(database: Database, open_run: OpenRun) -> None:
    """Tables that are there already are left alone."""
    run = open_run(database.url)
    run.work.connect()
    run.prepare_tables()
    before = database.dump()
    run.prepare_tables()
    assert database.dump() == before
    assert len(run.named("history.created")) == 1
    assert not run.named("history.adopted")


@pytest.mark.parametrize("form", ["old", "newer"])
def test_upstreams_table_is_adopted_in_place(
    database: Database, open_run: OpenRun, tmp_path: Path, form: str
) -> None:
    """Its rows stay as they are, ours are written beside them, and upstream still reads and writes it."""
    write_migrations(tmp_path, *NAMES)
    make_upstream(database, form, "0001_one", "0002_two")
    upstream_reads = f"SELECT id, name, migrated_at{', version' if form == 'newer' else ''} FROM migration_history"
    before = database.query(f"{upstream_reads} ORDER BY id")
    run = open_run(database.url)
    assert [row.key for row in run.history.read().rows] == ["0001_one", "0002_two"]
    run.prepare_tables()
    assert database.query(f"{upstream_reads} ORDER BY id") == before
    run.history.add(run.files[2], Kind.APPLIED, 1)
    upstream_inserts(database, form, "0004_upstreams")
    assert [row[1] for row in database.query(f"{upstream_reads} ORDER BY id")] == [*NAMES, "0004_upstreams"]
    assert [row.key for row in run.history.read().rows] == [*NAMES, "0004_upstreams"]
    assert set(OUR_COLUMNS) <= set(run.history.read().columns)


@pytest.mark.parametrize("form", ["old", "newer"])
def test_upstreams_table_serves_a_whole_run(database: Database, project: Project, form: str) -> None:
    """What upstream applied is not run again; what is pending is; the adopted rows count as unedited."""
    for name in NAMES:
        project.migration(name, f"db.execute_sql('CREATE TABLE t{name[:4]} (id INTEGER)')")
    make_upstream(database, form, "0001_one", "0002_two")
    done = project.run("migrate", env=database.env)
    assert done.code == 0, done.stderr
    assert [event["migration"] for event in done.named("migration.applied")] == ["0003_three"]
    assert "t0001" not in database.tables()
    again = project.run("migrate", env={**database.env, "SMALLS_EDITED": "refuse"})
    assert again.code == 0, again.stderr
    assert not again.named("lock.acquired")


def test_a_history_is_never_half_adopted(database: Database, open_run: OpenRun) -> None:
    """Where our columns are there in part (a killed run on MySQL), the next write adds the rest."""
    make_upstream(database, "old", "0001_one")
    database.execute("ALTER TABLE migration_history ADD COLUMN applied_at VARCHAR(30)")
    run = open_run(database.url)
    run.work.connect()
    run.prepare_tables()
    assert set(OUR_COLUMNS) <= set(run.history.read().columns)
    assert [row.key for row in run.history.read().rows] == ["0001_one"]


def test_a_table_of_that_name_that_is_no_history_is_refused(database: Database, open_run: OpenRun) -> None:
    """It is somebody's data: it is named and left as it is."""
    database.execute("CREATE TABLE migration_history (id INTEGER PRIMARY KEY, species VARCHAR(20))")
    before = database.dump()
    with pytest.raises(HistoryError, match="name, migrated_at"):
        open_run(database.url).look()
    assert database.dump() == before


@pytest.mark.parametrize("command", [("status",), ("check",), ("config",), ("repair",), ("migrate", "--plan")])
def test_reading_creates_nothing(database: Database, project: Project, command: tuple[str, ...]) -> None:
    """No table, no lock file, not even SQLite's own file comes from a command that only reads."""
    project.migration("0001_one")
    before = sorted(path.name for path in project.path.parent.rglob("*.db*"))
    done = project.run(*command, env=database.env)
    assert done.code == 0, done.stderr
    assert database.family == "sqlite" or database.tables() == []
    assert sorted(path.name for path in project.path.parent.rglob("*.db*")) == before


def test_nothing_to_do_writes_nothing(database: Database, project: Project) -> None:
    """Neither an empty folder on an empty database nor a finished one is written to, and no lock is taken."""
    empty = project.run("migrate", env=database.env)
    assert empty.code == 0, empty.stderr
    assert database.family == "sqlite" or database.tables() == []
    assert not Path(f"{database.name}").exists() or database.family != "sqlite"
    project.migration("0001_one", "db.execute_sql('CREATE TABLE t (id INTEGER)')")
    assert project.run("migrate", env=database.env).code == 0
    before = database.dump(sequences=True)
    again = project.run("migrate", env={**database.env, "SMALLS_LOG_LEVEL": "debug"})
    assert again.code == 0
    assert not again.named("lock.acquired")
    assert database.dump(sequences=True) == before


@pytest.mark.parametrize("database", [*POSTGRES, *MYSQL], indirect=True)
def test_who_may_not_read_the_history_is_told_so(database: Database, open_run: OpenRun) -> None:
    """Permission denied is no empty history: nothing would keep migrations from running twice."""
    url = database.user_url()
    make_upstream(database, "old", "0001_one")
    if database.family == "mysql":
        user = database.users[0]
        database.execute(f"REVOKE ALL ON `{database.name}`.* FROM {user}")
        database.execute(f"CREATE TABLE other (id INTEGER); GRANT SELECT ON `{database.name}`.other TO {user}")
    with pytest.raises(PermissionDeniedError):
        open_run(url).look()


def test_the_journal_tells_beginnings_that_never_ended(database: Database, open_run: OpenRun) -> None:
    """A migration's last entry decides: begun is running, failed is failed, everything else is settled."""
    run = open_run(database.url)
    run.work.connect()
    assert run.journal.unfinished() == []
    run.prepare_tables()
    for key, events in {
        "0001_one": ("started", "applied"),
        "0002_two": ("started", "failed"),
        "0003_three": ("started",),
        "0004_four": ("started", "failed", "repaired"),
        "0005_five": ("started", "withdrawn"),
        "0006_six": ("undo_started",),
    }.items():
        for event in events:
            run.journal.add(key, event, note="it's 100% “said”")
    found = [(work.key, work.state, work.direction.value) for work in run.journal.unfinished()]
    assert found == [
        ("0002_two", "failed", "forward"),
        ("0003_three", "running", "forward"),
        ("0006_six", "running", "backward"),
    ]
    assert run.journal.unfinished()[0].detail["note"] == "it's 100% “said”"


def test_times_are_of_now(database: Database, open_run: OpenRun, tmp_path: Path) -> None:
    """What the real clock gives is stored to the second."""
    write_migrations(tmp_path, "0001_one")
    run = open_run(database.url)
    run.work.connect()
    run.prepare_tables()
    run.history.add(run.files[0], Kind.APPLIED, 0)
    at = run.history.read().rows[0].applied_at
    at = datetime.fromisoformat(at) if isinstance(at, str) else at
    assert abs(at - run.clock.utc()) < timedelta(seconds=2)
