"""Rows of the history and the journal on servers, whose types differ: what no type forbids must trip nothing."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bad_input.conftest import spoilt
from tests.bad_input.forked import smalls

pytestmark = pytest.mark.parametrize("database", ["postgres15", "mariadb10"], indirect=True)
ROW = "id name migrated_at version applied_at checksum image_version min_version duration_ms applied_by kind"
TABLES = {
    "migration_history": [*ROW.split(), "additive", "operations"],
    "smalls_journal": ["id", "at", "run_id", "migration", "event", "detail"],
}
EVENTS = ["started", "failed", "step", "statement", "undo_started", "undo_failed", "undo_step", "undone", "skipped"]
VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**70).map(str),
    st.floats(allow_nan=True).map(str),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
    st.sampled_from(["0001_a", "0002_b", "2:x:y", "applied", "1.0", "{}", "[1]", '{"next": 5}', "x" * 70_000]),
    st.sampled_from(["infinity", "0000-00-00 00:00:00", "4713-01-01 BC", "2020-01-01 00:00:00", *EVENTS]),
)
ROWS = st.one_of(
    *(
        st.tuples(st.just(table), st.dictionaries(st.sampled_from(columns), VALUES, min_size=1))
        for table, columns in TABLES.items()
    )
)


@pytest.fixture
def on_server(database, tmp_path):
    """Give a project with one migration, applied on the server."""
    project = spoilt(tmp_path / "project")
    assert smalls("migrate", cwd=project.path, env=database.env).code == 0
    return project


def loosen(database):
    """Take types and constraints away: every column may hold any text, or nothing."""
    for table, columns in TABLES.items():
        if database.family == "postgres":
            kept = ", ".join(f"{name}::text AS {name}" for name in columns)
        else:
            kept = ", ".join(f"CONVERT({name} USING utf8mb4) AS {name}" for name in columns)
        database.execute(f"CREATE TABLE loose AS SELECT {kept} FROM {table}")
        database.execute(f"DROP TABLE {table}; ALTER TABLE loose RENAME TO {table}")
        if database.family == "mysql":
            types = ", ".join(f"MODIFY {name} LONGTEXT CHARACTER SET utf8mb4 NULL" for name in columns)
            database.execute(f"ALTER TABLE {table} {types}")


def test_anything_anywhere(database, on_server):
    """Whatever stands in either table, every command ends with a code that is no defect's."""
    loosen(database)

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(ROWS, min_size=1, max_size=3))
    def held(rows):
        for table in TABLES:
            database.execute(f"DELETE FROM {table} WHERE id <> '1'; DELETE FROM {table} WHERE id IS NULL")
        for table, row in rows:
            marks = ", ".join(["%s"] * len(row))
            database.query(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
        for words in ("status", "migrate", "repair", "history"):
            smalls(words, cwd=on_server.path, env={**database.env, "SMALLS_VERSION": "1.0"})

    held()


SET = "UPDATE migration_history SET "
TYPED = {
    "postgres": {
        f"{SET}migrated_at = 'infinity', applied_at = '-infinity'": 0,
        f"{SET}migrated_at = '4713-01-01 BC', applied_at = '294276-01-01'": 8,
        f"{SET}version = 2147483647, duration_ms = -2147483648": 0,
        f"{SET}kind = 'wrong'": 8,
        f"{SET}checksum = repeat('x', 3000000)": 0,
        "ALTER TABLE migration_history ALTER name TYPE bytea USING name::bytea": 8,
        "ALTER TABLE migration_history ALTER checksum TYPE json USING '{}'": 8,
    },
    "mysql": {
        f"SET sql_mode = ''; {SET}migrated_at = '0000-00-00', applied_at = '2020-00-00'": 0,
        f"{SET}version = 2147483647, duration_ms = -2147483648": 0,
        f"{SET}kind = 'wrong'": 8,
        f"{SET}kind = 'APPLIED'": 8,
        "ALTER TABLE migration_history MODIFY name VARBINARY(255)": 8,
        "ALTER TABLE migration_history MODIFY checksum BLOB": 8,
    },
}


def test_what_a_type_allows(database, on_server):
    """A number at its bound is read; a date that Python has not, and what cannot be meant, is refused (8)."""
    database.execute("CREATE TABLE saved AS SELECT * FROM migration_history")
    for statement, code in TYPED[database.family].items():
        database.execute(statement)
        for words in ("status --exit-code", "migrate", "history"):
            assert smalls(*words.split(), cwd=on_server.path, env=database.env).code == code, (statement, words)
        database.execute("DROP TABLE migration_history; CREATE TABLE migration_history AS SELECT * FROM saved")
