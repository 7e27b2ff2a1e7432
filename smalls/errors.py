"""Every way smalls can fail: one tree, each class with a stable code, an exit code and a next step.

The numbers are a promise to schedulers (`docs/exit-codes.md`); a test holds this table, that page and
the Kubernetes manifests together.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, ClassVar


class Exit(IntEnum):
    """Exit codes; `Exit.retryable` tells which of them a retry can mend."""

    OK = 0
    DEFECT = 1
    USAGE = 2
    CONFIG = 3
    UNREACHABLE = 4
    LOCK_TIMEOUT = 5
    FAILED_CLEAN = 6
    FAILED_PARTIAL = 7
    HISTORY = 8
    NEWER = 9
    PENDING = 10
    DRIFT = 11
    CHILD = 12
    CONSENT = 13
    RELATION_LOCK = 14
    CONNECTION_LOST = 15
    MODELS_DIFFER = 16
    INTERRUPTED = 130
    TERMINATED = 143

    @property
    def retryable(self) -> bool:
        """Whether the same run may succeed later without a person's help."""
        return self in _RETRYABLE


_RETRYABLE = frozenset(
    {
        Exit.UNREACHABLE,
        Exit.LOCK_TIMEOUT,
        Exit.RELATION_LOCK,
        Exit.CONNECTION_LOST,
        Exit.INTERRUPTED,
        Exit.TERMINATED,
    }
)


_TOLD = ("statement", "file", "line", "migrations", "statements", "holder", "also", "operations")


