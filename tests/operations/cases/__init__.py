"""The table of cases, by what they are about."""

from tests.operations.cases import columns, constraints, conversions, fields, indexes, keys, names, tables

CASES = (
    *columns.CASES,
    *conversions.CASES,
    *fields.CASES,
    *indexes.CASES,
    *constraints.CASES,
    *keys.CASES,
    *names.CASES,
    *tables.CASES,
)
