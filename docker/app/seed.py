"""Seed data for developers, for `smalls seed`: the same however often it runs."""  # noqa: INP001 -- a script, in no package

import os

from peewee import CharField, IntegerField, Model
from playhouse.db_url import connect

db = connect(os.environ["DATABASE_URL"], unquote_user=True, unquote_password=True)


class User(Model):
    """A row of the table that migrations/ makes."""

    username = CharField()
    reset_count = IntegerField(default=0)

    class Meta:
        """Where the table is."""

        database = db
        table_name = "users"


for name in ("ada", "grace"):
    _, made = User.get_or_create(username=name)
    print(name, "is added" if made else "is there")  # noqa: T201 -- its output is for people
