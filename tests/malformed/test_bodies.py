"""Bodies that hurt parsers, sent to every way of writing every resource."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.apiserver.conftest import ApiServer
from tests.malformed.resources import Resource, served, stored
from tests.malformed.sending import APPLY, JSON, PATCHES, YAML, Sender, applying, sender

PROTOBUF = "application/vnd.kubernetes.protobuf"
DEEP = (60, 250, 260, 500, 1023, 1025, 3_000, 100_000)

PLAIN = [
    b"", b" ", b"{", b"}", b"null", b"[]", b"[{}]", b"{}", b"0", b"-", b"1e999", b"true", b'"x"', b"NaN", b"Infinity",
    b"{}{}", b"{} x", b"{'a': 1}", b'{"a": 1,}', b"\x00", b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b'{"a": "\xff"}',
    b'{"metadata": {"name": "\\ud800"}}', b'{"\\ud800": 1}', b'{"metadata": {"labels": {"\\udfff": "\\ud83d"}}}',
    b'{"metadata": {"name": "a\\u0000b"}}', b'{"metadata": {"name": "\\r\\nX: y"}}', b'{"a\\r\\nb": 1}', b'{"": ""}',
    b'{"metadata": null}', b'{"metadata": []}', b'{"metadata": {"name": 1}}', b'{"metadata": {"name": {}}}',
    b'{"metadata": {"name": "a", "name": "b"}, "metadata": {"name": "c"}}', b'{"kind": 1}', b'{"apiVersion": []}',
    b'{"kind": "Status", "apiVersion": "v1"}', b'{"kind": "\\ud83d\\ude00", "apiVersion": "a/b/c"}',
    b'{"metadata": {"creationTimestamp": "0000-00-00T00:00:00Z"}}', b'{"metadata": {"creationTimestamp": 1e400}}',
    b'{"metadata": {"creationTimestamp": "9999-12-31T23:59:59-23:59"}}', b'{"metadata": {"resourceVersion": "x"}}',
    b'{"metadata": {"creationTimestamp": "0001-01-01T00:00:00+23:59"}}', b'{"metadata": {"uid": "x"}}',
    b'{"metadata": {"generation": 99999999999999999999999999}}', b'{"metadata": {"generation": 1.5}}',
    b'{"metadata": {"generation": -9223372036854775808, "deletionGracePeriodSeconds": 9223372036854775807}}',
    b'{"metadata": {"managedFields": [{}]}}', b'{"metadata": {"managedFields": [null]}}',
    b'{"metadata": {"managedFields": [{"manager": "a", "operation": "Apply", "apiVersion": "v1",'
    b'"fieldsType": "FieldsV1",'
    b'"fieldsV1": {"f:a": {"k:{\\"x\\"": {}}, "v:": 1, "": [], "i:x": {}, "k:{}": {}, "v:{": {}}}]}}',
    b'{"metadata": {"ownerReferences": [null, {}, {"uid": "", "name": "", "kind": "", "apiVersion": ""}]}}',
    b'{"metadata": {"finalizers": [null, "", "a/b/c", "kubernetes"]}}', b'{"metadata": {"generateName": "\\ud83d"}}',
    '{"data": {"a": "İ"}, "binaryData": {"a": "\u2028"}}'.encode(),
    b'{"spec": null, "status": null, "data": null}', b'{"spec": [], "status": 1}', b'{"spec": {"replicas": 1e3}}',
    b'{"status": {"conditions": [null]}}', b'{"spec": {"template": {"spec": {"containers": [null]}}}}',
    b'[{"op": "add", "path": "/metadata/labels/x", "value": 1}]', b'[{"op": "remove", "path": ""}]', b"[null]", b"[[]]",
    b'[{"op": "move", "from": "/metadata", "path": "/metadata/labels"}]', b'[{"op": "copy", "from": "", "path": "/a"}]',
    b'[{"op": "replace", "path": "", "value": null}]', b'[{"op": "test", "path": "/~2", "value": 1}]', b'[{"op": "x"}]',
    b'[{"op": "add", "path": "/metadata/finalizers/-1", "value": 1}]', b'[{"op": "remove", "path": "/metadata"}]',
    b'[{"op": "add", "path": "/metadata/finalizers/99999999999999999999", "value": 1}]', b'[{"path": "/a", "op": 1}]',
    b'[{"op": "add", "path": "/metadata/managedFields/0/fieldsV1/f:metadata", "value": []}]',
    b'{"$patch": "delete"}', b'{"$patch": "x"}', b'{"$patch": 1}', b'{"$retainKeys": 1}',
    b'{"metadata": {"$patch": "replace"}}',
    b'{"$setElementOrder/x": 1}', b'{"$deleteFromPrimitiveList/finalizers": 1, "$setElementOrder/finalizers": [{}]}',
    b'{"metadata": {"$deleteFromPrimitiveList/finalizers": {}, "$setElementOrder/ownerReferences": ["x", 1, null]}}',
    b'{"metadata": {"$retainKeys": [1, null], "ownerReferences": [{"$patch": "delete"}, {"$patch": "merge"}, 1]}}',
    b'{"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": 1}], "containers": [{"name": []}]}}}}',
    b'{"spec": {"containers": [{"name": "main", "$patch": "delete"}, {"$patch": "replace"}], "$retainKeys": ["x"]}}',
    b'{"metadata": {"name": "' + b"a" * 300_000 + b'"}}', b'{"metadata": {"labels": {"' + b"a" * 300_000 + b'": "b"}}}',
    b'{"metadata": {"annotations": {"a": "' + b"b" * 300_000 + b'"}}}', b'{"a": ' + b"9" * 10_000 + b"}",
    b'{"metadata": {"generation": ' + b"9" * 5_000 + b"}}", b'{"metadata": {"generation": 1e' + b"9" * 5_000 + b"}}",
    b"{" + b",".join(b'"%0300d": 1' % number for number in range(500)) + b"}",
]  # fmt: skip

YAMLS = [
    b"a: &a [*a]", b"a: *b", b"- - - -", b"? {a: b}\n: c", b"[1, 2]: 3", b"~: 1", b"1: 2\ntrue: 3\n.nan: 4",
    b"a: !!python/name:os.system",
    b"!!binary x", b"a: !!binary =", b"a: !!timestamp x", b"a: 2001-99-99", b"a: 2001-01-01", b"<<: 1",
    b"<<: [1, {a: b}]", b"--- 1\n--- 2",
    b"%YAML 9.9\n---\na: b", b"\t- x", b"a: 'b", b"a: |9\n b", b"a: 0b12", b"a: 1_000:60", b"a: .inf",
    b"a: -.inf\nb: .nan", b"@", b"`",
    b"a: \"\\ud800\"", b"\"\\udfff\": 1", b"a: \"\\uZZZZ\"", b"\xff\xfea\x00", b"a: \x07",
    b"metadata: {name: 1, labels: [~]}", b"&a a: b\n*a : c",
    b"a: &x [l, l]\nb: &y [*x, *x]\nc: &z [*y, *y]", b"a: 1\na: 2", b"metadata: {name: \"a\\0b\"}",
    b"a: " + b"9" * 6_000, b"a: 0x" + b"f" * 6_000,
    b"".join(b"x%d: &x%d [%s]\n" % (n, n, b", ".join([b"*x%d" % (n - 1)] * 9) if n else b"lol") for n in range(12)),
    b"".join(b"  " * n + b"a:\n" for n in range(400)), b"- " * 5_000, b"a: " + b"&a" * 1_000,
]  # fmt: skip


def nested(depth: int) -> Iterator[bytes]:
    lists, objects = b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth
    yield from (lists, objects)
    for value in (lists, objects):
        yield b'{"nothing": %b}' % value
        yield b'{"metadata": {"annotations": {"a": %b}}}' % value
        yield b'{"metadata": {"managedFields": [{"manager": "x", "operation": "Update", "apiVersion": "v1",' + (
            b'"fieldsType": "FieldsV1", "fieldsV1": {"f:a": %b}}]}}' % value
        )
        yield b'{"spec": {"template": {"spec": {"containers": [%b]}}}}' % value
        yield b'[{"op": "add", "path": "/metadata/labels", "value": %b}]' % value
        yield b'[{"op": "test", "path": "/metadata", "value": %b}]' % value
    yield b"%b" % (b'{"spec":' * depth)
    yield b'{"metadata": {"labels": {"$patch": %b}}}' % objects


@pytest.fixture
def sending(server: ApiServer) -> Iterator[Sender]:
    with sender(server) as connection:
        yield connection


@pytest.fixture
def resources(sending: Sender, namespace: str) -> list[Resource]:
    return served(sending, namespace)


def send_everywhere(sending: Sender, resource: Resource, body: bytes, *types: str) -> None:
    for method, path in resource.targets("x"):
        if method == "PATCH":
            for patch in PATCHES if types == (JSON,) else (APPLY,):
                sending.send(method, applying(path) if patch == APPLY else path, body, patch)
        else:
            for kind in types:
                sending.send(method, path, body, kind)


def named(resources: list[Resource], *names: str) -> list[Resource]:
    found = [resource for resource in resources if str(resource) in names]
    assert len(found) == len(names)
    return found


def test_bodies_that_are_no_object(sending: Sender, resources: list[Resource]) -> None:
    for number, resource in enumerate(resources):
        stored(sending, resource, "x")
        # All of them for some, and for each resource some of them: what parses is the same code for all.
        every = str(resource) in ("v1/configmaps", "apps/v1/deployments", "v1/pods", "v1/services")
        for body in PLAIN if every else PLAIN[number % 40 :: 40]:
            send_everywhere(sending, resource, body, JSON)


def test_yaml(sending: Sender, resources: list[Resource]) -> None:
    for resource in named(resources, "v1/configmaps", "apps/v1/deployments"):
        stored(sending, resource, "x")
        for body in YAMLS:
            send_everywhere(sending, resource, body, YAML)


@pytest.mark.parametrize("depth", DEEP)
def test_deep_nesting(sending: Sender, resources: list[Resource], depth: int) -> None:
    for resource in named(resources, "v1/configmaps", "apps/v1/deployments"):
        stored(sending, resource, "x")
        for body in nested(depth):
            send_everywhere(sending, resource, body, JSON, YAML)


def test_depth_that_is_reached_by_steps(sending: Sender, resources: list[Resource]) -> None:
    (maps,) = named(resources, "v1/configmaps")
    stored(sending, maps, "x")
    inner = json.dumps({"f:" + "a": {}})
    for _ in range(40):
        inner = '{"f:a":' * 50 + inner + "}" * 50
        entry = {"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"}
        body = json.dumps({"metadata": {"managedFields": [{**entry, "fieldsV1": json.loads('{"f:a":{}}')}]}}).encode()
        sending.send("PATCH", maps.item("x"), body, PATCHES[1])
        path = "/metadata/managedFields/0/fieldsV1/f:a"
        deeper = b'[{"op": "add", "path": "%b", "value": %b}]' % (path.encode(), inner.encode())
        sending.send("PATCH", maps.item("x"), deeper, PATCHES[0])
        sending.send("GET", maps.item("x"))


def test_large_bodies(sending: Sender, resources: list[Resource]) -> None:
    for resource in named(resources, "v1/configmaps", "apps/v1/deployments"):
        for body in (b'{"data": {"a": "' + b"x" * 10_000_000 + b'"}}', b"[" * 10_000_000, b" " * 10_000_000):
            for method, path in resource.targets("x"):
                status, _ = sending.send(method, path, body, APPLY if method == "PATCH" else JSON)
                assert status in (400, 413, 422), (method, path)
        full = b'{"metadata": {"name": "full"}, "data": {"a": "' + b"x" * 2_900_000 + b'"}}'
        status, _ = sending.send("POST", f"{resource.path}?fieldValidation=Strict", full)
        assert status in (400, 413, 422)


def test_protobuf_garbage(sending: Sender, resources: list[Resource]) -> None:
    bodies = [
        b"",
        b"k8s\x00",
        b"k8s\x00\xff",
        b"k8s\x00" + b"\x0a\x00" * 1000,
        b"k8s\x00\x12" + b"\xff" * 9 + b"\x01",
        b"k8t\x00",
    ]
    for resource in resources:
        for body in bodies:
            send_everywhere(sending, resource, body, PROTOBUF)
