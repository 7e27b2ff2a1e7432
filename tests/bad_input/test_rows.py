"""Rows of the history and the journal that a hand, or another program, has changed."""

import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bad_input.conftest import spoilt

COMMANDS = ("status", "status --json --exit-code", "migrate", "repair", "rollback 0 --yes", "wait --migrated")
SET = "UPDATE migration_history SET "
ADD = "INSERT INTO smalls_journal (at, run_id, migration, event, detail) VALUES (?, ?, ?, ?, ?)"
# Without a constraint or a type left, so that anything goes in.
LOOSE = (
    "CREATE TABLE loose AS SELECT * FROM migration_history",
    "DROP TABLE migration_history",
    "ALTER TABLE loose RENAME TO migration_history",
)
UNREADABLE = {
    "name is a blob": [(f"{SET} name = ?", [b"\xff\x00"])],
    "name is empty": [f"{SET} name = ''"],
    "name is null": [*LOOSE, f"{SET} name = NULL"],
    "version is a word": [f"{SET} version = 'abc'"],
    "version is infinite": [f"{SET} version = 9e999"],
    "kind is unknown": [f"{SET} kind = 'wrong'"],
    "kind is a blob": [(f"{SET} kind = ?", [b"applied"])],
    "duration is a word": [f"{SET} duration_ms = 'long'"],
    "checksum is a blob": [(f"{SET} checksum = ?", [b"\xff"])],
    "image version is a blob": [(f"{SET} name = '0009_z', image_version = ?", [b"1"])],
    "floor is a blob": [(f"{SET} name = '0009_z', image_version = '9', min_version = ?", [b"1"])],
    "id is a word": [*LOOSE, f"{SET} id = 'x'"],
    "id is null": [*LOOSE, f"{SET} id = NULL"],
    "a row is there twice": [*LOOSE, "INSERT INTO migration_history SELECT * FROM migration_history"],
    "the table is something else's": ["DROP TABLE migration_history", "CREATE TABLE migration_history (a)"],
    "the journal is something else's": ["DROP TABLE smalls_journal", "CREATE TABLE smalls_journal (a)"],
}
ODD = {
    "dates are words": [f"{SET} migrated_at = 'yesterday', applied_at = 'x'"],
    "dates are blobs": [(f"{SET} migrated_at = ?, applied_at = ?", [b"\xff", b"\xff"])],
    "dates are null": [*LOOSE, f"{SET} migrated_at = NULL, applied_at = NULL"],
    "dates are numbers": [f"{SET} migrated_at = 99999999999999999, applied_at = -5"],
    "version is huge": [f"{SET} version = 9223372036854775807"],
    "duration is negative": [f"{SET} duration_ms = -5"],
    "there is no journal": ["DROP TABLE smalls_journal"],
    "image version is none": [f"{SET} image_version = 'no version'"],
}


