"""What is around every object that Kubernetes writes as protobuf: four magic bytes and a `runtime.Unknown`.

https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from apiserver.protobuf.wire import BYTES, Malformed, field, fields

MEDIA_TYPE: Final = "application/vnd.kubernetes.protobuf"
MAGIC: Final = b"k8s\0"

_TYPE_META, _RAW, _CONTENT_ENCODING, _CONTENT_TYPE = 1, 2, 3, 4
_API_VERSION, _KIND = 1, 2


@dataclass(frozen=True, slots=True)
class Envelope:
    """What an object says it is, and the still encoded object."""

    api_version: str
    kind: str
    raw: memoryview


def unwrap(body: bytes) -> Envelope:
    """Open the envelope.  Raises Malformed."""
    if not body:
        raise Malformed("empty data")
    if not body.startswith(MAGIC):
        prefix = " ".join(str(byte) for byte in MAGIC)
        raise Malformed(f"provided data does not appear to be a protobuf message, expected prefix [{prefix}]")
    if len(body) == len(MAGIC):
        raise Malformed("empty body")
    raw = memoryview(b"")
    named = {_API_VERSION: "", _KIND: ""}
    for number, payload in _messages(memoryview(body)[len(MAGIC) :]):
        if number == _RAW:
            raw = payload
        elif number == _TYPE_META:
            named.update((inner, text(name)) for inner, name in _messages(payload) if inner in named)
    return Envelope(named[_API_VERSION], named[_KIND], raw)


def wrap(api_version: str, kind: str, raw: bytes) -> bytes:
    """Put an encoded object into its envelope."""
    type_meta = field(_API_VERSION, BYTES, api_version.encode()) + field(_KIND, BYTES, kind.encode())
    contents = field(_RAW, BYTES, raw) + field(_CONTENT_ENCODING, BYTES, b"") + field(_CONTENT_TYPE, BYTES, b"")
    return MAGIC + field(_TYPE_META, BYTES, type_meta) + contents


def text(payload: memoryview) -> str:
    """A string.  Raises Malformed for bytes that are not UTF-8."""
    try:
        return str(payload, "utf-8")
    except UnicodeDecodeError:
        raise Malformed("proto: string field contains invalid UTF-8") from None


def _messages(data: memoryview) -> list[tuple[int, memoryview]]:
    found = []
    for number, wire_type, payload in fields(data):
        if isinstance(payload, memoryview) and wire_type == BYTES:
            found.append((number, payload))
        elif number in (_TYPE_META, _RAW):
            raise Malformed(f"proto: wrong wireType = {wire_type} for a field of runtime.Unknown")
    return found
