"""Make the look-up of users by e-mail address fast."""

from playhouse.migrate import migrate as pw_migrate

from smalls import migrator


def migrate():
    """Migration code goes here"""
    pw_migrate(
        migrator.add_index("users", ("email",)),
    )


def rollback():
    """Rollback code goes here"""
    pw_migrate(
        migrator.drop_index("users", "users_email"),
    )
