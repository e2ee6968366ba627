"""An object on its way into the store for the first time, as JSON: its spec and the rest of it."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import orjson

from api.model import Model
from apiserver.stored import LONGEST_REMEMBERED, shareable

Parts = tuple[frozenset[str] | None, frozenset[str] | None]


class NewObject:
    """Controllers make thousands of objects from one template, whose specs are the same to the byte.  So the spec is
    encoded by itself: what its bytes come to is worked out once.

    Documents share the parsed spec, which nobody changes.
    """

    __slots__ = ("_document", "_parts", "_rest", "_spec")

    def __init__(self, model: type[Model], *, shares: bool = True) -> None:
        """`shares`: whether nobody changes its document."""
        self._parts: Parts = _parts(model) if shares else (None, None)
        self._rest = b""
        self._document: dict[str, Any] = {}
        self._spec: bytes | None = None

    def as_given(self, obj: Any) -> tuple[dict[str, Any], dict[str, bytes]]:
        """What the client has sent, with its defaults: the object without its spec, and that as JSON."""
        spec, rest = self._parts
        self._rest = obj.encode(rest, as_given=True)
        self._document = orjson.loads(self._rest)
        if spec is None:
            return self._document, {}
        encoded: bytes = obj.encode(spec, as_given=True)
        return self._document, {"spec": _value(encoded)} if len(encoded) > 2 else {}

    def spec(self, obj: Any) -> bytes:
        """The spec's JSON within braces, `{"spec":{...}}`; empty braces where there is none.  To be asked for when it
        is complete: it is what is stored."""
        if self._spec is None:
            self._spec = b"{}" if self._parts[0] is None else obj.encode(self._parts[0])
        return self._spec

    def document(self, obj: Any) -> dict[str, Any]:
        """The whole object."""
        encoded = obj.encode(self._parts[1])
        document = self._document if encoded == self._rest else orjson.loads(encoded)
        spec = self.spec(obj)
        parsed = _parsed(spec) if len(spec) <= LONGEST_REMEMBERED else orjson.loads(spec)
        return {"metadata": document["metadata"], **parsed, **document} if parsed else document


def _value(encoded: bytes) -> bytes:
    """The value of an object's only member, spec."""
    return encoded[len(b'{"spec":') : -1]


@cache
def _parts(model: type[Model]) -> Parts:
    """The members that are encoded by themselves, and the others; None for none and for all."""
    if "spec" not in shareable(model):
        return None, None
    return frozenset({"spec"}), frozenset(model.model_fields) - {"spec"}


@lru_cache(maxsize=64)
def _parsed(encoded: bytes) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(encoded)
    return document
