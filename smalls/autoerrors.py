"""How auto migrations can fail, beyond `smalls.errors`."""

from __future__ import annotations

from smalls.errors import ConfigError, MigrationLoadError, NotReversibleError


class StateError(MigrationLoadError):
    """An operation does not fit the schema that the migrations before it promise."""

    code = "SML-STATE"
    hint = "Nothing was run. Mend the operation: it names something that is not there, or is there already."


class FormatError(MigrationLoadError):
    """Stored operations or a stored schema cannot be read by this version of smalls."""

    code = "SML-FORMAT"
    hint = "It was written by a newer smalls, or changed by hand; use the version that wrote it."


class IrreversibleError(NotReversibleError):
    """An operation was written without its reverse."""

    code = "SML-ROLLBACK-NO-REVERSE"
    hint = 'Nothing was undone. Give the operation a reverse (reverse="" if there is nothing to undo).'


class HintError(ConfigError):
    """A `--rename` or `--backfill` hint cannot be understood, or names what is not there."""

    code = "SML-HINT"
    hint = "Write app.Model.old=new, app.Model=NewTable or app.Model.column=value; the app may be left out."


class UnsupportedError(MigrationLoadError):
    """An engine cannot do what an operation asks for; the message gives the reason."""

    code = "SML-UNSUPPORTED"
    hint = "Nothing was run. The table of engines and operations in docs/engines.md says what there is instead."