@pytest.mark.parametrize("statements", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_meant(applied, statements):
    """A history that cannot be read is refused (8) by whatever would rely on it."""
    applied.sql(*statements)
    for words in COMMANDS:
        assert applied.smalls(*words.split(), SMALLS_VERSION="1.0").code == 8, words


@pytest.mark.parametrize("statements", ODD.values(), ids=ODD)
def test_what_does_not_matter(applied, statements):
    """What only a person reads may be anything: what is applied stays so."""
    applied.sql(*statements)
    assert applied.smalls("status", "--exit-code").code == 0
    assert applied.smalls("migrate").code == 0
    assert applied.smalls("rollback", "0", "--yes").code == 0


@pytest.mark.parametrize(
    "name", ["5", "a\0b", "x" * 2_000_000, "0001_a\n\x1b[31m", "0001_a.", ".0001_a", "\U0001f4a9"]
)
def test_names_that_no_file_has(applied, name):
    """A row of any name is told to be without a file."""
    applied.sql((f"{SET} name = ?", [name]))
    result = applied.smalls("migrate")
    assert (result.code, result.named("run.failed")[0]["error"]["code"]) == (8, "SML-HISTORY-MISSING")


def test_a_name_that_is_not_text(applied):
    """Bytes that are not UTF-8 are told as damage."""
    applied.sql(f"{SET} name = CAST(x'ff30' AS TEXT)")
    assert [applied.smalls(*words.split()).code for words in COMMANDS] == [3] * len(COMMANDS)


@pytest.mark.parametrize(
    "statement",
    ["CREATE VIEW migration_history AS SELECT 1 AS n", "CREATE INDEX migration_history ON smalls_journal (id)"],
)
def test_a_name_that_is_taken(applied, statement):
    """A view or an index where the history should be is told, and stays."""
    applied.sql("DROP TABLE migration_history", statement)
    assert applied.smalls("migrate").code == 8


def test_a_trigger_that_refuses(fresh):
    """A history that refuses a row fails the migration, and nothing of it stays."""
    fresh.write(
        "migrations/0001_a.py", "from smalls import db\ndef migrate(): db.execute_sql('CREATE TABLE t (n)')\n"
    )
    assert fresh.smalls("migrate", "--fake").code == 0
    fresh.sql(
        "DELETE FROM migration_history",
        "CREATE TRIGGER no BEFORE INSERT ON migration_history BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    assert fresh.smalls("migrate").code == 6
    fresh.sql("CREATE TABLE t (n)")  # which fails if it is there


DETAILS = [
    None,
    "",
    "{",
    "[1]",
    "5",
    b"\xff",
    "[" * 100_000,
    '{"statements": 5}',
    '{"next": "x", "after": 1}',
    '{"statements": [1, {"a": 2}], "number": "x", "error": 3}',
    '{"number": -1, "ended": 5, "statements": []}',
    '{"number": 99, "ended": ["x"], "statements": [{}]}',
    '{"next": 99, "program": [], "after": {"a": [1]}}',
]
EVENTS = ["started", "failed", "step", "statement", "undo_started", "undo_failed", "undo_step", "undo_statement"]


@pytest.mark.parametrize("event", EVENTS)
def test_entries_of_the_journal(applied, event):
    """An unfinished migration whose entry somebody changed is unfinished, or not to be understood; never done."""
    saved = applied.path / "saved.db"
    shutil.copy(applied.database, saved)
    for detail in DETAILS:
        shutil.copy(saved, applied.database)
        applied.sql((ADD, ["x", "r", "0001_a", event, detail]))
        running = event not in {"failed", "undo_failed"}
        assert applied.smalls("migrate").code in ({0, 7, 8} if running else {7}), detail
        for words in ("repair", "repair --retry 0001_a --yes"):
            applied.smalls(*words.split())


# ---- anything, anywhere

VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=40),
    st.binary(max_size=40),
    st.sampled_from(["0001_a", "0002_b", "2:x:y", "applied", "1.0", "{}", "2020-01-01 00:00:00", "failed", "step"]),
)
COLUMNS = ["id", "name", "migrated_at", "version", "applied_at", "checksum", "image_version", "min_version"]
COLUMNS += ["duration_ms", "applied_by", "kind"]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    history=st.lists(st.dictionaries(st.sampled_from(COLUMNS), VALUES, min_size=1), max_size=3),
    journal=st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES, VALUES), max_size=3),
)
def test_anything_anywhere(tmp_path_factory, history, journal):
    """Whatever stands in either table, every command ends with a code that is no defect's."""
    project = spoilt(tmp_path_factory.mktemp("rows") / "project")
    assert project.smalls("migrate").code == 0
    project.sql(
        *LOOSE,
        "CREATE TABLE loose AS SELECT * FROM smalls_journal",
        "DROP TABLE smalls_journal",
        "ALTER TABLE loose RENAME TO smalls_journal",
    )
    for row in history:
        marks = ", ".join("?" * len(row))
        project.sql((f"INSERT INTO migration_history ({', '.join(row)}) VALUES ({marks})", [*row.values()]))
    for number, entry in enumerate(journal):
        project.sql((ADD, entry), f"UPDATE smalls_journal SET id = {number + 100} WHERE id IS NULL")
    for words in ("status", "migrate", "repair"):
        project.smalls(words, SMALLS_VERSION="1.0")
