"""Every Field class: its column comes to a table with rows, and goes; a table of it is made and dropped."""

from tests.operations.cases.making import POSTGRES, names, thing
from tests.operations.harness import Case

ANYWHERE = (
    "IntegerField",
    "BigIntegerField",
    "SmallIntegerField",
    "FloatField",
    "DoubleField",
    "DecimalField",
    "CharField",
    "FixedCharField",
    "TextField",
    "BlobField",
    "BitField",
    "BigBitField",
    "UUIDField",
    "BinaryUUIDField",
    "DateTimeField",
    "DateField",
    "TimeField",
    "TimestampField",
    "IPField",
    "BooleanField",
    "JSONField",
)
ON_POSTGRES = (
    "Json",
    "BinaryJSONField",
    "HStoreField",
    "TSVectorField",
    "ArrayField",
    "DateTimeTZField",
    "IntervalField",
)
HSTORE = {"postgres": ("CREATE EXTENSION IF NOT EXISTS hstore",)}


def _of(cls, only):
    setup = HSTORE if cls == "HStoreField" else {}
    lost = ("thing.value",)
    definition = f"{cls}(null=True)"
    yield Case(f"{cls}-column-comes", thing(""), thing(definition), names(), only=only, setup=setup)
    yield Case(f"{cls}-column-goes", thing(definition), thing(""), names(), only=only, setup=setup, lost=lost)
    yield Case(
        f"{cls}-table-comes",
        "class Other(M):\n    pass\n",
        "class Other(M):\n    pass\n" + thing(f"{cls}()"),
        only=only,
        setup=setup,
    )


CASES = (
    *(case for cls in ANYWHERE for case in _of(cls, ("sqlite", "postgres", "mysql"))),
    *(case for cls in ON_POSTGRES for case in _of(cls, POSTGRES)),
)
