"""SQLite: tables rebuilt by direct files keep their children, and broken foreign keys are found."""

import pytest

from tests.databases import Database
from tests.running import Project

OURS = ("migration_history", "smalls_journal")
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

REBUILD = """
    db.execute_sql("CREATE TABLE parent_new (id INTEGER PRIMARY KEY, name VARCHAR(20), age INTEGER)")
    db.execute_sql("INSERT INTO parent_new (id, name) SELECT id, name FROM parent")
    db.execute_sql("DROP TABLE parent")
    db.execute_sql("ALTER TABLE parent_new RENAME TO parent")
"""
BODIES = {
    "no pragma": REBUILD,
    "pragma off and on": f"""
    db.execute_sql("PRAGMA foreign_keys = OFF")
    {REBUILD}
    db.execute_sql("PRAGMA foreign_keys = ON")
""",
    "pragma method and atomic": f"""
    db.pragma("foreign_keys", 0)
    with db.atomic():
        {REBUILD.replace(chr(10), chr(10) + "    ")}
    db.pragma("foreign_keys", 1)
""",
    "the procedure of SQLite's page": f"""
    db.execute_sql("PRAGMA foreign_keys=OFF")
    db.execute_sql("BEGIN TRANSACTION")
    {REBUILD}
    db.execute_sql("PRAGMA foreign_key_check")
    db.execute_sql("COMMIT")
    db.execute_sql("PRAGMA foreign_keys=ON")
""",
    "pragma, begin() and commit()": f"""
    db.pragma("foreign_keys", "off")
    db.begin()
    {REBUILD}
    db.commit()
""",
    "pragma and manual_commit": f"""
    db.execute_sql("pragma main.foreign_keys(0)")
    with db.manual_commit():
        db.begin()
        {REBUILD.replace(chr(10), chr(10) + "    ")}
        db.commit()
""",
    "Peewee's migrator": """
    pw_migrate(migrator.drop_column("parent", "name", legacy=True))
""",
    "Peewee's migrator in its own context": """
    with migrator.migration_context():
        pw_migrate(migrator.alter_column_type("parent", "name", TextField()))
""",
}


def family(database: Database) -> None:
    """Make a parent with two children, one of which would go with it."""
    database.execute(
        """
        CREATE TABLE parent (id INTEGER PRIMARY KEY, name VARCHAR(20));
        CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent (id) ON DELETE CASCADE);
        CREATE TABLE other (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent (id) ON DELETE SET NULL);
        INSERT INTO parent VALUES (1, 'one'), (2, 'two');
        INSERT INTO child VALUES (1, 1), (2, 2);
        INSERT INTO other VALUES (1, 1), (2, 2);
        """
    )


def own_model(project: Project, database: Database, enforced: int) -> None:
    """Give the project its own database object, with foreign keys on or off."""
    project.write(
        "model.py",
        f"""
        from peewee import SqliteDatabase
        db = SqliteDatabase({database.name!r}, pragmas={{"foreign_keys": {enforced}}})
        """,
    )
    project.write("config.ini", "[smalls]\nmodel = model\n")


@pytest.mark.parametrize("enforced", [0, 1])
@pytest.mark.parametrize("case", BODIES)
def test_children_survive_their_parents_rebuild(
    case: str, enforced: int, database: Database, project: Project
) -> None:
    """However a file rebuilds a parent table, no child's row is deleted or loses its parent."""
    family(database)
    own_model(project, database, enforced)
    project.migration("0001_rebuild", BODIES[case])
    project.migration("0002_after", 'print("keys", db.execute_sql("PRAGMA foreign_keys").fetchone()[0])')
    result = project.run("migrate")
    assert result.code == 0, result.stderr
    assert database.query("SELECT id, parent_id FROM child") == [(1, 1), (2, 2)]
    assert database.query("SELECT id, parent_id FROM other") == [(1, 1), (2, 2)]
    assert database.query("PRAGMA foreign_key_check") == []


def test_foreign_keys_are_on_again_outside(database: Database, project: Project) -> None:
    """After a migration in our transaction the session enforces foreign keys as it did before."""
    family(database)
    own_model(project, database, 1)
    project.migration("0001_rebuild", REBUILD)
    project.migration(
        "0002_after",
        'print("keys", db.execute_sql("PRAGMA foreign_keys").fetchone()[0])',
        header="transaction = False\n",
    )
    result = project.run("migrate")
    assert result.code == 0, result.stderr
    assert [event["message"] for event in result.named("migration.output")] == ["keys 1"]


def test_a_broken_foreign_key_fails(database: Database, project: Project) -> None:
    """A file that leaves a row without its parent is rolled back, 6, and the row is named."""
    family(database)
    before = database.dump()
    project.migration("0001_break", 'db.execute_sql("DELETE FROM parent WHERE id = 2")')
    result = project.run("migrate", env=database.env)
    assert result.code == 6
    error = result.named("migration.failed")[0]["error"]
    assert "child row 2 has no parent in parent" in error["message"]
    assert "ON DELETE" in error["hint"]
    assert database.dump(without=OURS) == before


