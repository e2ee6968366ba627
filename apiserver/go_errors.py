"""The words of Go's JSON decoder: what is wrong with a document, and what a type should have been.

Clients and their tests match these messages, so they are part of the API.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

from api.go_floats import go_float
from api.quantity import canonical
from api.schema import Schema

END = "unexpected end of JSON input"


def syntax_error(data: bytes) -> str:
    """Why the bytes are not JSON, as Go says it."""
    text = data.decode("latin-1")  # Go reads byte by byte, and takes each for a character when it complains
    try:
        json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        return _go_syntax(error)
    except RecursionError:
        return "exceeded max depth"
    try:
        data.decode()
    except UnicodeDecodeError as error:  # within a string, where Go puts up with it
        return f"invalid UTF-8 at offset {error.start}"
    return "invalid JSON"


def _no_constant(name: str) -> None:
    """Python takes NaN and Infinity for numbers."""
    raise json.JSONDecodeError("Expecting value", name, 0)


def _go_syntax(error: json.JSONDecodeError) -> str:
    text, where, what = error.doc, error.pos, error.msg
    if what.startswith("Unterminated string"):
        return END
    if what.startswith("Invalid control"):
        return f"invalid character {_quoted(text[where])} in string literal"
    while where < len(text) and text[where] in " \t\r\n":
        where += 1
    if where >= len(text):
        return END
    if number := _number_error(text, where):
        return number
    char = _quoted(text[where])
    if what.startswith(("Expecting property name", "Illegal trailing comma")):
        return f"invalid character {char} looking for beginning of object key string"
    if what.startswith("Expecting ':'"):
        return f"invalid character {char} after object key"
    if what.startswith("Expecting ','"):
        place = "object key:value pair" if _inside(text[:where]) == "{" else "array element"
        return f"invalid character {char} after {place}"
    if what.startswith("Extra data"):
        return f"invalid character {char} after top-level value"
    if what.startswith("Invalid \\escape"):
        return f"invalid character {_quoted(text[where + 1 : where + 2])} in string escape code"
    if what.startswith("Invalid \\uXXXX"):
        digits = re.compile("[0-9a-fA-F]{0,4}").match(text, where + 1)
        end = where + 1 if digits is None else digits.end()
        return f"invalid character {_quoted(text[end])} in \\u hexadecimal character escape" if text[end:] else END
    for literal in ("true", "false", "null"):
        if text[where] == literal[0]:
            rest = text[where : where + len(literal)]
            for position, wanted in enumerate(literal):
                if position >= len(rest):
                    return END
                if rest[position] != wanted:
                    wrong = _quoted(rest[position])
                    return f"invalid character {wrong} in literal {literal} (expecting {_quoted(wanted)})"
    return f"invalid character {char} looking for beginning of value"


def _number_error(text: str, where: int) -> str:
    """What is wrong with a number that ends, or should begin, at `where`; "" when there is none."""
    begun = re.compile(r"(-?(?:0|[1-9][0-9]*)?)(\.[0-9]*)?([eE][+-]?)?")
    start = where
    while start and text[start - 1] in "-0123456789.":
        start -= 1
    match = begun.match(text, start)
    if match is None or match.end() < where or not match[0]:
        return ""
    whole, fraction, exponent = match.groups()
    if whole in ("", "-"):
        place = "in numeric literal" if whole else ""
    elif fraction == ".":
        place = "after decimal point in numeric literal"
    else:
        place = "in exponent of numeric literal" if exponent else ""
    rest = text[match.end(2 if fraction == "." else 0) :]
    return (f"invalid character {_quoted(rest[0])} {place}" if rest else END) if place else ""


def _quoted(char: str) -> str:
    if char == "'":
        return r"'\''"
    return f"'{char}'" if char == '"' or char.isprintable() else "'" + json.dumps(char)[1:-1] + "'"


def _inside(text: str) -> str:
    """The bracket that is open at the end of a piece of JSON."""
    stack = []
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', text):
        if match[0] in "[{":
            stack.append(match[0])
        elif match[0] in "]}" and stack:
            stack.pop()
    return stack[-1] if stack else ""


# --- values of the wrong type --------------------------------------------------------------------


def type_error(schema: Schema, document: Any) -> str | None:
    """What Go's decoder says about the first value that is not of its declared type; None when all are."""
    return next(_type_errors(schema, document, "", ()), None)


