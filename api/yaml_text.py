"""JSON values as Kubernetes writes them in YAML: byte for byte what Go's YAML library makes of them.

https://pkg.go.dev/sigs.k8s.io/yaml.  The choices of style are made here; libyaml, of which Go's emitter is a
translation, does the rest: whether a style can carry a string at all, escapes, indentation, lines folded at 80.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cmp_to_key
from typing import Any, Final

import yaml

from api.yaml_scalars import needs_quotes

_IMPLICIT: Final = (True, True)
_END: Final = "\n...\n"
_MERGE: Final = "<<"
"""Read as a command to merge mappings where it is a key without quotes, which Go gives it none for all that."""


def to_yaml(document: Any) -> str:
    """A block-style document of a JSON value; members in natural order, so that `a2` comes before `a10`."""
    text: str = yaml.emit(_stream(document), Dumper=yaml.CSafeDumper, allow_unicode=True)
    # libyaml marks the end of a document whose last string ends in empty lines; Go does not.
    return text.removesuffix(_END) + "\n" if text.endswith(_END) else text


def _stream(document: Any) -> Iterator[yaml.Event]:
    yield yaml.StreamStartEvent(encoding="utf-8")
    yield yaml.DocumentStartEvent(explicit=False)
    yield from _events(document)
    yield yaml.DocumentEndEvent(explicit=False)
    yield yaml.StreamEndEvent()


def _events(value: Any) -> Iterator[yaml.Event]:
    if isinstance(value, Mapping):
        yield yaml.MappingStartEvent(None, None, True, flow_style=False)
        for name in sorted(value, key=_natural):
            yield _string(name) if name != _MERGE else yaml.ScalarEvent(None, None, _IMPLICIT, name, style='"')
            yield from _events(value[name])
        yield yaml.MappingEndEvent()
    elif isinstance(value, str):
        yield _string(value)
    elif isinstance(value, Sequence):
        yield yaml.SequenceStartEvent(None, None, True, flow_style=False)
        for item in value:
            yield from _events(item)
        yield yaml.SequenceEndEvent()
    else:
        yield yaml.ScalarEvent(None, None, _IMPLICIT, _plain(value))


def _string(text: str) -> yaml.Event:
    style = "|" if "\n" in text else '"' if needs_quotes(text) else None
    return yaml.ScalarEvent(None, None, _IMPLICIT, text, style=style)


def _plain(value: float | bool | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))  # JSON has one kind of number
    return str(value)


def _compare(left: str, right: str) -> int:
    """Letters by their code, after all other characters; runs of digits by their value."""
    for position, (a, b) in enumerate(zip(left, right, strict=False)):
        if a == b:
            continue
        if a.isalpha() and b.isalpha():
            return -1 if a < b else 1
        if a.isalpha() or b.isalpha():
            return -1 if b.isalpha() else 1
        one, other = _digits(left, position), _digits(right, position)
        before = left[:position]
        # A zero counts when digits stand before it: 10 is more than 9, but 09 is not.
        lead = "1" if "0" in (a, b) and before[len(before.rstrip("0123456789")) :].strip("0") else "0"
        return -1 if (int(lead + one), len(one), a) < (int(lead + other), len(other), b) else 1
    return len(left) - len(right)


def _digits(text: str, start: int) -> str:
    end = start
    while end < len(text) and text[end] in "0123456789":
        end += 1
    return text[start:end]


_natural = cmp_to_key(_compare)
