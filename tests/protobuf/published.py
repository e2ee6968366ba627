"""The field numbers that a Kubernetes program carries: the protobuf descriptors inside a `kubectl` binary.

Go's generated code holds, for every group version, the gzipped FileDescriptorProto of its `generated.proto`
(programs built from 1.35 on no longer do).  It is a source of facts that does not depend on our table.
"""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_GZIP_HEAD = bytes.fromhex("1f8b08 00 00000000 02ff")
_LARGEST = 1 << 20


@dataclass(frozen=True)
class Field:
    name: str
    number: int
    type: str
    """The full name of the message, or the name of the scalar."""
    repeated: bool


Message = tuple[Field, ...]

_SCALARS = {1: "double", 3: "int64", 5: "int32", 8: "bool", 9: "string", 12: "bytes"}


@cache
def messages(binary: Path) -> dict[str, Message]:
    """Every message of k8s.io/api and apimachinery by full name, such as "k8s.io.api.core.v1.Pod"."""
    found: dict[str, Message] = {}
    with binary.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(_GZIP_HEAD)
        while at >= 0:
            text = _unpacked(data[at : at + _LARGEST])
            if b"generated.proto" in text[:200]:
                found.update(_messages(text))
            at = data.find(_GZIP_HEAD, at + 1)
    return found


def _unpacked(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, _LARGEST)
    except zlib.error:
        return b""


def _messages(descriptor: bytes) -> Iterator[tuple[str, Message]]:
    parts = list(_parts(descriptor))
    package = next(value.decode() for number, value in parts if number == 2 and isinstance(value, bytes))
    for number, value in parts:
        if number == 4 and isinstance(value, bytes):
            yield from _message(package, value)


def _message(scope: str, descriptor: bytes) -> Iterator[tuple[str, Message]]:
    parts = [(number, value) for number, value in _parts(descriptor) if isinstance(value, bytes)]
    name = scope + "." + next(value.decode() for number, value in parts if number == 1)
    yield name, tuple(_field(value) for number, value in parts if number == 2)
    for number, value in parts:
        if number == 3:
            yield from _message(name, value)


def _field(descriptor: bytes) -> Field:
    known = dict(_parts(descriptor))
    kind, type_name, name, number = known[5], known.get(6), known[1], known[3]
    assert isinstance(kind, int)
    assert isinstance(name, bytes)
    assert isinstance(number, int)
    type_ = type_name.decode().lstrip(".") if isinstance(type_name, bytes) else _SCALARS[kind]
    return Field(name.decode(), number, type_, known[4] == 3)


def _parts(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value, at = _varint(data, at)
        if tag & 7 == 2:
            yield tag >> 3, data[at : at + value]
            at += value
        else:
            yield tag >> 3, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
        shift += 7
