"""The same models for every tool: so many tables of ten columns, nine in ten of which refer to the one before."""

from dataclasses import dataclass

GROUP = 10  # tables in a chain of foreign keys


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one tool writes it: a file's head, a class with its columns, and the last column, with a key or without.

    In the texts `{name}` is the class's name, `{table}` its table's, `{before}` and `{table_before}` those of the
    one before.
    """

    head: str
    model: str
    key: str
    no_key: str
    extra: str
    """A column more, for the change that a tool has to see."""

    def text(self, tables: int, *, changed: bool = False) -> str:
        """Return the file with `tables` models; `changed`, with a column more in the last."""
        return self.head + "".join(self._model(number, tables, changed) for number in range(1, tables + 1))

    def _model(self, number: int, tables: int, changed: bool) -> str:
        key = self.key if number % GROUP != 1 else self.no_key
        extra = self.extra if changed and number == tables else ""
        text = self.model.replace("{key}\n", f"{key}\n{extra}")
        before = number - 1
        return text.format(
            name=f"T{number:04}", table=f"t{number:04}", before=f"T{before:04}", table_before=f"t{before:04}"
        )


PEEWEE = Dialect(
    head="""from peewee import *

db = SqliteDatabase("bench.sqlite")


class Base(Model):
    class Meta:
        database = db
""",
    model="""

class {name}(Base):
    name = CharField(max_length=100, unique=True)
    title = CharField(max_length=200, default="")
    body = TextField(null=True)
    amount = DecimalField(max_digits=12, decimal_places=2)
    count = IntegerField(default=0)
    big = BigIntegerField(null=True)
    active = BooleanField(default=True)
    created = DateTimeField(index=True)
{key}

    class Meta:
        table_name = "{table}"
""",
    key='    parent = ForeignKeyField({before}, null=True, on_delete="SET NULL")',
    no_key="    parent_id = IntegerField(null=True)",
    extra="    more = TextField(null=True)\n",
)
DJANGO = Dialect(
    head="from django.db import models\n",
    model="""

class {name}(models.Model):
    name = models.CharField(max_length=100, unique=True)
    title = models.CharField(max_length=200, default="")
    body = models.TextField(null=True)
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    count = models.IntegerField(default=0)
    big = models.BigIntegerField(null=True)
    active = models.BooleanField(default=True)
    created = models.DateTimeField(db_index=True)
{key}

    class Meta:
        db_table = "{table}"
""",
    key="    parent = models.ForeignKey({before}, null=True, on_delete=models.SET_NULL)",
    no_key="    parent_id = models.IntegerField(null=True)",
    extra="    more = models.TextField(null=True)\n",
)
SQLALCHEMY = Dialect(
    head="""import sqlalchemy as sa
from sqlalchemy.orm import declarative_base

Base = declarative_base()
""",
    model="""

class {name}(Base):
    __tablename__ = "{table}"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(100), nullable=False, unique=True)
    title = sa.Column(sa.String(200), nullable=False, default="")
    body = sa.Column(sa.Text)
    amount = sa.Column(sa.Numeric(12, 2), nullable=False)
    count = sa.Column(sa.Integer, nullable=False, default=0)
    big = sa.Column(sa.BigInteger)
    active = sa.Column(sa.Boolean, nullable=False, default=True)
    created = sa.Column(sa.DateTime, nullable=False, index=True)
{key}
""",
    key='    parent_id = sa.Column(sa.ForeignKey("{table_before}.id", ondelete="SET NULL"), index=True)',
    no_key="    parent_id = sa.Column(sa.Integer)",
    extra="    more = sa.Column(sa.Text)\n",
)
PICCOLO = Dialect(
    head="""from piccolo.columns.column_types import (
    BigInt,
    Boolean,
    ForeignKey,
    Integer,
    Numeric,
    Text,
    Timestamp,
    Varchar,
)
from piccolo.table import Table
""",
    model="""

class {name}(Table, tablename="{table}"):
    name = Varchar(length=100, unique=True)
    title = Varchar(length=200, default="")
    body = Text(null=True, default=None)
    amount = Numeric(digits=(12, 2))
    count = Integer(default=0)
    big = BigInt(null=True, default=None)
    active = Boolean(default=True)
    created = Timestamp(index=True)
{key}
""",
    key="    parent = ForeignKey({before}, null=True)",
    no_key="    parent_id = Integer(null=True, default=None)",
    extra="    more = Text(null=True, default=None)\n",
)
