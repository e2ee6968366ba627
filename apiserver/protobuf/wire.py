"""The protobuf wire format, as far as Kubernetes uses it.  To read, fields are cut out of bytes: nothing is copied.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
START_GROUP: Final = 3
END_GROUP: Final = 4
FIXED32: Final = 5

Field: TypeAlias = tuple[int, int, "int | memoryview"]
"""Number, wire type and payload: an int for a varint, a view of the bytes for everything else."""

_LARGEST_FIELD_NUMBER = (1 << 29) - 1
_FIXED = {FIXED64: 8, FIXED32: 4}


class Malformed(ValueError):
    """Bytes that are not what they should be.  The text is for the client."""


def fields(data: memoryview) -> Iterator[Field]:
    """The fields of one message in their order; groups, which Kubernetes never had, are passed over.

    Every length is checked against what is there before anything is made of it, so work and memory are bounded
    by the size of the input.  Raises Malformed.
    """
    at, end = 0, len(data)
    while at < end:
        tag = data[at]
        if tag < 0x80:  # nearly all tags and lengths are of one byte
            at += 1
        else:
            tag, at = varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number <= _LARGEST_FIELD_NUMBER:
            raise Malformed(f"proto: illegal tag {number} (wire type {tag})")
        if wire_type == VARINT:
            value, at = varint(data, at)
            yield number, wire_type, value
        elif wire_type == BYTES and at < end and (length := data[at]) < 0x80 and at + length < end:
            start, at = at + 1, at + 1 + length
            yield number, wire_type, data[start:at]
        elif wire_type == START_GROUP:
            at = _after_group(data, at)
        elif wire_type == END_GROUP:
            raise Malformed("proto: wiretype end group for non-group")
        else:
            start, at = _extent(data, at, wire_type)
            yield number, wire_type, data[start:at]


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """The unsigned 64-bit number at an offset and the offset after it.  Raises Malformed."""
    result = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise Malformed("unexpected EOF")
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & 0xFFFF_FFFF_FFFF_FFFF, at
    raise Malformed("proto: integer overflow")


def signed(value: int, bits: int) -> int:
    """A varint as Go's int32 or int64 takes it: the low bits, in two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def field(number: int, wire_type: int, payload: bytes) -> bytes:
    """One field; for BYTES the length is put before the payload."""
    head = written_varint(number << 3 | wire_type)
    return b"".join((head, written_varint(len(payload)), payload)) if wire_type == BYTES else head + payload


def written_varint(value: int) -> bytes:
    """A number as Go writes int32 and int64: negative ones as 64 bits in two's complement."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _extent(data: memoryview, at: int, wire_type: int) -> tuple[int, int]:
    """Where a payload that is not a varint begins and ends."""
    if wire_type == BYTES:
        length, at = varint(data, at)
        if length >> 63:
            raise Malformed("proto: negative length found during unmarshaling")
    elif wire_type in _FIXED:
        length = _FIXED[wire_type]
    else:
        raise Malformed(f"proto: illegal wireType {wire_type}")
    if length > len(data) - at:
        raise Malformed("unexpected EOF")
    return at, at + length


def _after_group(data: memoryview, at: int) -> int:
    depth = 1
    while depth:
        tag, at = varint(data, at)
        wire_type = tag & 7
        if wire_type == START_GROUP:
            depth += 1
        elif wire_type == END_GROUP:
            depth -= 1
        elif wire_type == VARINT:
            _, at = varint(data, at)
        else:
            _, at = _extent(data, at, wire_type)
    return at
