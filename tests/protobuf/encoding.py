"""An encoder that knows Kubernetes' messages from Kubernetes' own descriptors, and nothing of ours.

Like Go's, it writes fields in the order of their numbers; unlike Go's, it leaves out what is not given.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tests.protobuf.published import Field, Message

META, RESOURCE = "k8s.io.apimachinery.pkg.apis.meta.v1.", "k8s.io.apimachinery.pkg.api.resource."
EMBEDDED = {"volumeSource", "persistentVolumeSource", "handler", "localObjectReference", "ephemeralContainerCommon"}
"""Go structs without a name of their own in JSON."""
RAW = {META + "FieldsV1", "k8s.io.apimachinery.pkg.runtime.RawExtension"}


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def tagged(number: int, payload: bytes | int) -> bytes:
    """A field: a varint for a number, a length and bytes for bytes."""
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def enveloped(api_version: str, kind: str, raw: bytes) -> bytes:
    type_meta = tagged(1, api_version.encode()) + tagged(2, kind.encode())
    return b"k8s\0" + tagged(1, type_meta) + tagged(2, raw) + tagged(3, b"") + tagged(4, b"")


class Encoder:
    def __init__(self, messages: dict[str, Message]) -> None:
        self.messages = messages

    def encode(self, name: str, document: dict[str, Any]) -> bytes:
        """A JSON-shaped document as the message of that full name."""
        return b"".join(b"".join(self._field(name, field, document)) for field in self.messages[name])

    def _field(self, owner: str, field: Field, document: dict[str, Any]) -> Iterator[bytes]:
        if field.name in EMBEDDED and field.type in self.messages:
            inner = self.encode(field.type, document)
            if inner:
                yield tagged(field.number, inner)
            return
        name = {"uID": "uid"}.get(field.name, field.name)
        if name not in document:
            return
        value = document[name]
        if field.type.startswith(owner + "."):  # a map's entries
            key, content = self.messages[field.type]
            for entry in value.items():
                yield tagged(field.number, self._one(key, entry[0]) + (self._one(content, entry[1])))
        elif field.repeated:
            for item in value:
                yield self._one(field, item)
        else:
            yield self._one(field, value)

    def _one(self, field: Field, value: Any) -> bytes:
        match field.type:
            case "string":
                return tagged(field.number, value.encode())
            case "bytes":
                return tagged(field.number, base64.b64decode(value))
            case "int32" | "int64" | "bool":
                return tagged(field.number, int(value))
            case "double":
                return varint(field.number << 3 | 1) + struct.pack("<d", value)
        return tagged(field.number, self._message(field.type, value))

    def _message(self, name: str, value: Any) -> bytes:
        if name == RESOURCE + "Quantity":
            return tagged(1, value.encode())
        if name.endswith(".intstr.IntOrString"):
            text = isinstance(value, str)
            return tagged(1, int(text)) + tagged(2, 0 if text else value) + tagged(3, value.encode() if text else b"")
        if name in (META + "Time", META + "MicroTime"):
            moment = datetime.fromisoformat(value).astimezone(UTC)
            whole = moment.replace(microsecond=0)
            return tagged(1, int(whole.timestamp())) + tagged(2, moment.microsecond * 1000)
        if name in RAW:
            return tagged(1, json.dumps(value).encode())
        if isinstance(value, list):  # a named slice
            (items,) = self.messages[name]
            return b"".join(self._one(items, item) for item in value)
        return self.encode(name, value)
