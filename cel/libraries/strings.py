"""Strings: cel-go's extension in the version that Kubernetes has (2).

https://github.com/google/cel-go/blob/master/ext/README.md#strings
"""

from __future__ import annotations

from typing import Any

from cel.errors import EvaluationError
from cel.functions import Library
from cel.libraries.formatting import format_string
from cel.time_limit import bound_text

_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_QUOTED = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def _out_of_range(at: int) -> EvaluationError:
    return EvaluationError(f"index out of range: {at}")


def _char_at(text: str, at: int) -> str:
    if not 0 <= at <= len(text):
        raise _out_of_range(at)
    return text[at : at + 1]


def _index_of(text: str, wanted: str, start: int = 0) -> int:
    if wanted == "":
        return start
    if not 0 <= start <= len(text) or (start == len(text) and text):
        raise _out_of_range(start)
    return text.find(wanted, start)


def _last_index_of(text: str, wanted: str, start: int | None = None) -> int:
    if start is None:
        return len(text) if wanted == "" else text.rfind(wanted)
    if wanted == "":
        return start
    if not 0 <= start < len(text):
        raise _out_of_range(start)
    return text.rfind(wanted, 0, start + len(wanted))


def _join(texts: list[Any], separator: str = "") -> str:
    if not all(isinstance(text, str) for text in texts):
        raise EvaluationError("no such overload: join")
    bound_text(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    if len(new) > len(old):
        found = text.count(old)
        bound_text(len(text) + (found if count < 0 else min(found, count)) * (len(new) - len(old)))
    return text.replace(old, new, count)


def _split(text: str, separator: str, count: int = -1) -> list[str]:
    if count == 0:
        return []
    if separator == "":
        if count < 0 or count >= len(text):
            return list(text)
        return [*text[: count - 1], text[count - 1 :]]
    return text.split(separator, count - 1 if count > 0 else -1)


def _substring(text: str, start: int, end: int | None = None) -> str:
    if end is None:
        if not 0 <= start <= len(text):
            raise _out_of_range(start)
        return text[start:]
    if start > end:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    for at in (start, end):
        if not 0 <= at <= len(text):
            raise _out_of_range(at)
    return text[start:end]


def _quote(text: str) -> str:
    return '"' + "".join(_QUOTED.get(character, character) for character in text) + '"'


STRINGS = Library()
STRINGS.add("charAt", "string.(int) -> string", call=_char_at)
STRINGS.add("indexOf", "string.(string) -> int", "string.(string, int) -> int", call=_index_of)
STRINGS.add("lastIndexOf", "string.(string) -> int", "string.(string, int) -> int", call=_last_index_of)
STRINGS.add("lowerAscii", "string.() -> string", call=lambda text: text.translate(_LOWER))
STRINGS.add("upperAscii", "string.() -> string", call=lambda text: text.translate(_UPPER))
STRINGS.add("replace", "string.(string, string) -> string", "string.(string, string, int) -> string", call=_replace)
STRINGS.add("split", "string.(string) -> list(string)", "string.(string, int) -> list(string)", call=_split)
STRINGS.add("substring", "string.(int) -> string", "string.(int, int) -> string", call=_substring)
STRINGS.add("trim", "string.() -> string", call=lambda text: text.strip())
STRINGS.add("join", "list(string).() -> string", "list(string).(string) -> string", call=_join)
STRINGS.add("strings.quote", "(string) -> string", call=_quote)
STRINGS.add("format", "string.(list(dyn)) -> string", call=format_string)
