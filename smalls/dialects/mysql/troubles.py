"""What MySQL, MariaDB and PyMySQL say when they say no, told apart."""

from __future__ import annotations

from smalls.dialects.base import Trouble, driver_error

# https://dev.mysql.com/doc/mysql-errors/9.1/en/server-error-reference.html and
# https://mariadb.com/kb/en/mariadb-error-codes/
_CODES = {
    1044: Trouble.CREDENTIALS,
    1045: Trouble.CREDENTIALS,
    1129: Trouble.CREDENTIALS,
    1130: Trouble.CREDENTIALS,
    1698: Trouble.CREDENTIALS,
    1049: Trouble.NO_DATABASE,
    1102: Trouble.NO_DATABASE,
    1040: Trouble.TOO_MANY,
    1203: Trouble.TOO_MANY,
    1226: Trouble.TOO_MANY,
    1020: Trouble.DEADLOCK,  # MariaDB: another session changed a row after this one had read it; rolled back, too
    1053: Trouble.STARTING,
    1205: Trouble.LOCKED,
    1213: Trouble.DEADLOCK,
    1317: Trouble.CANCELLED,
    1969: Trouble.CANCELLED,
    3024: Trouble.CANCELLED,
    1142: Trouble.PERMISSION,
    1143: Trouble.PERMISSION,
    1227: Trouble.PERMISSION,
    1792: Trouble.READ_ONLY,
    1836: Trouble.READ_ONLY,
    3159: Trouble.TLS,
    1007: Trouble.EXISTS,
    1021: Trouble.FULL,
    1114: Trouble.FULL,
    1034: Trouble.DAMAGED,
    1035: Trouble.DAMAGED,
    1146: Trouble.NO_TABLE,
    1927: Trouble.LOST,
    2006: Trouble.LOST,
    2013: Trouble.LOST,
    2055: Trouble.LOST,
    4031: Trouble.LOST,
}
_CANNOT_CONNECT = 2003
_TEXTS = (
    ("Name or service not known", Trouble.UNKNOWN_HOST),
    ("name resolution", Trouble.UNKNOWN_HOST),
    ("nodename nor servname", Trouble.UNKNOWN_HOST),
    ("timed out", Trouble.TIMED_OUT),
    ("read-only option", Trouble.READ_ONLY),  # 1290 is for other options too
    ("certificate", Trouble.TLS),
    ("SSL", Trouble.TLS),
)


def trouble_of(error: BaseException) -> Trouble:
    """Tell an error's kind by its number, else by the driver's text."""
    inner = driver_error(error)
    code = inner.args[0] if inner.args and isinstance(inner.args[0], int) else None
    if code in _CODES:
        return _CODES[code]
    text = str(inner)
    for words, trouble in _TEXTS:
        if words in text:
            return trouble
    if code == _CANNOT_CONNECT:
        return Trouble.REFUSED
    return Trouble.LOST if type(inner).__name__ == "InterfaceError" and code == 0 else Trouble.OTHER
