"""Killed without warning: the next runner goes on without help, and never while the dead one's work goes on."""

import threading
import time
from collections.abc import Callable
from typing import Self

import pytest

from tests.databases import Database
from tests.faults.scenes import (
    applied,
    at_gate,
    code_of,
    end_session,
    logged,
    logs,
    make_tables,
    moment,
    nothing_is_left,
    read_until,
    running,
    slow_ddl,
    wait_at_gate,
)
from tests.ports import Opened
from tests.running import Project, finish, wait_until
from tests.servers import MYSQL, POSTGRES, SQLITE

OpenRun = Callable[..., Opened]


class Watch:
    """Look at the server again and again for slow statements: when each was last seen, and how many at once."""

    def __init__(self, database: Database) -> None:
        self.last_seen: dict[int, float] = {}
        self.most = 0
        self._database = database
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            now, found = time.time(), running(self._database)
            self.last_seen |= dict.fromkeys(found, now)
            self.most = max(self.most, len(found))


@pytest.mark.parametrize("database", [*POSTGRES, *MYSQL], indirect=True)
def test_an_orphaned_statement_is_waited_for(database: Database, project: Project, start) -> None:
    """Kill -9 in a long ALTER: the next runner has the lock at once, and begins only when the ALTER is over."""
    make_tables(database)
    statement = slow_ddl(database, 3333).replace("3333", '" + os.environ["SLOW"] + "')
    project.migration("0001_slow", f'db.execute_sql("{statement}")\n{logs("0001_slow")}', header="import os\n")
    victim = start("migrate", cwd=project.path, env={**database.env, "SLOW": "6"})
    wait_until(lambda: bool(running(database)))
    (orphan,) = running(database)
    victim.kill()
    victim.wait()
    with Watch(database) as watch:
        heir = finish(start("migrate", cwd=project.path, env={**database.env, "SLOW": "0.1"}))
    assert heir.named("lock.acquired")
    waited = heir.named("lock.waiting")
    assert [each["holder"]["session"] for each in waited] == [str(orphan)]
    assert watch.most == 1
    decided = heir.named("migration.started") or heir.named("run.failed")
    assert moment(decided[0]) >= watch.last_seen[orphan]
    if database.family == "postgres":
        assert heir.code == 0, heir.stderr
        assert logged(database) == ["0001_slow"]
    else:
        assert heir.code == 7
        assert code_of(heir) == "SML-MIGRATION-UNFINISHED"
        assert "smalls repair" in heir.named("run.failed")[0]["error"]["hint"]
        assert logged(database) == []
    nothing_is_left(database)


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_postgres_notices_that_its_client_is_dead(database: Database, project: Project, start) -> None:
    """A statement that would take minutes ends within seconds of its runner's death."""
    make_tables(database)
    statement = slow_ddl(database, 120)
    body = f'if os.environ.get("SLOW"):\n    db.execute_sql("{statement}")'
    project.migration("0001_slow", body, header="import os\n")
    victim = start("migrate", cwd=project.path, env={**database.env, "SLOW": "1"})
    wait_until(lambda: bool(running(database)))
    victim.kill()
    heir = project.run("migrate", env={**database.env, "SMALLS_LOCK_TIMEOUT": "15"})
    assert heir.code == 0, heir.stderr
    assert running(database) == []


def test_a_killed_runner_leaves_nothing_to_clean(database: Database, project: Project, start) -> None:
    """Kill -9 in a migration's own code: rolled back where the engine can, else told, and `repair` settles it."""
    make_tables(database)
    project.migration("0001_one", logs("0001_one"))
    at_gate(project, "0002_two", before=logs("0002_two"), after=logs("0002_two"))
    project.migration("0003_three", logs("0003_three"))
    victim = start("migrate", cwd=project.path, env=database.env)
    wait_at_gate(project, "0002_two", victim)
    victim.kill()
    victim.wait()
    project.migration("0002_two", logs("0002_two"))
    heir = project.run("migrate", env={**database.env, "SMALLS_LOCK_TIMEOUT": "5"})
    if database.family == "mysql":
        assert heir.code == 7, heir.stderr
        assert logged(database) == ["0001_one", "0002_two"]
        assert "0002_two" in project.run("repair", env=database.env).stdout
        fixed = project.run("repair", "--mark-applied", "0002_two", env={**database.env, "SMALLS_YES": "1"})
        assert fixed.code == 0, fixed.stderr
        heir = project.run("migrate", env=database.env)
    assert heir.code == 0, heir.stderr
    assert logged(database) == applied(database) == ["0001_one", "0002_two", "0003_three"]


