"""The objects that Kubernetes keeps as the text they came in: RawExtension.

Go has the bytes of such a member and compares those.  The same JSON with other blanks, another order of members or
another spelling of a number or a string is a change of the spec, and one that is refused where that is immutable.  A
request's JSON and protobuf are kept as they came; YAML, a strategic merge patch and server-side apply write a value
anew, members in order; merge patches and JSON patches only leave out the blanks.  See docs/adr/0032.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from json import JSONDecoder
from typing import Any, TypeAlias

import orjson

from api.model import Model
from api.schema import Schema, schema_of

KINDS = frozenset({"ControllerRevision", "DeviceClass", "ResourceClaim", "ResourceClaimTemplate"})
"""The kinds with such members: no other is looked into."""

Leads: TypeAlias = "Mapping[str, Leads | None]"
"""The members of a type that lead to RawExtensions, through objects and lists; those that are one lead to None."""


class Raw(dict[str, Any]):
    """The object of a RawExtension with the JSON text that spells it; equal to whatever is spelled the same.

    Whoever changes it puts another in its place.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        super().__init__(orjson.loads(text))
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and self.text == text_of(other)

    def __ne__(self, other: object) -> bool:
        return not self == other


def text_of(value: Any, *, in_order: bool = False) -> str:
    """How a value is spelled: one that does not say so without blanks, its members as they are or by name."""
    if isinstance(value, Raw) and not in_order:
        return value.text
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if in_order else None).decode()


_ESCAPED = re.compile(r"\\(?:u00(26|3[ce])|.)")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[ \t\r\n]+')
_BLANKS = {ord(blank): " " for blank in "\t\r\n"}


def kept(text: str) -> str:
    """A text as it is kept: on one line, as an event of a watch has to be, and with `&`, `<` and `>` as themselves,
    which Go writes with escapes and everybody else does not."""
    unescaped = _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[0], text)
    return unescaped.translate(_BLANKS)


def compact(text: str) -> str:
    """The text without blanks, otherwise as it is."""
    return _TOKEN.sub(lambda found: found[0] if found[0].startswith('"') else "", text)


# --- where they are -------------------------------------------------------------------------------


@cache
def leads_of(model: type[Model]) -> Leads:
    return _leads(schema_of(model), frozenset({None, model}))


def _leads(schema: Schema, above: frozenset[type[Model] | None]) -> Leads:
    found: dict[str, Leads | None] = {}
    for name, member in schema.properties.items():
        inner = member.items or member
        if member.scalar == "RawExtension":
            found[name] = None
        elif inner.model not in above and (leads := _leads(inner, above | {inner.model})):
            found[name] = leads
    return found


def places(leads: Leads, holder: Any, path: str = "") -> Iterator[tuple[str, Any, str, dict[str, Any]]]:
    """The RawExtensions of a typed object or a document: path, what holds it, its name there, the object."""
    for name, inner in leads.items():
        value = holder.get(name) if isinstance(holder, dict) else getattr(holder, name)
        where = f"{path}.{name}"
        if inner is None:
            if isinstance(value, dict):
                yield where, holder, name, value
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from places(inner, item, f"{where}.{index}")
        elif value is not None:
            yield from places(inner, value, where)


def spell(leads: Leads, holder: Any, text: Callable[[str, dict[str, Any]], str]) -> None:
    """Put `Raw` in the place of every RawExtension; `text` is asked how, by its path and its object."""
    for path, owner, name, value in places(leads, holder):
        raw = Raw(kept(text(path, value)))
        if isinstance(owner, dict):
            owner[name] = raw
        else:
            setattr(owner, name, raw)


def spellings(leads: Leads, holder: Any) -> dict[str, str]:
    """The texts by path."""
    return {path: text_of(value) for path, _, _, value in places(leads, holder)}


# --- what a text says -----------------------------------------------------------------------------

_BLANK = re.compile(r"[ \t\r\n]*")
_value_at = JSONDecoder().raw_decode


def texts(leads: Leads, document: str) -> dict[str, str]:
    """The texts of the RawExtensions in a JSON document, which is known to be good, by path."""
    found: dict[str, str] = {}
    _collect(document, _after_blanks(document, 0), leads, "", found)
    return found


def _collect(text: str, at: int, leads: Leads, path: str, found: dict[str, str]) -> int:
    """Look through the value that begins at `at`; returns where it ends."""
    opening = text[at]
    if opening not in "{[":
        return _value_at(text, at)[1]
    index, at = -1, _after_blanks(text, at + 1)
    while text[at] not in "}]":
        inner: Leads | None = leads
        if opening == "{":
            name, at = _value_at(text, at)
            at = _after_blanks(text, _after_blanks(text, at) + len(":"))
            inner = leads.get(name, {})
        else:
            index += 1
            name = str(index)
        where = f"{path}.{name}"
        end = _collect(text, at, inner, where, found) if inner else _value_at(text, at)[1]
        if inner is None and text[at] == "{":  # null leaves what came before as it is
            found[where] = text[at:end]
        at = _after_blanks(text, end)
        if text[at] == ",":
            at = _after_blanks(text, at + 1)
    return at + 1


def _after_blanks(text: str, at: int) -> int:
    matched = _BLANK.match(text, at)
    assert matched is not None
    return matched.end()
