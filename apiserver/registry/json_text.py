"""What is wrong with a text that should be JSON, in the words clients of Kubernetes know."""

from __future__ import annotations

import json

_PLACES = {
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after object key:value pair",
    "Extra data": "after top-level value",
}
_TYPES: dict[type, str] = {list: "array", str: "string", int: "number", float: "number", bool: "bool"}


def complaint_about_json(text: bytes) -> str:
    """Why a text is not a JSON object; empty when it is one."""
    try:
        value = json.loads(text)
    except UnicodeDecodeError:
        return "invalid character in string literal"
    except json.JSONDecodeError as error:
        rest = error.doc[error.pos :].lstrip()
        if not rest:
            return "unexpected end of JSON input"
        place = _PLACES.get(error.msg, "looking for beginning of value")
        quoted = "\\'" if rest[0] == "'" else rest[0]
        return f"invalid character '{quoted}' {place}"
    if value is not None and not isinstance(value, dict):
        return f"json: cannot unmarshal {_TYPES[type(value)]} into Go value of type map[string]interface {{}}"
    return ""
