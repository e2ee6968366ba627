"""`'%s is %d'.format([name, count])`, and what a checker can say of it before any argument has a value.

https://github.com/google/cel-go/blob/master/ext/README.md#format
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cel.errors import EvaluationError, Issue
from cel.libraries.standard import to_string
from cel.syntax import Call, Expr, ListExpr, Literal, MapExpr, children, walk
from cel.time_limit import bound_text, check
from cel.types import Type
from cel.values import RUNTIME_NAMES, Duration, Timestamp, UInt, type_name

_PRECISION = 6
_MOST_PRECISE = 1000
_CLAUSE = re.compile(r"%(?:%|(?:\.(\d*))?(.?))", re.S)
_NO_PRECISION = (
    "error while parsing precision: error while converting precision to integer: "
    'strconv.Atoi: parsing "": invalid syntax'
)
_SPECIAL = ("NaN", "Infinity", "-Infinity")

_ALLOWED = {
    "s": (
        ("list", "map", "int", "uint", "double", "bool", "string", "timestamp", "bytes", "duration", "type", "null"),
        "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, "
        "and timestamps",
    ),
    "d": (("int", "uint"), "decimal clause can only be used on integers"),
    "f": (("double", "string"), "fixed-point clause can only be used on doubles"),
    "e": (("double", "string"), "scientific clause can only be used on doubles"),
    "b": (("int", "uint", "bool"), "only integers and bools can be formatted as binary"),
    "x": (("int", "uint", "string", "bytes"), "only integers, byte buffers, and strings can be formatted as hex"),
    "o": (("int", "uint"), "octal clause can only be used on integers"),
}


def _refused(clause: str, name: str) -> str:
    return f"error during formatting: {_ALLOWED[clause.lower()][1]}, was given {name}"


def _clauses(text: str) -> Iterator[tuple[str, str, int | None]]:
    """What is between the clauses, each with the letter of the clause after it and its precision; the letter is empty
    after the last.  Raises ValueError for a clause that does not exist."""
    at = 0
    literal = ""
    for match in _CLAUSE.finditer(text):
        literal += text[at : match.start()]
        at = match.end()
        if match[0] == "%%":
            literal += "%"
            continue
        letter = match[2]
        if not letter:
            raise ValueError("unexpected end of string")
        if letter.lower() not in _ALLOWED or letter in "SDFEBO":
            raise ValueError(f'could not parse formatting clause: unrecognized formatting clause "{letter}"')
        if match[1] == "":
            raise ValueError(f"could not parse formatting clause: {_NO_PRECISION}")
        precision = None if match[1] is None else int(match[1])
        if precision is not None and precision > _MOST_PRECISE:
            raise ValueError(f"error while parsing precision: {precision} is more than {_MOST_PRECISE}")
        yield literal, letter, precision
        literal = ""
    yield literal + text[at:], "", None


def format_string(text: str, arguments: list[Any]) -> str:
    """Raises EvaluationError."""
    shown = []
    length = 0
    try:
        for at, (literal, letter, precision) in enumerate(_clauses(text)):
            shown.append(literal)
            if not letter:
                break
            if at >= len(arguments):
                raise ValueError(f"index {at} out of range")
            shown.append(_format(letter, precision, arguments[at]))
            length += len(literal) + len(shown[-1])
            bound_text(length)
    except ValueError as error:
        raise EvaluationError(str(error)) from None
    return "".join(shown)


def _format(letter: str, precision: int | None, value: Any) -> str:
    name = type_name(value)
    if RUNTIME_KINDS.get(name, name) not in _ALLOWED[letter.lower()][0]:
        raise ValueError(_refused(letter, name))
    match letter:
        case "s":
            return _plain(value)
        case "d":
            return str(int(value))
        case "b":
            return format(int(value), "b")
        case "o":
            return format(int(value), "o")
        case "x" | "X":
            if isinstance(value, str | bytes):
                shown = (value.encode() if isinstance(value, str) else value).hex()
                return shown.upper() if letter == "X" else shown
            return format(int(value), letter)
    if isinstance(value, str):
        if value not in _SPECIAL:
            raise ValueError(_refused(letter, name))
        return value.replace("Infinity", "∞")
    digits = _PRECISION if precision is None else precision
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else ("∞" if value > 0 else "-∞")
    if letter == "f":
        return f"{value:,.{digits}f}"
    mantissa, _, exponent = f"{value:.{digits}e}".partition("e")
    raised = "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in exponent[1:])
    return f"{mantissa} × 10{'⁻' if exponent[0] == '-' else ''}{raised}"


RUNTIME_KINDS = {name: kind for kind, name in RUNTIME_NAMES.items()}


def _plain(value: Any) -> str:
    check()
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(sorted(f"{_literal(key)}:{_literal(entry)}" for key, entry in value.items())) + "}"
    return value.name if isinstance(value, Type) else str(to_string(value))


def _literal(value: Any) -> str:
    """A value within a list or map, as an expression would write it."""
    match value:
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case bytes():
            return f'b"{value.decode(errors="replace")}"'
        case float():
            return f"{value:.{_PRECISION}f}"
        case Timestamp():
            return f'timestamp("{to_string(value)}")'
        case Duration():
            return f'duration("{to_string(value)}")'
        case bool() | int() | UInt():
            return str(to_string(value))
    return _plain(value)


def format_issues(tree: Expr) -> Iterator[Issue]:
    """What is wrong with calls of `format` on a literal with arguments in a literal list."""
    for node in walk(tree):
        if not isinstance(node, Call) or node.function != "format" or not isinstance(node.target, Literal):
            continue
        arguments = node.arguments[0]
        if isinstance(arguments, ListExpr) and isinstance(node.target.value, str):
            yield from _call_issues(node, node.target.value, arguments.elements)


def _call_issues(node: Call, text: str, arguments: list[Expr]) -> Iterator[Issue]:
    requested = 0
    try:
        for at, (_, letter, _precision) in enumerate(_clauses(text)):
            if not letter:
                break
            requested += 1
            if at >= len(arguments):
                raise ValueError(f"index {at} out of range")
            if wrong := next(_unfit(letter, arguments[at]), None):
                yield Issue(wrong.position, _refused(letter, RUNTIME_NAMES.get(wrong.type.kind, wrong.type.name)))
                return
    except ValueError as error:
        yield Issue(node.position, str(error))
        return
    if len(arguments) > requested:
        message = f"too many arguments supplied to string.format (expected {requested}, got {len(arguments)})"
        yield Issue(node.position, message)


def _unfit(letter: str, argument: Expr) -> Iterator[Expr]:
    if argument.type.kind not in (*_ALLOWED[letter.lower()][0], "dyn"):
        yield argument
    elif letter == "s" and isinstance(argument, ListExpr | MapExpr):
        for inner in children(argument):
            yield from _unfit(letter, inner)
