"""How auto migrations can fail, beyond `smalls.errors`."""

from __future__ import annotations

from smalls.errors import ConfigError, Exit, MigrationLoadError, NotReversibleError, SmallsError


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


class ModelError(ConfigError):
    """A model says something that cannot be made part of a state."""

    code = "SML-MODEL"
    hint = "Change the model, or make that part of the table by run_sql in a migration."


class ModelsDifferError(SmallsError):
    """Models and migrations differ (`check`)."""

    code = "SML-MODELS-DIFFER"
    exit_code = Exit.MODELS_DIFFER
    hint = '`smalls create --auto "what changed"` writes the missing migration.'


class UnknownStateError(ConfigError):
    """Direct migrations stand between the last known state and `--auto`."""

    code = "SML-AUTO-UNKNOWN-STATE"
    hint = (
        "Say in each what it did: `state = [...]` (`state = []` if it touched only data); or, if the models are "
        "what the database has by now, `smalls create --auto --adopt DESCRIPTION`."
    )


class AppError(ConfigError):
    """An app, or the registry of apps, is not as it must be."""

    code = "SML-APP"
    hint = (
        "`smalls app new NAME` makes an app; AppRegistry(apps=[...]) in smalls_conf.py, or SMALLS_APPS, names it."
    )


class DependentsError(NotReversibleError):
    """A rollback would take away what applied migrations of other apps depend on."""

    code = "SML-ROLLBACK-DEPENDENTS"
    hint = "Nothing was undone. Say --with-dependents to undo those too, or roll those apps back first."


class AppCycleError(AppError):
    """Apps depend on one another in a ring."""

    code = "SML-APP-CYCLE"
    hint = "Take one of these out of its app's migration_dependencies."
