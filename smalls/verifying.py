"""`verify`: the live schema against what the applied migrations promise; reads only.

What the migrations promise is known as far as declarative ones tell it, direct ones with a `state` included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smalls.autoerrors import UnknownStateError
from smalls.dialects.base import Trouble, message_of
from smalls.errors import DriftError, OutOfOrderError, PermissionDeniedError
from smalls.refusals import listed, raise_first, refusals

if TYPE_CHECKING:
    from smalls.assessment import Assessment
    from smalls.drift import Difference
    from smalls.reflect import Catalogue
    from smalls.run import Run
    from smalls.schema import Schema

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """The differences found, and how many tables were looked at; `why` says why none could be."""

    differences: tuple[Difference, ...] = ()
    tables: int = 0
    why: str = ""

    @property
    def broken(self) -> list[Difference]:
        """What is missing or changed."""
        return [item for item in self.differences if item.breaks]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, for `--json`."""
        return {"tables": self.tables, "differences": [item.as_dict() for item in self.differences]}

    def as_text(self) -> str:
        """Return a line for each difference."""
        return "\n".join(map(str, self.differences))

    def __str__(self) -> str:
        if self.why:
            return f"Not verified: {self.why}."
        extra = len(self.differences) - len(self.broken)
        more = f"; {extra} more in the database" if extra else ""
        return f"The live schema is as promised: {self.tables} table{'' if self.tables == 1 else 's'}{more}."


def verify(run: Run, *, locked: bool = False) -> Verdict:
    """Return how the live schema differs from what the applied migrations promise.

    With the lock held, say so. Raises what stands against the history (7, 8, 9), UnknownStateError where direct
    files hide what is promised, and PermissionDeniedError where the user may not build what to compare with.
    """
    assessment = run.look(locked=locked)
    raise_first([e for e in refusals(assessment, run.settings.policies) if not isinstance(e, OutOfOrderError)])
    if assessment.newer:
        keys = listed(row.key for row in assessment.newer)
        return _told(run, Verdict(why=f"a newer image applied {keys}, and what these promise is not known here"))
    schema = _promised(run, assessment)
    if not schema.tables:
        return _told(run, Verdict(why="no applied migration declares a table"))
    return _told(run, Verdict(tuple(_differences(run, schema)), len(schema.tables)))


def raise_for(verdict: Verdict) -> None:
    """Raise DriftError for what is missing or changed; what is extra is no failure."""
    broken = [item.operation for item in verdict.broken]
    if broken:
        more = f" and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
        raise DriftError(
            f"The live schema is not what the migrations promise; to mend: {'; '.join(broken[:_SHOWN])}{more}.",
            operations=broken,
        )


def _promised(run: Run, assessment: Assessment) -> Schema:
    from smalls.promises import Promises
    from smalls.schema import Schema

    applied = {entry.row.key for entry in assessment.applied}
    files = [migration for migration in run.files if migration.key in applied]
    schema, unknown = Schema(), []
    for app in dict.fromkeys(migration.revision.app for migration in files):
        promises = Promises(migration for migration in files if migration.revision.app == app)
        if promises.declarative:
            unknown += promises.unknown
        for key, table in promises.schema.tables.items():
            schema = schema if key in schema.tables else schema.add(table)
    if unknown:
        raise UnknownStateError(
            f"These direct migrations do not say what they did to the schema: {listed(unknown)}.",
            migrations=unknown,
        )
    return schema


def _differences(run: Run, schema: Schema) -> list[Difference]:
    from smalls.drift import compare
    from smalls.history import TABLE
    from smalls.images import TABLE as IMAGES
    from smalls.journal import TABLE as JOURNAL
    from smalls.lock.lease import TABLE as LEASE
    from smalls.reflect import Catalogue

    promised, live = both(run, schema)
    own = {TABLE, JOURNAL, LEASE, IMAGES}
    theirs = {name: table for name, table in live.tables.items() if name.rpartition(".")[2] not in own}
    return compare(promised, Catalogue(theirs))


def both(run: Run, schema: Schema) -> tuple[Catalogue, Catalogue]:
    """Return the catalogue that `schema` would have on the run's database, and the live one.

    Raises PermissionDeniedError where the user may not build what to compare with.
    """
    from smalls.scratch import catalogues

    run.work.connect()
    try:
        return catalogues(run.chosen.dialect.engine, run.work.database, schema, run.work.set_up_transaction)
    except Exception as error:
        if run.chosen.dialect.trouble(error) not in {Trouble.PERMISSION, Trouble.CREDENTIALS, Trouble.READ_ONLY}:
            raise
        raise PermissionDeniedError(
            f"What the migrations promise cannot be built for comparison: {message_of(error)}.",
            hint="On PostgreSQL the user needs CREATE on the database, on MySQL and MariaDB CREATE TEMPORARY "
            "TABLES in it; what is built is gone at once, and only this session sees it.",
        ) from None


def _told(run: Run, verdict: Verdict) -> Verdict:
    broken = len(verdict.broken)
    run.log(
        "schema.verified",
        f"The live schema differs from the promised one in {broken} places." if broken else str(verdict),
        missing=sum(item.kind == "missing" for item in verdict.differences),
        changed=sum(item.kind == "changed" for item in verdict.differences),
        extra=len(verdict.differences) - broken,
    )
    return verdict
