"""What PostgreSQL and libpq say when they say no, told apart."""

from __future__ import annotations

import re

from smalls.dialects.base import Trouble, driver_error

# SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
_STATES = {
    "28P01": Trouble.CREDENTIALS,
    "28000": Trouble.CREDENTIALS,
    "3D000": Trouble.NO_DATABASE,
    "57P03": Trouble.STARTING,
    "57P01": Trouble.LOST,
    "57P02": Trouble.LOST,
    "57P05": Trouble.LOST,
    "25P03": Trouble.LOST,
    "53300": Trouble.TOO_MANY,
    "55P03": Trouble.LOCKED,
    "40P01": Trouble.DEADLOCK,
    "57014": Trouble.CANCELLED,
    "42501": Trouble.PERMISSION,
    "25006": Trouble.READ_ONLY,
    "42P01": Trouble.NO_TABLE,
    "3F000": Trouble.NO_TABLE,
    "42P04": Trouble.EXISTS,
    "XX001": Trouble.DAMAGED,
    "XX002": Trouble.DAMAGED,
    "53100": Trouble.FULL,
    "23505": Trouble.EXISTS,  # the index of pg_database, where two make it at the same moment
}
# libpq gives no SQLSTATE for a failed connection; the texts are its own and the server's.
_TEXTS = (
    ("could not translate host name", Trouble.UNKNOWN_HOST),
    ("invalid connection option", Trouble.BAD_OPTION),
    ("invalid integer value", Trouble.BAD_OPTION),
    ("certificate file", Trouble.BAD_OPTION),
    ("private key file", Trouble.BAD_OPTION),
    ("password authentication failed", Trouble.CREDENTIALS),
    ("no password supplied", Trouble.CREDENTIALS),
    ("authentication failed", Trouble.CREDENTIALS),
    ("no encryption", Trouble.TLS),
    ("SSL off", Trouble.TLS),
    ("SSL encryption", Trouble.TLS),
    ("no pg_hba.conf entry", Trouble.CREDENTIALS),
    ("is not permitted to log in", Trouble.CREDENTIALS),
    ("certificate verify failed", Trouble.TLS),
    ("does not match host name", Trouble.TLS),
    ("does not support SSL", Trouble.TLS),
    ("the database system is", Trouble.STARTING),
    ("too many clients", Trouble.TOO_MANY),
    ("too many connections", Trouble.TOO_MANY),
    ("remaining connection slots", Trouble.TOO_MANY),
    ("timeout expired", Trouble.TIMED_OUT),
    ("Connection refused", Trouble.REFUSED),
    ("No such file or directory", Trouble.REFUSED),
    ("server closed the connection", Trouble.LOST),
    ("connection already closed", Trouble.LOST),
    ("connection to server was lost", Trouble.LOST),
    ("SSL connection has been closed", Trouble.LOST),
    ("could not receive data", Trouble.LOST),
    ("could not send data", Trouble.LOST),
    ("terminating connection", Trouble.LOST),
)
_NO_DATABASE = re.compile(r'database "[^"]*" does not exist')
_BAD_VALUE = re.compile(r"\binvalid \w+ value: ")
_ROLE_MISSING = re.compile(r'role "[^"]*" does not exist')


def trouble_of(error: BaseException) -> Trouble:
    """Tell an error's kind by its SQLSTATE, else by libpq's text."""
    state = state_of(error)
    if state:
        return Trouble.LOST if state.startswith("08") else _STATES.get(state, Trouble.OTHER)
    text = str(driver_error(error))
    if _NO_DATABASE.search(text):
        return Trouble.NO_DATABASE
    if _ROLE_MISSING.search(text):
        return Trouble.CREDENTIALS
    if _BAD_VALUE.search(text):
        return Trouble.BAD_OPTION
    return next((trouble for words, trouble in _TEXTS if words in text), Trouble.OTHER)


def state_of(error: BaseException) -> str | None:
    """Return an error's SQLSTATE, where it has one."""
    inner = driver_error(error)
    return getattr(inner, "pgcode", None) or getattr(inner, "sqlstate", None)
