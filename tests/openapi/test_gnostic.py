"""The v2 document in protobuf says what it says in JSON."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from api.scheme import RESOURCES
from apiserver.openapi import Documents, gnostic
from apiserver.protobuf.wire import BYTES, VARINT, varint


def fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a message, as far as they are made here: numbers and what has a length."""
    view, at = memoryview(data), 0
    while at < len(view):
        tag, at = varint(view, at)
        value, at = varint(view, at)
        assert tag & 7 in (BYTES, VARINT)
        if tag & 7 == BYTES:
            yield tag >> 3, bytes(view[at : at + value])
            at += value
        else:
            yield tag >> 3, value


def messages(data: bytes, number: int) -> list[bytes]:
    return [value for found, value in fields(data) if found == number and isinstance(value, bytes)]


def named(data: bytes, number: int) -> dict[str, bytes]:
    """A map: named values, each with its name first."""
    return {messages(each, 1)[0].decode(): messages(each, 2)[0] for each in messages(data, number)}


@pytest.fixture(scope="module")
def documents() -> Documents:
    return Documents(RESOURCES)


def test_the_whole_document(documents: Documents) -> None:
    plain, document = orjson.loads(documents.v2()[0]), documents.v2_protobuf()[0]
    assert messages(document, 1) == [b"2.0"]
    assert list(named(messages(document, 8)[0], 2)) == list(plain["paths"])
    definitions = named(messages(document, 9)[0], 1)
    assert list(definitions) == list(plain["definitions"])
    pod, said = definitions["io.k8s.api.core.v1.Pod"], plain["definitions"]["io.k8s.api.core.v1.Pod"]
    assert messages(pod, 4) == [said["description"].encode()]
    assert list(named(messages(pod, 25)[0], 1)) == list(said["properties"])
    kinds = named(pod, 31)["x-kubernetes-group-version-kind"]
    assert orjson.loads(messages(kinds, 2)[0]) == said["x-kubernetes-group-version-kind"]
    assert documents.v2_protobuf()[1] != documents.v2()[1]


def test_values_of_every_sort() -> None:
    schema = {
        "type": ["string", "null"], "default": ["a", "b"], "enum": ["a", "b"], "maxLength": 300, "uniqueItems": True,
        "additionalProperties": False, "required": ["a"], "items": {"$ref": "#/x"}, "nullable": True,
    }  # fmt: skip
    encoded = messages(gnostic.encode({"definitions": {"X": schema}}), 9)[0]
    found = list(fields(named(encoded, 1)["X"]))
    texts = [payload for number, payload in found if number == 22 and isinstance(payload, bytes)]
    assert [messages(text, 1) for text in texts] == [[b"string"], [b"null"]]
    assert [messages(value, 2) for number, value in found if number == 5 and isinstance(value, bytes)] == [
        [b'["a","b"]']
    ]
    assert [number for number, _ in found].count(20) == 2
    assert (11, 300) in found
    assert (16, 1) in found
    assert [list(fields(value)) for number, value in found if number == 21 and isinstance(value, bytes)] == [[(2, 0)]]


def test_parameters_and_responses() -> None:
    operation = {
        "operationId": "x",
        "parameters": [
            {"in": "body", "name": "body", "schema": {"type": "object"}, "required": True},
            {"in": "query", "name": "limit", "type": "integer"},
            {"in": "path", "name": "name", "type": "string", "required": True},
        ],
        "responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/X"}}},
    }
    paths = messages(gnostic.encode({"paths": {"/a": {"get": operation}}}), 8)[0]
    encoded = messages(named(paths, 2)["/a"], 2)[0]
    body, query, path = (messages(each, 1)[0] for each in messages(encoded, 8))
    assert messages(messages(body, 1)[0], 2) == [b"body"]
    assert messages(messages(messages(query, 2)[0], 3)[0], 4) == [b"limit"]
    assert messages(messages(messages(path, 2)[0], 4)[0], 4) == [b"name"]
    answered = messages(named(messages(encoded, 9)[0], 1)["200"], 1)[0]
    assert messages(answered, 1) == [b"OK"]
