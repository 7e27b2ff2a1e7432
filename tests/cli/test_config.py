"""`smalls config`: settings with their sources, and what the database user may do, never a secret."""

import json
import secrets
import time

import pytest

from tests.databases import AWKWARD_PASSWORD, Database
from tests.running import Project
from tests.servers import MYSQL, POSTGRES, free_port

servers = pytest.mark.parametrize("database", [*POSTGRES, *MYSQL], indirect=True)


def config(project: Project, **env: str) -> dict:
    """Give what `config --json` prints."""
    done = project.run("config", "--json", env=env)
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


@servers
def test_what_a_user_may_and_may_not(project: Project, database: Database) -> None:
    """An owner may change the schema and nothing else; the server is asked, nothing is tried."""
    url = database.user_url()
    before = database.dump()
    found = config(project, SMALLS_DATABASE_URL=url)["user"]
    assert database.users[0] in found["user"]
    for ability in (name for name in found if name.startswith(("create tables", "alter"))):
        assert found[ability] is True, ability
    for ability in ("superuser", "create databases", "see what other users' sessions run"):
        assert found[ability] is False, ability
    assert found["the server takes writes"] is True
    assert database.dump() == before


@servers
def test_no_secret_is_shown(project: Project, database: Database) -> None:
    """Neither as JSON nor as text, whatever holds it."""
    url = database.user_url()
    done = project.run("config", env={"SMALLS_DATABASE_URL": url, "SMALLS_SESSION_SQL": "SELECT 'hidden'"})
    assert done.code == 0, done.stderr
    for text in (done.stdout, done.stderr, json.dumps(config(project, SMALLS_DATABASE_URL=url))):
        assert AWKWARD_PASSWORD not in text
        assert url.split(":")[2].rpartition("@")[0] not in text
        assert "hidden" not in text


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_tables_of_others(project: Project, database: Database) -> None:
    """A table that somebody else owns can't be altered, and that is told before a migration finds out."""
    url = database.user_url()
    ability = "alter, index and drop every table in the schema"
    assert config(project, SMALLS_DATABASE_URL=url)["user"][ability] is True
    database.execute("CREATE TABLE of_the_administrator (n INTEGER)")
    assert config(project, SMALLS_DATABASE_URL=url)["user"][ability] is False


@pytest.mark.parametrize("database", ["postgres15"], indirect=True)
def test_a_role_and_a_schema(project: Project, database: Database) -> None:
    """What counts is what the session's role may do, in the schema that is set."""
    role = f"r_{secrets.token_hex(6)}"
    database.execute(f'CREATE ROLE {role}; CREATE SCHEMA "odd Name"')
    database.users.append(role)
    env = {**database.env, "SMALLS_DB_ROLE": role, "SMALLS_DB_SCHEMA": "odd Name"}
    found = config(project, **env)["user"]
    assert (found["user"], found["role"], found["schema"]) == ("postgres", role, "odd Name")
    assert found["create tables in the schema"] is False
    database.execute(f'GRANT CREATE ON SCHEMA "odd Name" TO {role}')
    assert config(project, **env)["user"]["create tables in the schema"] is True
    database.execute(f'REVOKE CREATE ON SCHEMA "odd Name" FROM {role}')


@pytest.mark.parametrize("database", ["mariadb10", "mysql9"], indirect=True)
def test_what_a_role_brings(project: Project, database: Database) -> None:
    """The privileges of the session's role count as the user's own."""
    role, url = f"r_{secrets.token_hex(6)}", database.user_url(read_only=True)
    user = database.users[0]
    database.execute(f"CREATE ROLE {role}; GRANT CREATE ON `{database.name}`.* TO {role}; GRANT {role} TO {user}")
    assert config(project, SMALLS_DATABASE_URL=url)["user"]["create tables"] is False
    found = config(project, SMALLS_DATABASE_URL=url, SMALLS_DB_ROLE=role)["user"]
    assert (found["create tables"], found["drop tables"]) == (True, False)
    database.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize("engine", ["postgresql", "mysql"])
def test_a_database_that_does_not_answer(project: Project, engine: str) -> None:
    """It is told with its code, after one try, and the settings are shown all the same."""
    began = time.monotonic()
    url = f"{engine}://u:hunter22@127.0.0.1:{free_port()}/x"
    found = config(project, SMALLS_DATABASE_URL=url, SMALLS_WAIT_TIMEOUT="600")
    assert time.monotonic() - began < 10
    assert found["database_error"]["code"] == "SML-DATABASE-UNREACHABLE"
    assert "user" not in found
    rows = {row["variable"]: row for row in found["settings"]}
    assert (rows["SMALLS_WAIT_TIMEOUT"]["value"], rows["SMALLS_WAIT_TIMEOUT"]["source"]) == (
        "600",
        "SMALLS_WAIT_TIMEOUT",
    )
    assert "hunter22" not in json.dumps(found)


def test_a_file_that_takes_no_writes(project: Project) -> None:
    """SQLite's session may be read-only too."""
    url = "sqlite:///x.db"
    assert project.run("migrate", env={"SMALLS_DATABASE_URL": url}).code == 0
    project.migration("0001_a")
    assert project.run("migrate", env={"SMALLS_DATABASE_URL": url}).code == 0
    assert config(project, SMALLS_DATABASE_URL=url)["user"] == {"write": True, "write beside the file": True}
    found = config(project, SMALLS_DATABASE_URL=url, SMALLS_SESSION_SQL="PRAGMA query_only = 1")
    assert found["user"]["write"] is False
