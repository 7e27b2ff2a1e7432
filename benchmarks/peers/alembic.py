"""Alembic: migrations in Python, for SQLAlchemy."""

from pathlib import Path

from benchmarks import schema
from benchmarks.commands import Command
from benchmarks.peers.base import PythonPeer, Scenario, write
from tests.databases import Database

INI = """[alembic]
script_location = migrations
"""
ENV = """import os

from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""
FILE = '''"""{title}"""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {before!r}
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "{table}",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String({width}), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def downgrade():
    op.drop_table("{table}")
'''
_DRIVERS = {"sqlite": "sqlite", "postgres": "postgresql+psycopg2", "mysql": "mysql+pymysql"}


class Alembic(PythonPeer):
    """Its own operations, as its generator writes them; a transaction a migration, as the others have it."""

    name = package = "alembic"

    def prepare(self, folder: Path, count: int) -> None:
        """Write `migrations/env.py` and `migrations/versions/NNNN_….py`."""
        write(folder, "alembic.ini", INI)
        write(folder, "migrations/env.py", ENV)
        for number in range(1, count + 1):
            text = FILE.format(
                title=schema.stem(number),
                revision=f"{number:04}",
                before=f"{number - 1:04}" if number > 1 else None,
                table=schema.table(number),
                width=schema.WIDTH,
            )
            write(folder, f"migrations/versions/{schema.stem(number)}.py", text)

    def command(self, folder: Path, database: Database, scenario: Scenario) -> Command:  # noqa: ARG002 -- as the others that are called alike take it
        """Return `alembic upgrade head`."""
        _, _, rest = database.url.partition("://")
        url = f"{_DRIVERS[database.family]}://{rest}"
        return Command((self.programs / "alembic", "upgrade", "head"), folder, {"DATABASE_URL": url})

    def recorded(self, database: Database) -> str:  # noqa: ARG002 -- as the others that are called alike take it
        """Give the one revision that Alembic keeps, which is a number here."""
        return "SELECT version_num FROM alembic_version"
