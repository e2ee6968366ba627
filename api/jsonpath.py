"""kubectl's JSONPath templates (https://kubernetes.io/docs/reference/kubectl/jsonpath/).

Understood: text, `{.a.b}`, `['a']`, `[0]`, `[-1]`, `[1:3]`, `[*]`, `..a`, filters `[?(@.a=="b")]` with == != < > <=
>= or mere existence, quoted text, and `{range .items[*]}…{end}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

_STEP = re.compile(
    r"""\.\.(?P<deep>[^.\[\]\\\s]+)
      | \.(?P<name>(?:[^.\[\]\\\s]|\\.)+)
      | \[\s*\?\(\s*(?P<filter>.+?)\s*\)\s*\]
      | \[\s*'(?P<quoted>[^']*)'\s*\] | \[\s*"(?P<quoted2>[^"]*)"\s*\]
      | \[\s*(?P<index>\*|-?\d+(?:\s*,\s*-?\d+)*|-?\d*:-?\d*(?::-?\d*)?)\s*\]""",
    re.VERBOSE,
)
_COMPARISON = re.compile(r"^@(?P<path>.*?)\s*(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<value>.+))?$")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    ">": lambda a, b: bool(a > b),
    "<=": lambda a, b: bool(a <= b),
    ">=": lambda a, b: bool(a >= b),
}


def evaluate(template: str, document: Any) -> str:
    """Fill in the template.  Raises ValueError when it is wrong; what is missing in the document is left out."""
    if "{" not in template:
        template = "{" + (template if template.startswith(("$", ".", "[")) else f".{template}") + "}"
    parts = list(_parts(template))
    text, rest = _fill(parts, 0, document, document)
    if rest != len(parts):
        raise ValueError("{end} without {range}")
    return text


def _parts(template: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(template):
        opening = template.find("{", position)
        if opening < 0:
            yield "text", template[position:]
            return
        if opening > position:
            yield "text", template[position:opening]
        closing = _closing(template, opening)
        inner = template[opening + 1 : closing].strip()
        if inner == "end":
            yield "end", ""
        elif inner.startswith("range "):
            yield "range", inner[6:].strip()
        elif inner[:1] in "\"'":
            yield "text", inner[1:-1].encode().decode("unicode_escape")
        else:
            yield "path", inner
        position = closing + 1


def _closing(template: str, opening: int) -> int:
    quote = ""
    for position in range(opening + 1, len(template)):
        character = template[position]
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "}":
            return position
    raise ValueError(f"unclosed {{ in the JSONPath template {template!r}")


def _fill(parts: list[tuple[str, str]], start: int, root: Any, current: Any) -> tuple[str, int]:
    """The text of the parts up to the matching {end}, and where that is."""
    text = ""
    position = start
    while position < len(parts):
        kind, content = parts[position]
        if kind == "end":
            return text, position
        if kind == "text":
            text += content
        elif kind == "path":
            text += " ".join(_shown(value) for value in find(content, root, current))
        else:
            after = position + 1
            for value in find(content, root, current):
                body, after = _fill(parts, position + 1, root, value)
                text += body
            if after == position + 1:
                _, after = _fill(parts, position + 1, root, {})
            position = after
            if position >= len(parts):
                raise ValueError("{range} without {end}")
        position += 1
    return text, position


def find(path: str, root: Any, current: Any) -> list[Any]:
    """All values a path leads to.  Raises ValueError when it cannot be read."""
    values = [root if path.startswith("$") else current]
    rest = path.lstrip("$@")
    if rest and rest[0] not in ".[":
        rest = f".{rest}"
    position = 1 if rest == "." else 0
    while position < len(rest):
        match = _STEP.match(rest, position)
        if match is None:
            raise ValueError(f"cannot read the JSONPath {path!r} at {rest[position:]!r}")
        values = [found for value in values for found in _step(match, value, root)]
        position = match.end()
    return values


def _step(match: re.Match[str], value: Any, root: Any) -> Iterator[Any]:
    if deep := match["deep"]:
        yield from _deep(deep, value)
    elif condition := match["filter"]:
        for item in value if isinstance(value, list) else []:
            if _holds(condition, item, root):
                yield item
    elif index := match["index"]:
        yield from _indexed(index.replace(" ", ""), value)
    else:
        name = match["name"] if match["name"] is not None else (match["quoted"] or match["quoted2"] or "")
        name = re.sub(r"\\(.)", r"\1", name)
        if name == "*" and match["name"]:
            yield from value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        elif isinstance(value, dict) and name in value:
            yield value[name]


def _indexed(index: str, value: Any) -> Iterator[Any]:
    if index == "*":
        yield from value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    elif isinstance(value, list):
        if ":" in index:
            yield from value[slice(*(int(part) if part else None for part in index.split(":")))]
        else:
            for number in map(int, index.split(",")):
                if -len(value) <= number < len(value):
                    yield value[number]


def _deep(name: str, value: Any) -> Iterator[Any]:
    children = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if name == "*":
        yield from children
    elif isinstance(value, dict) and name in value:
        yield value[name]
    for child in children:
        yield from _deep(name, child)


def _holds(condition: str, item: Any, root: Any) -> bool:
    match = _COMPARISON.match(condition)
    if match is None:
        raise ValueError(f"cannot read the JSONPath filter {condition!r}")
    found = find(match["path"] or ".", root, item) if match["path"] else [item]
    if match["operator"] is None:
        return bool(found)
    text = match["value"].strip()
    wanted = text[1:-1] if text[:1] in "\"'" else json.loads(text)
    try:
        return any(_COMPARE[match["operator"]](value, wanted) for value in found)
    except TypeError:
        return False


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
