"""UIDs that clients choose: they must be in the form that RFC 4122 prefers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from api.errors import FieldError, invalid_value

_HEXADECIMAL = "[0-9a-fA-F]"
_PLAIN = re.compile("-".join(f"{_HEXADECIMAL}{{{n}}}" for n in (8, 4, 4, 4, 12))).fullmatch
_LENGTHS = (32, 36, 38, 45)
_NORMALIZED = (
    "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal "
    "characters"
)


def validate_uid(uid: str, path: str) -> Iterator[FieldError]:
    bare = uid.removeprefix("urn:uuid:").strip("{}")
    if len(uid) not in _LENGTHS:
        yield invalid_value(path, uid, f"error validating uid: invalid UUID length: {len(uid)}")
    elif not _PLAIN(bare) and not re.fullmatch(f"{_HEXADECIMAL}{{32}}", bare):
        yield invalid_value(path, uid, "error validating uid: invalid UUID format")
    elif len(uid) != 36 or uid != uid.lower():
        yield invalid_value(path, uid, _NORMALIZED)
