"""A schema that the tables of expected SQL start from, and steps as lines."""

from __future__ import annotations

from smalls.compilers.base import Rebuild, Statement
from smalls.schema import Check, Column, ForeignKey, Index, Schema, Table, Unique, types

ID = Column("id", types.auto())
USER = Table(
    "user",
    [ID, Column("code", types.varchar(20)), Column("spare", types.text(), null=True)],
    primary_key="id",
    indexes=[Index("user_code", "code", unique=True)],
)
POST = Table(
    "post",
    [
        ID,
        Column("title", types.varchar(50), default="'x'", comment="head"),
        Column("user_id", types.integer(), null=True),
        Column("age", types.integer(), checks="age > 0"),
    ],
    primary_key="id",
    indexes=[Index("post_user_id", "user_id")],
    constraints=[
        ForeignKey("user_id", "user", "id", on_delete="CASCADE"),
        Check("age < 200"),
        Unique(["title", "age"]),
    ],
)
STATE = Schema([USER, POST])
_, TITLE, USER_ID, AGE = POST.columns
KEY, CHECK, UNIQUE = POST.constraints


def lines(steps):
    """Give the SQL of steps, statement by statement; a step of another kind as itself."""
    found = []
    for step in steps:
        made = step.statements if isinstance(step, Rebuild) else [step]
        found += [item.sql if isinstance(item, Statement) else item for item in made]
    return found