def test_what_was_broken_before_is_let_be(database: Database, project: Project) -> None:
    """Rows that had no parent before do not fail a migration, also when a rebuild numbers them anew."""
    family(database)
    database.execute(
        """
        PRAGMA foreign_keys = OFF;
        CREATE TABLE tag (word TEXT PRIMARY KEY, parent_id INTEGER REFERENCES parent (id));
        INSERT INTO tag VALUES ('x', 1), ('y', 98), ('z', 99);
        DELETE FROM tag WHERE word = 'x';
        """
    )
    project.migration(
        "0001_rebuild",
        """
        db.execute_sql("CREATE TABLE tag_new (word TEXT PRIMARY KEY, parent_id INTEGER REFERENCES parent (id))")
        db.execute_sql("INSERT INTO tag_new SELECT * FROM tag ORDER BY word DESC")
        db.execute_sql("DROP TABLE tag")
        db.execute_sql("ALTER TABLE tag_new RENAME TO tag")
        """,
    )
    result = project.run("migrate", env=database.env)
    assert result.code == 0, result.stderr
    project.migration("0002_break", "db.execute_sql(\"INSERT INTO tag VALUES ('w', 97)\")")
    result = project.run("migrate", env=database.env)
    assert result.code == 6
    assert "tag row" in result.named("migration.failed")[0]["error"]["message"]


def test_old_violations_beside_a_large_change(database: Database, project: Project) -> None:
    """A change larger than SQLite's cache, which shuts readers out, passes beside rows broken before."""
    family(database)
    database.execute("PRAGMA foreign_keys = OFF; INSERT INTO child VALUES (3, 99);")
    project.migration(
        "0001_large",
        """
        db.execute_sql("CREATE TABLE large (id INTEGER PRIMARY KEY, data BLOB)")
        for n in range(12):
            db.execute_sql("INSERT INTO large (data) VALUES (zeroblob(1000000))")
        """,
    )
    result = project.run("migrate", env=database.env)
    assert result.code == 0, result.stderr


OUTSIDE = ["VACUUM", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = OFF", "PRAGMA temp_store = MEMORY",
           "PRAGMA wal_checkpoint(TRUNCATE)", "ATTACH DATABASE ':memory:' AS extra"]  # fmt: skip


@pytest.mark.parametrize("statement", OUTSIDE)
def test_statements_that_no_transaction_takes(statement: str, database: Database, project: Project) -> None:
    """What SQLite refuses in a transaction runs as it would alone, after a commit of what was there."""
    family(database)
    project.migration("0001_out", f'db.execute_sql("DELETE FROM other"); db.execute_sql("{statement}")')
    result = project.run("migrate", env=database.env)
    assert result.code == 0, result.stderr
    assert len(result.named("migration.unwrapped")) == 1
    assert database.query("SELECT * FROM other") == []


def test_an_error_that_ends_the_transaction_is_clean(database: Database, project: Project) -> None:
    """An error at which SQLite itself rolls everything back is 6."""
    family(database)
    before = database.dump()
    project.migration(
        "0001_or",
        'db.execute_sql("DELETE FROM other")\ndb.execute_sql("INSERT OR ROLLBACK INTO parent (id) VALUES (1)")',
    )
    result = project.run("migrate", env=database.env)
    assert result.code == 6, result.stderr
    assert database.dump(without=OURS) == before


def test_a_rebuild_fails_whole(database: Database, project: Project) -> None:
    """A failure between DROP and RENAME leaves the database as it was."""
    family(database)
    before = database.dump()
    project.migration("0001_rebuild", REBUILD.replace("RENAME TO parent", "RENAME TO child"))
    result = project.run("migrate", env=database.env)
    assert result.code == 6
    assert database.dump(without=OURS) == before


DECLARED = """
    from smalls.manager import MigrationManager
    from smalls.schema import Column, types


    def migrate():
        manager = MigrationManager()
        {}
        return manager
"""
BY_HAND = {
    "ALTER TABLE note ADD mine TEXT": "mine is nobody's",
    "ALTER TABLE note DROP COLUMN old": "old is missing",
}


@pytest.mark.parametrize("by_hand", BY_HAND)
def test_a_table_changed_by_hand_is_not_made_anew(by_hand: str, project: Project, database: Database):
    """A column of somebody's own would be lost, and a missing one be filled with its name; nothing is done."""
    columns = 'Column("id", types.auto()), Column("old", types.text(), null=True)'
    made = f'manager.add_table("note", [{columns}], primary_key="id")'
    project.write("migrations/0001_made.py", DECLARED.format(made))
    assert project.run("migrate", env=database.env).code == 0
    database.execute(f"INSERT INTO note (old) VALUES ('x'); {by_hand}")
    before = database.dump(without=OURS)
    anew = 'manager.alter_column("note", Column("id", types.auto()), Column("id", types.bigauto(), comment="x"))'
    anew += '\n        manager.add_column("note", Column("at", types.datetime(), default="CURRENT_TIMESTAMP"))'
    project.write("migrations/0002_anew.py", DECLARED.format(anew))
    refused = project.run("migrate", env=database.env)
    assert refused.code == 6, refused.stderr
    assert BY_HAND[by_hand] in refused.named("run.failed")[0]["error"]["message"]
    assert database.dump(without=OURS) == before