def kind_of(value: Any) -> str:
    """Go's word for a JSON value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _type_errors(schema: Schema, value: Any, struct: str, path: tuple[str, ...]) -> Iterator[str]:
    if value is None:
        return
    match schema.type:
        case _ if schema.scalar and not schema.preserve_unknown:
            yield from _scalar_errors(schema.scalar, value)
        case "object":
            if not isinstance(value, dict):
                yield _mismatch(schema, value, struct, path)
            elif schema.model is not None or schema.properties:
                name = schema.model.__name__ if schema.model else struct
                for member, inner in value.items():
                    known = schema.properties.get(member)
                    if known is not None:
                        yield from _type_errors(known, inner, name, (*path, member))
            elif schema.additional is not None:
                for inner in value.values():
                    yield from _type_errors(schema.additional, inner, struct, path)
        case "array":
            if not isinstance(value, list):
                yield _mismatch(schema, value, struct, path)
            elif schema.items is not None:
                for inner in value:
                    yield from _type_errors(schema.items, inner, struct, path)
        case "string":
            if not isinstance(value, str):
                yield _mismatch(schema, value, struct, path)
            elif schema.format == "byte" and (problem := _base64_error(value)):
                yield problem
        case "boolean":
            if not isinstance(value, bool):
                yield _mismatch(schema, value, struct, path)
        case "integer":
            yield from _integer_errors(schema, value, struct, path)
        case "number":
            if isinstance(value, bool) or not isinstance(value, int | float):
                yield _mismatch(schema, value, struct, path)


def _integer_errors(schema: Schema, value: Any, struct: str, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield _mismatch(schema, value, struct, path)
        return
    limit = 2**31 if schema.format == "int32" else 2**63
    if isinstance(value, float) or not -limit <= value < limit:
        shown = go_float(value) if isinstance(value, float) else str(value)
        yield _mismatch(schema, value, struct, path, f"number {shown}")


def _mismatch(schema: Schema, value: Any, struct: str, path: tuple[str, ...], kind: str = "") -> str:
    where = f"struct field {struct}.{'.'.join(path)}" if path else "value"
    return f"json: cannot unmarshal {kind or kind_of(value)} into Go {where} of type {_go_type(schema, path)}"


_NAMED_STRINGS = {
    "dnsPolicy": "v1.DNSPolicy",
    "imagePullPolicy": "v1.PullPolicy",
    "phase": "v1.PodPhase",
    "protocol": "v1.Protocol",
    "restartPolicy": "v1.RestartPolicy",
    "sessionAffinity": "v1.ServiceAffinity",
    "terminationMessagePolicy": "v1.TerminationMessagePolicy",
    "uid": "types.UID",
}


def _go_type(schema: Schema, path: tuple[str, ...] = ()) -> str:
    if schema.scalar:
        return {"Quantity": "resource.Quantity", "IntOrString": "intstr.IntOrString"}.get(
            schema.scalar, f"v1.{schema.scalar}"
        )
    match schema.type:
        case "string":
            return "[]uint8" if schema.format == "byte" else _NAMED_STRINGS.get(path[-1] if path else "", "string")
        case "integer":
            return schema.format or "int64"
        case "boolean":
            return "bool"
        case "number":
            return "float64"
        case "array":
            return "[]" + (_go_type(schema.items) if schema.items else "interface {}")
        case "object" if schema.model is not None:
            return f"v1.{schema.model.__name__}"
        case "object" if schema.additional is not None:
            if schema.additional.scalar == "Quantity":
                return "v1.ResourceList"
            return f"map[string]{_go_type(schema.additional)}"
    return "map[string]interface {}"


def _scalar_errors(scalar: str, value: Any) -> Iterator[str]:
    if scalar == "Quantity":
        try:
            canonical(value)
        except ValueError as error:
            yield str(error)
    elif scalar == "IntOrString":
        if isinstance(value, bool) or not isinstance(value, str | int):
            shown = f"number {go_float(value)}" if isinstance(value, float) else kind_of(value)
            yield f"json: cannot unmarshal {shown} into Go value of type int32"
        elif isinstance(value, int) and not -(2**31) <= value < 2**31:
            yield f"json: cannot unmarshal number {value} into Go value of type int32"
    elif not isinstance(value, str):
        yield f"json: cannot unmarshal {kind_of(value)} into Go value of type string"
    elif problem := _time_error(value, micro=scalar == "MicroTime"):
        yield problem


def _base64_error(text: str) -> str | None:
    try:
        base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except ValueError:  # binascii.Error is one, and what is not ASCII is another
        return f"illegal base64 data at input byte {_first_wrong_byte(text)}"
    return None


_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def _first_wrong_byte(text: str) -> int:
    """Where Go's decoder stops: at a wrong character, or at the start of a group of four that is not whole."""
    filled = 0
    for position, char in enumerate(text):
        if char in "\r\n":
            continue
        if char not in _ALPHABET:
            if char != "=" or filled % 4 < 2:
                return position
            rest = text[position + 1 :]
            needed = "=" if filled % 4 == 2 else ""
            if not rest.startswith(needed):
                return position if rest else len(text)
            return position + 1 + len(needed)
        filled += 1
    return len(text) - filled % 4


_LAYOUT = "2006-01-02T15:04:05Z07:00"
_MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"
_ELEMENTS = (("2006", r"\d{4}"), ("-", "-"), ("01", r"\d\d"), ("-", "-"), ("02", r"\d\d"), ("T", "T"), ("15", r"\d\d"),
             (":", ":"), ("04", r"\d\d"), (":", ":"), ("05", r"\d\d"))  # fmt: skip
_RANGES = {"01": (1, 12, "month"), "02": (1, 31, "day"), "15": (0, 23, "hour"), "04": (0, 59, "minute"),
           "05": (0, 59, "second")}  # fmt: skip
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _time_error(text: str, micro: bool) -> str | None:
    """Why Go's time.Parse refuses a time; None when it takes it."""
    layout = _MICRO_LAYOUT if micro else _LAYOUT
    rest, found = text, {}
    for element, pattern in _ELEMENTS:
        match = re.match(pattern, rest)
        if match is None:
            return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{element}"'
        if element in _RANGES:
            low, high, name = _RANGES[element]
            if not low <= int(match[0]) <= high:
                return f'parsing time "{text}": {name} out of range'
        found[element] = match[0]
        rest = rest[match.end() :]
    if micro:
        fraction = re.match(r"\.\d{6}(?!\d)", rest)
        if fraction is None:
            return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as ".000000"'
        rest = rest[fraction.end() :]
    elif fraction := re.match(r"[.,]\d+", rest):
        rest = rest[fraction.end() :]
    zone = re.match(r"Z|[+-]\d\d:\d\d", rest)
    if zone is None:
        return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "Z07:00"'
    if rest[zone.end() :]:
        return f'parsing time "{text}": extra text: "{rest[zone.end() :]}"'
    year, month, day = int(found["2006"]), int(found["01"]), int(found["02"])
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > _DAYS[month - 1] + leap:
        return f'parsing time "{text}": day out of range'
    return None
