"""What is wrong with a text that should be JSON, in the words clients of Kubernetes know."""

from __future__ import annotations

import json
from itertools import takewhile

_PLACES = {
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after object key:value pair",
    "Extra data": "after top-level value",
}
_TYPES: dict[type, str] = {dict: "object", list: "array", str: "string", int: "number", float: "number", bool: "bool"}


def _quoted(character: str) -> str:
    return "'\\''" if character == "'" else f"'{character}'"


def _about_value(rest: str) -> str:
    """What is wrong where a value should begin: perhaps it is a literal gone wrong."""
    for literal in ("true", "false", "null"):
        matching = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(literal, rest, strict=False)))
        if matching == len(rest):
            return "unexpected end of JSON input"
        if matching:
            return f"invalid character {_quoted(rest[matching])} in literal {literal} (expecting '{literal[matching]}')"
    return f"invalid character {_quoted(rest[0])} looking for beginning of value"


def complaint_about_json(text: bytes, wanted: type = dict, go_type: str = "map[string]interface {}") -> str:
    """Why a text is not the JSON of an object, or of another type that has its name in Go; empty when it is."""
    try:
        value = json.loads(text)
    except UnicodeDecodeError:
        return "invalid character in string literal"
    except json.JSONDecodeError as error:
        rest = error.doc[error.pos :].lstrip()
        if not rest:
            return "unexpected end of JSON input"
        place = _PLACES.get(error.msg)
        if place is None:
            return _about_value(rest)
        return f"invalid character {_quoted(rest[0])} {place}"
    if value is not None and not isinstance(value, wanted):
        return f"json: cannot unmarshal {_TYPES[type(value)]} into Go value of type {go_type}"
    return ""
