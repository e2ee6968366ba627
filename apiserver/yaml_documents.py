"""YAML as Kubernetes reads it: the first document of a stream, turned into a JSON value.

Keys that are not strings become strings; `api.yaml_scalars` says what unquoted text means.  Parsed from events and
not recursively: PyYAML's own composer crashes the process on a deeply nested document.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from api.yaml_scalars import resolve

MAX_DEPTH = 1000
MAX_VALUES = 1_000_000
"""Values after aliases are filled in; a few lines of aliases can mean billions."""

_STANDARD = "tag:yaml.org,2002:"
_MERGE = "<<"


class YAMLError(ValueError):
    """Not a YAML document; the message is Go's, with the line."""


@dataclass
class Document:
    """`value` is JSON-shaped; `duplicates` are keys that came twice in one mapping, as Go reports them."""

    value: Any = None
    duplicates: list[str] = field(default_factory=list)


def parse(data: bytes | str) -> Document:
    """Read the first document; null for an empty stream.  Raises YAMLError."""
    try:
        return _Builder(yaml.CSafeLoader(data)).document()
    except yaml.MarkedYAMLError as error:
        if error.problem and "nesting depth" in error.problem:  # libyaml has a limit of its own, in some versions
            raise YAMLError("yaml: exceeded max depth") from None
        raise YAMLError(f"yaml: {_where(error)}{error.problem or 'unknown problem parsing YAML content'}") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, YAMLError):
            raise
        raise YAMLError(f"yaml: {str(error).splitlines()[0]}") from None


def _where(error: yaml.MarkedYAMLError) -> str:
    """The line as Go counts it: one less than a reader would for all but the scanner's errors."""
    if error.problem_mark is not None and error.problem_mark.line:
        line = error.problem_mark.line + (1 if isinstance(error, yaml.scanner.ScannerError) else 0)
    elif error.context_mark is not None:
        line = error.context_mark.line
    else:
        line = 0
    return f"line {line}: " if line else ""


class _Open:
    """A mapping or sequence whose end has not come yet."""

    __slots__ = ("anchor", "key", "merges", "start", "value", "waiting")

    def __init__(self, value: Any, anchor: str | None, start: int) -> None:
        self.value, self.anchor, self.start = value, anchor, start
        self.key: Any = None
        self.waiting = False
        self.merges: list[Any] = []


class _Builder:
    def __init__(self, loader: yaml.CSafeLoader) -> None:
        self.loader = loader
        self.result = Document()
        self.open: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.count = 0

    def document(self) -> Document:
        while True:
            event = self.loader.get_event()
            if event is None or isinstance(event, yaml.DocumentEndEvent | yaml.StreamEndEvent):
                return self.result
            if isinstance(event, yaml.ScalarEvent):
                value = _scalar(event)
                self.counted(1)
                if event.anchor:
                    self.anchors[event.anchor] = (value, 1)
                self.place(value, event)
            elif isinstance(event, yaml.AliasEvent):
                if event.anchor not in self.anchors:
                    raise YAMLError(f"yaml: unknown anchor '{event.anchor}' referenced")
                value, weight = self.anchors[event.anchor]
                self.counted(weight)
                self.place(value, event)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                if len(self.open) >= MAX_DEPTH:
                    raise YAMLError("yaml: exceeded max depth")
                value = {} if isinstance(event, yaml.MappingStartEvent) else []
                self.counted(1)
                self.open.append(_Open(value, event.anchor, self.count))
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                done = self.open.pop()
                self.fill_in(done)
                if done.anchor:
                    self.anchors[done.anchor] = (done.value, self.count - done.start + 1)
                self.place(done.value, event)

    def counted(self, values: int) -> None:
        self.count += values
        if self.count > MAX_VALUES:
            raise YAMLError("yaml: document contains excessive aliasing")

    def place(self, value: Any, event: yaml.Event) -> None:
        """Put a finished value where it belongs: into the sequence, as a key, as a key's value."""
        if not self.open:
            self.result.value = value
            return
        parent = self.open[-1]
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif not parent.waiting:
            merge = value == _MERGE and isinstance(event, yaml.ScalarEvent) and not event.style
            parent.key = None if merge else _key(value)
            parent.waiting = True
            if not merge and parent.key in parent.value:
                shown = f'"{value}"' if isinstance(value, str) else parent.key
                line = event.start_mark.line + 1 if event.start_mark else 0
                self.result.duplicates.append(f"line {line}: key {shown} already set in map")
        else:
            if parent.key is None:
                parent.merges += value if isinstance(value, list) else [value]
            else:
                parent.value[parent.key] = value
            parent.waiting = False

    def fill_in(self, done: _Open) -> None:
        """Carry out the merge keys of a mapping: what it has itself wins."""
        for other in done.merges:
            if not isinstance(other, dict):
                raise YAMLError("yaml: map merge requires map or sequence of maps as the value")
            for key, value in other.items():
                done.value.setdefault(key, value)


def _key(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    raise YAMLError("error converting YAML to JSON: unsupported map key")


def _scalar(event: yaml.ScalarEvent) -> Any:
    text: str = event.value
    tag = event.tag
    if tag is None or tag == "!":
        return text if event.style or tag == "!" else _plain(text)
    if not tag.startswith(_STANDARD):
        return text
    match tag.removeprefix(_STANDARD):
        case "str" | "binary" | "timestamp":
            return text
        case kind:
            value = _plain(text)
            if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
                return float(value)
            wanted = {"int": int, "float": float, "bool": bool, "null": type(None)}.get(kind)
            if wanted is None or type(value) is wanted:
                return value
            raise YAMLError(f"yaml: cannot decode !!str `{text}` as a !!{kind}")


def _plain(text: str) -> str | int | float | bool | None:
    try:
        return resolve(text)
    except ValueError as error:
        raise YAMLError(str(error)) from None