class SmallsError(Exception):
    """A failure with a stable `code`, the `exit_code` a scheduler acts on, and a `hint` for a person.

    `hint` may be replaced for one occurrence. Further keyword arguments become fields of the log line
    (`migration`, `file`, `line`, `statement`, …); they must never hold a secret or a statement's parameters.
    """

    code: ClassVar[str] = "SML-DEFECT"
    exit_code: ClassVar[Exit] = Exit.DEFECT
    hint: str = "This is a defect in smalls; please report it with the log of this run."

    def __init__(self, message: str, *, hint: str | None = None, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint
        self.fields = {name: value for name, value in fields.items() if value is not None}

    def __str__(self) -> str:
        return self.message

    def as_dict(self) -> dict[str, Any]:
        """Return the `error` object of a log line: code, message, hint, and where in which statement."""
        told = {name: self.fields[name] for name in _TOLD if name in self.fields}
        return {"code": self.code, "message": self.message, "hint": self.hint, **told}


class DefectError(SmallsError):
    """An exception that smalls did not foresee."""


class UsageError(SmallsError):
    """The command line asks for something that does not exist or cannot be meant."""

    code = "SML-USAGE"
    exit_code = Exit.USAGE
    hint = "See `smalls COMMAND --help`."


# ── configuration, 3 ────────────────────────────────────────────────────────────────────────────────────


class ConfigError(SmallsError):
    """A setting is wrong, contradictory or missing."""

    code = "SML-CONFIG"
    exit_code = Exit.CONFIG
    hint = "`smalls config` shows every setting and where it comes from."


class DatabaseNotNamedError(ConfigError):
    """In PROD nothing says which database to use."""

    code = "SML-CONFIG-NO-DATABASE"
    hint = (
        "Set SMALLS_DATABASE_URL (or SMALLS_DATABASE_URL_FILE), for example postgresql://user:password@host/name."
    )


class ModelImportError(ConfigError):
    """The configured model module, or the database object in it, cannot be used."""

    code = "SML-CONFIG-MODEL"
    hint = "Run smalls from the project's root; check `model` and `object` in config.ini."


class MigrationLoadError(ConfigError):
    """A migration file cannot be loaded; nothing was run."""

    code = "SML-MIGRATION-LOAD"
    hint = "Mend the file; nothing was run. `smalls check` loads every file without a database."


class MigrationsFolderError(ConfigError):
    """The migrations folder is not there, or cannot be read or written."""

    code = "SML-MIGRATIONS-FOLDER"
    hint = "Set SMALLS_MIGRATIONS, or copy the folder into the image (COPY migrations/ migrations/)."


class CredentialsRefusedError(ConfigError):
    """The server answered and refused the user or the password."""

    code = "SML-DATABASE-CREDENTIALS"
    hint = "Check the user, the password and the TLS options; the server said no, so waiting does not help."


class TlsRefusedError(ConfigError):
    """The server and the driver do not agree on encryption, or on a certificate."""

    code = "SML-DATABASE-TLS"
    hint = "Check the TLS options of the URL (sslmode, sslrootcert; ssl_ca, ssl_disabled) and the certificates."


class UnknownDatabaseError(ConfigError):
    """The server answered and has no database of that name."""

    code = "SML-DATABASE-UNKNOWN"
    hint = "Create the database, check its name in the URL, or set SMALLS_CREATE_DATABASE=1 for `smalls migrate`."


class DamagedDatabaseError(ConfigError):
    """The database is there, and what it holds cannot be read."""

    code = "SML-DATABASE-DAMAGED"
    hint = "Restore it from a backup, or mend it with its own tools (SQLite: `sqlite3 FILE .recover`)."


class FullDatabaseError(ConfigError):
    """The database's disk is full; nothing was run."""

    code = "SML-DATABASE-FULL"
    hint = "Make room where the database is; what is recorded as applied is not repeated."


class PermissionDeniedError(ConfigError):
    """The database user may not do what smalls itself needs to do."""

    code = "SML-DATABASE-PERMISSION"
    hint = "`smalls config` shows what the database user may do."


class ReverseMissingError(ConfigError):
    """Migrations neither have a rollback() nor say that they have none (`check`)."""

    code = "SML-MIGRATION-NO-REVERSE"
    hint = "Write the rollback(), or say `reversible = False` in the file."


class ScriptMissingError(ConfigError):
    """`initdb.py` or `seed.py` is not there."""

    code = "SML-SCRIPT-MISSING"
    hint = "Write the file at that path, or leave the command out."


# ── connection, lock, time ──────────────────────────────────────────────────────────────────────────────


class UnreachableError(SmallsError):
    """The database did not answer within the wait."""

    code = "SML-DATABASE-UNREACHABLE"
    exit_code = Exit.UNREACHABLE
    hint = "Check host, port and network policy, or raise SMALLS_WAIT_TIMEOUT (seconds)."


class ReadOnlyError(UnreachableError):
    """The server answers, and took no writes within the wait."""

    code = "SML-DATABASE-READ-ONLY"
    hint = "Name the primary in the URL; during a failover run again, or raise SMALLS_WAIT_TIMEOUT (seconds)."


class LockTimeoutError(SmallsError):
    """Another run held the lock for longer than we may wait."""

    code = "SML-LOCK-TIMEOUT"
    exit_code = Exit.LOCK_TIMEOUT
    hint = "Look at the holder that is named above; raise SMALLS_LOCK_TIMEOUT (seconds) if it is at honest work."


class OldImageError(LockTimeoutError):
    """An older image was seen too recently to take away what its code may still use."""

    code = "SML-PHASE-OLD-IMAGE"
    hint = "Run again when the rollout is over; SMALLS_CONTRACT_AFTER (seconds) is how long it must have been."


class RelationLockError(SmallsError):
    """A table was locked by others, or a deadlock was broken, at every try."""

    code = "SML-RELATION-LOCK"
    exit_code = Exit.RELATION_LOCK
    hint = "Another session holds the table; run again when it is done."


class ConnectionLostError(SmallsError):
    """The connection broke during the run; the history was read again to tell how far it came."""

    code = "SML-CONNECTION-LOST"
    exit_code = Exit.CONNECTION_LOST
    hint = "Run again: what is recorded as applied is not repeated."


class LockLostError(ConnectionLostError):
    """The lock's session broke while migrations ran; the run stopped before its next commit."""

    code = "SML-LOCK-LOST"


# ── migrations ──────────────────────────────────────────────────────────────────────────────────────────


class MigrationFailedError(SmallsError):
    """A migration failed and nothing of it took effect."""

    code = "SML-MIGRATION-FAILED"
    exit_code = Exit.FAILED_CLEAN
    hint = "Nothing of this migration took effect. Mend the file and run `smalls migrate` again."


class MigrationPartialError(SmallsError):
    """A migration failed and a part of it took effect."""

    code = "SML-MIGRATION-PARTIAL"
    exit_code = Exit.FAILED_PARTIAL
    hint = (
        "A part of it took effect. Look at the statements above, then `smalls repair --retry NAME` "
        "(it may run again) or `smalls repair --mark-applied NAME` (you finished it by hand)."
    )


class UnfinishedMigrationError(MigrationPartialError):
    """An earlier run left a migration half done; nothing runs on top of it."""

    code = "SML-MIGRATION-UNFINISHED"


class TransactionEndedError(MigrationPartialError):
    """A migration ended the transaction that smalls had opened for it."""

    code = "SML-MIGRATION-TRANSACTION"


# ── history ─────────────────────────────────────────────────────────────────────────────────────────────


class HistoryError(SmallsError):
    """The history does not fit the files."""

    code = "SML-HISTORY"
    exit_code = Exit.HISTORY
    hint = "`smalls status` shows files and history side by side; `smalls repair` settles a difference."


class EditedError(HistoryError):
    """Applied files were changed afterwards."""

    code = "SML-HISTORY-EDITED"
    hint = (
        "Restore the files and put the change in a new migration; or accept them as they are with "
        "`smalls repair --accept NAME`."
    )


class MissingError(HistoryError):
    """The history has applied migrations whose files are not here."""

    code = "SML-HISTORY-MISSING"
    hint = "Is this the right image, with all its files? If a file is gone for good: `smalls repair --forget NAME`."


class NoFilesError(HistoryError):
    """The history has rows, and there is not one migration file."""

    code = "SML-HISTORY-NO-FILES"
    hint = "The image seems to have been built without its migrations: COPY migrations/ migrations/."


class NameClashError(HistoryError):
    """The database cannot tell the names of two migrations apart."""

    code = "SML-HISTORY-NAME-CLASH"
    hint = "Nothing was run. Rename the file of the one that is pending."


class RenumberAppliedError(HistoryError):
    """Files that are to be renumbered are applied."""

    code = "SML-RENUMBER-APPLIED"
    hint = "Renumber the other file of the pair, or the one that this database does not have."


class OutOfOrderError(HistoryError):
    """Pending migrations are numbered below ones that are applied."""

    code = "SML-HISTORY-OUT-OF-ORDER"
    hint = "Renumber them above the last applied one, or allow it: SMALLS_OUT_OF_ORDER=apply (or ignore)."


class PhaseOrderError(HistoryError):
    """A migration cannot be run, or undone, while another one that is numbered below it stays as it is."""

    code = "SML-PHASE-ORDER"
    hint = (
        "Nothing was run. Run the contract migration first, once no code needs what it takes away: "
        "`smalls migrate --phase contract NUMBER`. Where nothing else uses the database: "
        "`smalls migrate --phase all`."
    )


class NewerDatabaseError(SmallsError):
    """The database is newer than this image can live with."""

    code = "SML-DATABASE-NEWER"
    exit_code = Exit.NEWER
    hint = (
        "Deploy the newer image again, or undo its migrations: `smalls undo --to-image` with this image, or "
        "`smalls rollback NUMBER` with that one."
    )


class NotReversibleError(HistoryError):
    """A migration that would have to be undone cannot be; nothing was undone."""

    code = "SML-ROLLBACK-IMPOSSIBLE"
    hint = "Nothing was undone. Write the missing rollback(), or roll back to a higher number."


class UndoImpossibleError(NotReversibleError):
    """A migration cannot be undone by this image; nothing was undone."""

    code = "SML-UNDO-IMPOSSIBLE"
    hint = (
        "Nothing was undone. Undo with the image that has the files (`smalls rollback NUMBER`), deploy that one "
        "again, or mend the schema by a new migration."
    )


# ── outcomes that are answers ───────────────────────────────────────────────────────────────────────────


class PendingError(SmallsError):
    """Migrations are pending (`status --exit-code`)."""

    code = "SML-PENDING"
    exit_code = Exit.PENDING
    hint = "`smalls migrate` applies them."


class ExpandPendingError(PendingError):
    """Contract migrations were asked for before the expand ones that are numbered below them were run."""

    code = "SML-PHASE-EXPAND-PENDING"
    hint = (
        "Run `smalls migrate`, and roll out the code that goes with it; then `smalls migrate --phase contract`. "
        "A NUMBER behind it takes only the contract migrations up to that number."
    )


class DriftError(SmallsError):
    """The live schema is not what the migrations promise (`verify`, SMALLS_VERIFY)."""

    code = "SML-DRIFT"
    exit_code = Exit.DRIFT
    hint = "`smalls verify` lists the differences. Somebody changed the schema by hand: undo that, or migrate it."


class UndoDriftError(DriftError):
    """The tables that an undo would change are not what the migrations promise; nothing was undone."""

    code = "SML-UNDO-DRIFT"
    hint = (
        "Nothing was undone. Somebody changed these tables by hand: put them back as the migrations have them, "
        "then run the same command again."
    )


class ChildFailedError(SmallsError):
    """`initdb.py` or `seed.py` ended with another code than 0."""

    code = "SML-SCRIPT-FAILED"
    exit_code = Exit.CHILD
    hint = "Its own output stands above, line by line."


class AppCommandError(SmallsError):
    """A command of the project's own app failed; the mistake is in the app's code."""

    code = "SML-COMMAND-FAILED"
    exit_code = Exit.CHILD
    hint = "The file and line named above are the app's own; what it printed before stands above."


class ConsentError(SmallsError):
    """The command changes or destroys data and nobody said yes."""

    code = "SML-CONSENT"
    exit_code = Exit.CONSENT
    hint = "Say yes on the terminal, pass --yes, or set SMALLS_YES=1."


class PlanChangedError(ConsentError):
    """What would be undone is not what the digest approves."""

    code = "SML-UNDO-PLAN"
    hint = "Nothing was undone. Read the plan that is printed now, and give its digest: `--plan-digest DIGEST`."


class InterruptedRunError(SmallsError):
    """SIGINT or SIGTERM: stopped at a safe point."""

    code = "SML-INTERRUPTED"
    exit_code = Exit.INTERRUPTED
    hint = "Run again: what is recorded as applied is not repeated."


class TerminatedRunError(InterruptedRunError):
    """SIGTERM: stopped at a safe point."""

    code = "SML-TERMINATED"
    exit_code = Exit.TERMINATED


class RunTimeoutError(TerminatedRunError):
    """The run's own deadline (SMALLS_RUN_TIMEOUT) passed."""

    code = "SML-RUN-TIMEOUT"
    hint = "Run again to go on, or raise SMALLS_RUN_TIMEOUT (seconds)."
