"""Bytes that are no object are refused, at once and with a reason."""

from __future__ import annotations

import base64
import contextlib
import random
from typing import Any

import pytest

from api.core_v1 import ConfigMap, Pod, PodSpec, Secret
from api.errors import BadRequest
from api.meta_v1 import ManagedFieldsEntry, ObjectMeta
from api.model import Model
from apiserver import protobuf
from apiserver.decoding import decode_request
from apiserver.protobuf.tables import TABLES
from tests.protobuf.encoding import enveloped, tagged, varint
from tests.protobuf.test_objects import RECORDED, model_of

HUGE = varint(1 << 3 | 2) + varint((1 << 63) - 1)
NEGATIVE = varint(1 << 3 | 2) + varint(-1)


def refused(model: type[Model], body: bytes) -> str:
    with pytest.raises(BadRequest) as caught:
        decode_request(model, body, protobuf.MEDIA_TYPE)
    return str(caught.value)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty data"),
        (b"k8s", "expected prefix [107 56 115 0]"),
        (b'{"kind": "ConfigMap"}', "expected prefix [107 56 115 0]"),
        (b"k8s\0", "empty body"),
        (b"k8s\0" + HUGE, "unexpected EOF"),
        (b"k8s\0" + NEGATIVE, "negative length"),
        (b"k8s\0" + tagged(2, 5), "wrong wireType = 0"),
        (b"k8s\0" + tagged(1, tagged(1, b"\xff")), "UTF-8"),
    ],
)
def test_no_envelope(body: bytes, reason: str) -> None:
    message = refused(ConfigMap, body)
    assert message.startswith("the object provided is unrecognized (must be of type ConfigMap): ")
    assert reason in message


@pytest.mark.parametrize(
    ("model", "message", "reason"),
    [
        (ConfigMap, HUGE, "unexpected EOF"),
        (ConfigMap, NEGATIVE, "proto: negative length found during unmarshaling"),
        (ConfigMap, b"\xff" * 9, "unexpected EOF"),
        (ConfigMap, b"\xff" * 11, "proto: integer overflow"),
        (ConfigMap, varint(0 << 3 | 2) + b"\0", "proto: illegal tag 0"),
        (ConfigMap, varint(1 << 40), "proto: illegal tag"),
        (ConfigMap, varint(1 << 3 | 4), "proto: wiretype end group for non-group"),
        (ConfigMap, varint(1 << 3 | 6), "proto: illegal wireType 6"),
        (ConfigMap, varint(1 << 3 | 7), "proto: illegal wireType 7"),
        (ConfigMap, varint(9 << 3 | 5) + b"abc", "unexpected EOF"),
        (ConfigMap, varint(9 << 3 | 3) * 50_000, "unexpected EOF"),
        (ConfigMap, tagged(1, 1), "proto: wrong wireType = 0 for field Metadata"),
        (ConfigMap, tagged(2, 1), "proto: wrong wireType = 0 for field Data"),
        (ConfigMap, tagged(2, tagged(2, 1)), "proto: wrong wireType = 0 for field Data"),
        (ConfigMap, tagged(2, tagged(2, b"\xc3\x28")), "UTF-8"),
        (Secret, tagged(2, tagged(1, b"\xff")), "UTF-8"),
        (PodSpec, tagged(4, b"1"), "proto: wrong wireType = 2 for field TerminationGracePeriodSeconds"),
        (PodSpec, tagged(32, tagged(1, b"cpu") + tagged(2, tagged(1, b"lots"))), "quantit"),
        (ObjectMeta, tagged(8, tagged(1, 1 << 50)), "year"),
        (ManagedFieldsEntry, tagged(7, tagged(1, b"{")), "fieldsV1"),
        (ManagedFieldsEntry, tagged(7, tagged(1, b"[" * 100_000)), "fieldsV1"),
        (ManagedFieldsEntry, tagged(7, tagged(1, b"3")), "fieldsV1"),
    ],
)
def test_no_object(model: type[Model], message: bytes, reason: str) -> None:
    body = enveloped("", "", message)
    complaint = refused(model, body)
    assert f"cannot be handled as a {model.__name__}: " in complaint
    assert reason.lower() in complaint.lower()


def test_another_kind_than_the_url_says() -> None:
    assert "cannot be handled as a Pod" in refused(Pod, enveloped("v1", "ConfigMap", b""))


@pytest.mark.parametrize("arguments", RECORDED)
def test_a_body_that_was_cut_off(arguments: str) -> None:
    body, model = recorded(arguments)
    for end in range(len(body)):
        decode_or_refuse(model, body[:end])


@pytest.mark.parametrize("arguments", RECORDED)
def test_a_body_with_wrong_bytes_in_it(arguments: str) -> None:
    body, model = recorded(arguments)
    chance = random.Random(arguments)
    for _ in range(200):
        damaged = bytearray(body)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(4, len(body))] = chance.randrange(256)
        decode_or_refuse(model, bytes(damaged))


def test_messages_nested_too_deeply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLES, "protobuf", "Tree: name children")
    message = b""
    for _ in range(90):
        message = tagged(2, message)
    assert Tree.from_dict(protobuf.read(Tree, memoryview(message))).children
    for _ in range(20):
        message = tagged(2, message)
    with pytest.raises(protobuf.Malformed, match="exceeded max depth"):
        protobuf.read(Tree, memoryview(message))


class Tree(Model):
    """A type that holds itself, as schemas of custom resources do."""

    name: str = ""
    children: list[Tree] = []


def recorded(arguments: str) -> tuple[bytes, Any]:
    return base64.b64decode(RECORDED[arguments]["body"]), model_of(RECORDED[arguments]["object"]["kind"])


def decode_or_refuse(model: type[Model], body: bytes) -> None:
    with contextlib.suppress(BadRequest):
        decode_request(model, body, protobuf.MEDIA_TYPE)
