"""Count how often a user has asked for a new password."""

from peewee import IntegerField
from playhouse.migrate import migrate as pw_migrate

from smalls import migrator


def migrate():
    """Migration code goes here"""
    pw_migrate(
        migrator.add_column("users", "reset_count", IntegerField(default=0)),
    )


def rollback():
    """Rollback code goes here"""
    pw_migrate(
        migrator.drop_column("users", "reset_count"),
    )
