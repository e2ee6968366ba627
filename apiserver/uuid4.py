"""Names for requests and objects that are nobody else's."""

from __future__ import annotations

from random import Random

_VARIANT = "89ab"


def uuid4(random: Random) -> str:
    """A random UUID in the form of RFC 9562, without the detour through an object."""
    digits = f"{random.getrandbits(128):032x}"
    variant = _VARIANT[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
