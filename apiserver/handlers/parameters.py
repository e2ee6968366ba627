"""Numbers in a query string."""

from __future__ import annotations

import re
from collections.abc import Mapping

from api.errors import BadRequest

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)


def integer(query: Mapping[str, str], name: str) -> int | None:
    """A parameter of 64 bits, None without one.  Raises BadRequest in Go's words: an empty one is no number either."""
    text = query.get(name)
    if text is None:
        return None
    if not _INTEGER.fullmatch(text):
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    # More digits than that are not worth converting, and Python refuses very many.
    if len(text.lstrip("+-0")) > 19 or not -(2**63) <= (value := int(text)) < 2**63:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": value out of range')
    return value
