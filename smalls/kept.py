"""Operations as they are kept with the history, so that an image without the file can undo them.

A kept text is `1.KEY.SIGNATURE.DATA`: the form's number, which key signed (a digest of the key, cut), an
HMAC-SHA256 of the data in hexadecimal, and the data: compressed JSON in base64. Unsigned, KEY and SIGNATURE are
empty. The data names its migration and says what else its row does, so that it cannot be moved to another row.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smalls.attrs import TAG
from smalls.autoerrors import FormatError
from smalls.operations import Operation, from_dict, to_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

FORM = "1"
_SAID: dict[str, tuple[type, ...]] = {
    "migration": (str,),
    "checksum": (str,),
    "min_version": (str, type(None)),
    "phase": (str, type(None)),
    "back": (str,),
    "together": (bool,),
    "transaction": (bool,),
}
LARGEST = 4 * 1024 * 1024
"""Bytes of JSON that are kept or read at most; compressed, about a tenth."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of an applied migration: the operations that it ran forward, whole.

    `checksum`, `min_version` and `phase` are those of its file. `back` is its way back: "derived" from the
    operations, the file's "own" function, or "none". `together` is whether one transaction was to hold them all,
    `transaction` whether any may. `signed` is whether one of this run's keys vouches for all of it.
    """

    migration: str
    operations: tuple[Operation, ...]
    checksum: str = ""
    min_version: str | None = None
    phase: str | None = None
    back: str = "derived"
    together: bool = False
    transaction: bool = True
    signed: bool = False


def keep(kept: Kept, keys: Sequence[bytes] = ()) -> str | None:
    """Return the text to keep, signed with the first of `keys` if there is any; None where it is too large."""
    said = {name: getattr(kept, name) for name in _SAID}
    document = _without_python({**said, **to_dict(kept.operations)})
    data = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    if len(data) > LARGEST:
        return None
    packed = base64.b64encode(zlib.compress(data, 9)).decode()
    key, signature = (key_id(keys[0]), _signature(keys[0], packed)) if keys else ("", "")
    return f"{FORM}.{key}.{signature}.{packed}"


def restore(text: str, migration: str, keys: Sequence[bytes] = ()) -> Kept:
    """Return what is kept in `text` for the row of `migration`.

    Raises FormatError where the text is of a later form, damaged, made for another migration, or signed
    with a key that is none of `keys` although there are keys, or wrongly.
    """
    parts = text.split(".")
    if parts[0] != FORM or len(parts) != 4:  # noqa: PLR2004 -- the four parts of the form
        raise FormatError(f"{migration}: the operations kept with it are not of the form {FORM} (cut, or newer)")
    _, key, signature, packed = parts
    signed = _vouched(migration, key, signature, packed, keys)
    document = _unpacked(packed, migration)
    if document.get("migration") != migration:
        raise FormatError(f"{migration}: the operations kept with it are those of {document.get('migration')!r}")
    said = {name: document[name] for name in _SAID if name in document}
    if not all(isinstance(value, _SAID[name]) for name, value in said.items()):
        raise FormatError(f"{migration}: what is said of the operations kept with it cannot be meant")
    return Kept(operations=_operations(document, migration), signed=signed, **said)


def key_id(key: bytes) -> str:
    """Return what names a key without telling it."""
    return hashlib.sha256(b"smalls history key\0" + key).hexdigest()[:12]


def _without_python(value: Any) -> Any:
    """Return the data without what only models in Python need to know."""
    if isinstance(value, list):
        return [_without_python(item) for item in value]
    if isinstance(value, dict):
        return {name: _without_python(item) for name, item in value.items() if name != "python" or TAG not in value}
    return value


def _signature(key: bytes, packed: str) -> str:
    return hmac.new(key, f"smalls kept {FORM}\0{packed}".encode(), hashlib.sha256).hexdigest()


def _vouched(migration: str, key: str, signature: str, packed: str, keys: Sequence[bytes]) -> bool:
    if not keys or not (key or signature):
        return False
    known = {key_id(each): each for each in keys}
    if key not in known:
        raise FormatError(f"{migration}: the operations kept with it are signed with a key that is not set here")
    if not hmac.compare_digest(_signature(known[key], packed).encode(), signature.encode()):
        raise FormatError(f"{migration}: the operations kept with it do not fit their signature")
    return True


def _unpacked(packed: str, migration: str) -> dict[str, Any]:
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(packed, validate=True), LARGEST)
        document = json.loads(data if unpacker.eof else b"")  # cut, or too large
    except (ValueError, zlib.error, binascii.Error, RecursionError) as error:
        raise FormatError(f"{migration}: the operations kept with it are damaged ({error})") from None
    return document if isinstance(document, dict) else {}


def _operations(document: dict[str, Any], migration: str) -> tuple[Operation, ...]:

    try:
        operations = from_dict(document)
    except FormatError as error:
        raise FormatError(f"{migration}: {error}") from None
    except Exception as error:  # whatever a forged document makes the values' own constructors raise
        raise FormatError(f"{migration}: the operations kept with it cannot be read ({error})") from None
    if not isinstance(operations, tuple) or not all(isinstance(item, Operation) for item in operations):
        raise FormatError(f"{migration}: what is kept with it are not operations")
    return operations
