"""Objects are written in protobuf so that reading them gives back their JSON."""

from __future__ import annotations

import struct
from typing import Any

import httpx
import pytest

from api import core_v1, meta_v1
from api.model import Model
from apiserver import protobuf
from apiserver.protobuf import wire
from tests.apiserver.conftest import admin, namespace, server  # noqa: F401
from tests.protobuf.test_objects import KINDS

PROTOBUF = {"Accept": protobuf.MEDIA_TYPE}


def fields(message: memoryview | bytes) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for number, _, payload in wire.fields(memoryview(message)):
        found.setdefault(number, []).append(payload)
    return found


def test_all_built_in_types_can_be_written() -> None:
    assert [model.__name__ for model in KINDS if not protobuf.encodable(model)] == []


def test_a_type_without_numbers_cannot() -> None:
    class Unheard(Model):
        metadata: meta_v1.ObjectMeta

    Unheard.__module__ = "api.core_v1"
    assert not protobuf.encodable(Unheard)
    with pytest.raises(LookupError):
        protobuf.encode({"kind": "Unheard", "apiVersion": "v1"})


def test_an_object_over_http(admin: httpx.Client, namespace: str) -> None:  # noqa: F811
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    created = admin.post(path, json={"metadata": {"name": "a"}, "data": {"k": "v"}}).json()
    answer = admin.get(f"{path}/a", headers=PROTOBUF)
    assert answer.headers["content-type"] == protobuf.MEDIA_TYPE
    envelope = protobuf.unwrap(answer.content)
    assert (envelope.api_version, envelope.kind) == ("v1", "ConfigMap")
    shown = {
        "kind": envelope.kind,
        "apiVersion": envelope.api_version,
        **protobuf.read(core_v1.ConfigMap, envelope.raw),
    }
    assert shown == created


def test_lists_metadata_and_refusals(admin: httpx.Client, namespace: str) -> None:  # noqa: F811
    path = f"/api/v1/namespaces/{namespace}/secrets"
    for name in ("a", "b"):
        admin.post(path, json={"metadata": {"name": name}})
    listed = protobuf.unwrap(admin.get(path, headers=PROTOBUF).content)
    assert listed.kind == "SecretList"
    items = [protobuf.read(core_v1.Secret, item)["metadata"]["name"] for item in fields(listed.raw)[2]]
    assert items == ["a", "b"]
    metadata = {"Accept": f"{protobuf.MEDIA_TYPE};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
    partial = protobuf.unwrap(admin.get(f"{path}/a", headers=metadata).content)
    assert partial.kind == "PartialObjectMetadata"
    assert protobuf.read(meta_v1.ObjectMeta, fields(partial.raw)[1][0])["name"] == "a"
    refused = admin.get(f"{path}/c", headers=PROTOBUF)
    assert refused.status_code == 404
    assert protobuf.read(meta_v1.Status, protobuf.unwrap(refused.content).raw)["reason"] == "NotFound"


def test_a_table_has_no_such_form(admin: httpx.Client, namespace: str) -> None:  # noqa: F811
    path = f"/api/v1/namespaces/{namespace}/secrets"
    table = f"{protobuf.MEDIA_TYPE};as=Table;g=meta.k8s.io;v=v1"
    assert admin.get(path, headers={"Accept": table}).status_code == 406
    either = admin.get(path, headers={"Accept": f"{table},application/json"})
    assert either.json()["kind"] == "SecretList"


def test_a_watch_is_frames_of_events(admin: httpx.Client, namespace: str) -> None:  # noqa: F811
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    created = admin.post(path, json={"metadata": {"name": "a"}}).json()
    admin.delete(f"{path}/a")
    query = {"watch": "1", "timeoutSeconds": "1", "resourceVersion": created["metadata"]["resourceVersion"]}
    answer = admin.get(path, params=query, headers=PROTOBUF)
    assert answer.headers["content-type"] == f"{protobuf.MEDIA_TYPE};stream=watch"
    (length,) = struct.unpack(">I", answer.content[:4])
    assert len(answer.content) == 4 + length
    event = fields(answer.content[4:])
    assert bytes(event[1][0]) == b"DELETED"
    envelope = protobuf.unwrap(bytes(fields(event[2][0])[1][0]))
    assert protobuf.read(core_v1.ConfigMap, envelope.raw)["metadata"]["name"] == "a"