@pytest.mark.parametrize("database", [*SQLITE, "postgres15", "mariadb10"], indirect=True)
def test_a_killed_waiter_disturbs_nobody(database: Database, project: Project, start, open_run: OpenRun) -> None:
    """Who dies while waiting leaves the holder and the other waiters as they were."""
    project.migration("0001_one")
    with open_run(database.url).locked():
        waiters = [start("migrate", cwd=project.path, env=database.env) for _ in range(2)]
        for waiter in waiters:
            read_until(waiter, "lock.waiting")
        waiters[0].kill()
    assert finish(waiters[1]).code == 0
    assert applied(database) == ["0001_one"]


@pytest.mark.parametrize("database", [*SQLITE, "postgres15", "mariadb10"], indirect=True)
def test_a_killed_parent_does_not_let_two_in(
    database: Database, project: Project, start, open_run: OpenRun
) -> None:
    """The child of a killed `init` goes on under its own working session's lock, and keeps others out."""
    open_gate = at_gate(project, "0001_one")
    project.write(
        "initdb.py", "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'smalls', 'migrate'])\n"
    )
    parent = start("init", cwd=project.path, env={**database.env, "SMALLS_YES": "1"})
    wait_at_gate(project, "0001_one", parent)
    parent.kill()
    time.sleep(0.1)
    other = project.run(
        "migrate", env={**database.env, "SMALLS_LOCK_TIMEOUT": "0.3", "SMALLS_DDL_LOCK_TIMEOUT": "0.3"}
    )
    assert other.code == (14 if database.family == "sqlite" else 5), other.stderr
    assert not other.named("migration.applied")
    open_gate()
    wait_until(lambda: applied(database) == ["0001_one"], 10)


@pytest.mark.parametrize("database", ["postgres15", "mariadb10", "mysql9"], indirect=True)
def test_who_loses_the_lock_stops(database: Database, project: Project, start, open_run: OpenRun) -> None:
    """The lock's session is ended on the server: rolled back, or recorded if it took effect; then 15."""
    make_tables(database)
    project.migration("0001_one", logs("0001_one"))
    open_gate = at_gate(project, "0002_two", before=logs("0002_two"))
    project.migration("0003_three", logs("0003_three"))
    runner = start("migrate", cwd=project.path, env=database.env)
    wait_at_gate(project, "0002_two", runner)
    watcher = open_run(database.url)
    holder = watcher.chosen.dialect.holder(watcher.work.query, watcher.lock_key)
    assert holder is not None
    end_session(database, holder.session)
    open_gate()
    result = finish(runner)
    assert result.code == 15, result.stderr
    assert code_of(result) == "SML-LOCK-LOST"
    assert result.named("lock.lost")
    done = ["0001_one", "0002_two"] if database.family == "mysql" else ["0001_one"]
    assert logged(database) == applied(database) == done
    again = project.run("migrate", env=database.env)
    assert again.code == 0, again.stderr
    assert logged(database) == applied(database) == ["0001_one", "0002_two", "0003_three"]


@pytest.mark.parametrize("database", [*POSTGRES, *MYSQL], indirect=True)
def test_the_working_session_is_ended_in_a_migration(database: Database, project: Project, start) -> None:
    """Its connection is ended on the server: nothing is recorded, the history is read again, and it is told."""
    make_tables(database)
    project.migration("0001_one", logs("0001_one"))
    statement = slow_ddl(database, 30)
    project.migration("0002_two", f'db.execute_sql("{statement}")')
    runner = start("migrate", cwd=project.path, env=database.env)
    wait_until(lambda: bool(running(database)))
    end_session(database, running(database)[0])
    result = finish(runner)
    assert applied(database) == ["0001_one"]
    assert "read again: it is not recorded" in result.named("run.failed")[0]["message"]
    again = project.run("migrate", "1", env=database.env)
    if database.family == "postgres":
        assert result.code == 15
        assert again.code == 0
    else:
        assert result.code == 15  # the catalogue shows that its statement did not take effect
        assert again.code == 0
    nothing_is_left(database)


@pytest.mark.parametrize("database", POSTGRES, indirect=True)
def test_the_working_session_is_ended_while_the_code_asks_nothing(
    database: Database, project: Project, start
) -> None:
    """A loss that no statement of the code met is found at its end, and is told as a loss."""
    make_tables(database)
    open_gate = at_gate(project, "0001_one", before=logs("0001_one"))
    runner = start("migrate", cwd=project.path, env=database.env)
    wait_at_gate(project, "0001_one", runner)
    for (session,) in database.query(
        "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
    ):
        end_session(database, session)
    open_gate()
    result = finish(runner)
    assert result.code == 15, result.stderr
    assert "read again: it is not recorded" in result.named("run.failed")[0]["message"]
    assert applied(database) == logged(database) == []
    assert project.run("migrate", env=database.env).code == 0
    assert logged(database) == ["0001_one"]
