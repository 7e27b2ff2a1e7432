"""Create the table of users."""

from peewee import AutoField, CharField, Model

from smalls import db


class User(Model):
    """The table as this migration leaves it; the application's own model may go on changing."""

    id = AutoField()
    username = CharField(max_length=80, unique=True)
    email = CharField(max_length=255, null=True)

    class Meta:
        database = db
        table_name = "users"


def migrate():
    """Migration code goes here"""
    User.create_table(safe=False)


def rollback():
    """Rollback code goes here"""
    User.drop_table(safe=False)
