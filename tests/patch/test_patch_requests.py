"""Patch bodies as they come in, and refusals that name the patch."""

# ruff: noqa: E501  (the messages are compared whole)

from __future__ import annotations

import json
from typing import Any

import pytest

from api.core_v1 import ConfigMap
from api.errors import BadRequest, Invalid, UnsupportedMediaType
from api.schema import schema_of
from apiserver.patch.request import (
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_MERGE_PATCH,
    ApplyRequest,
    PatchRequest,
    patch_type,
)

CURRENT = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"uid": "u", "name": "a"}, "data": {"k": "v"}}


def result(kind: str, body: Any, validation: str = "Warn") -> tuple[Any, list[str]]:
    request = PatchRequest(kind, body.encode() if isinstance(body, str) else json.dumps(body).encode(), validation)
    return request.decode(ConfigMap, request.apply(json.loads(json.dumps(CURRENT)), schema_of(ConfigMap)))


def refusal(kind: str, body: Any, validation: str = "Warn") -> tuple[int, str]:
    with pytest.raises((BadRequest, Invalid)) as error:
        result(kind, body, validation)
    return error.value.http_code, error.value.message


def test_each_format() -> None:
    assert result(JSON_PATCH, [{"op": "add", "path": "/data/l", "value": "w"}])[0].data == {"k": "v", "l": "w"}
    assert result(MERGE_PATCH, {"data": {"k": None}})[0].data == {}
    assert result(STRATEGIC_MERGE_PATCH, {"data": {"$patch": "replace", "l": "w"}})[0].data == {"l": "w"}
    assert result(JSON_PATCH, "null")[0].data == {"k": "v"}
    assert result(STRATEGIC_MERGE_PATCH, "null")[0].data == {"k": "v"}


def test_media_types() -> None:
    assert patch_type("application/merge-patch+json; charset=utf-8") == MERGE_PATCH
    for other in ("", "application/json", "application/apply-patch+json"):
        with pytest.raises(UnsupportedMediaType):
            patch_type(other)


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        (JSON_PATCH, "{}", "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        (JSON_PATCH, '["x"]', "error decoding patch: json: cannot unmarshal string into Go value of type handlers.jsonPatchOp"),
        (JSON_PATCH, '[{"op": 5}]', "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string"),
        (JSON_PATCH, "[{", "error decoding patch: unexpected end of JSON input"),
        (MERGE_PATCH, "[]", "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (MERGE_PATCH, "", "error decoding patch: unexpected end of JSON input"),
        (MERGE_PATCH, "null", "Invalid JSON Patch"),
        (STRATEGIC_MERGE_PATCH, '"x"', "json: cannot unmarshal string into Go value of type map[string]interface {}"),
        (STRATEGIC_MERGE_PATCH, "{", "unexpected end of JSON input"),
    ],
)  # fmt: skip
def test_malformed_patches(kind: str, body: str, message: str) -> None:
    assert refusal(kind, body) == (400, message)


PATCHED = (
    r"""{\"apiVersion\":\"v1\",\"data\":%s,\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\",\"uid\":\"u\"}%s}"""
)


@pytest.mark.parametrize(
    ("kind", "body", "shown", "problem"),
    [
        (MERGE_PATCH, {"data": {"k": 5}}, PATCHED % (r"{\"k\":5}", ""), "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"),
        (MERGE_PATCH, {"nope": 1}, PATCHED % (r"{\"k\":\"v\"}", r",\"nope\":1"), 'strict decoding error: unknown field "nope"'),
        (MERGE_PATCH, '{"data":{"k":"1","k":"2"}}', PATCHED % (r"{\"k\":\"2\"}", ""), 'strict decoding error: duplicate field "data.k"'),
        (JSON_PATCH, [{"op": "test", "path": "/data/k", "value": "v", "nope": 1}], PATCHED % (r"{\"k\":\"v\"}", ""), 'strict decoding error: json patch unknown field "[0].nope"'),
        (STRATEGIC_MERGE_PATCH, {"data": []}, "map[data:[]]", "cannot restore map from slice"),
        (STRATEGIC_MERGE_PATCH, {"metadata": "x"}, "map[metadata:x]", "cannot restore struct from: string"),
        (STRATEGIC_MERGE_PATCH, {"metadata": {"finalizers": {}}}, "map[metadata:map[finalizers:map[]]]", "cannot restore slice from map"),
        (STRATEGIC_MERGE_PATCH, {"data": {"k": 1}}, "map[data:map[k:1]]", "cannot convert int64 to string"),
        (STRATEGIC_MERGE_PATCH, {"nope": 1}, "map[nope:1]", 'strict decoding error: unknown field "nope"'),
    ],
)  # fmt: skip
def test_results_that_are_no_object_of_the_kind(kind: str, body: Any, shown: str, problem: str) -> None:
    assert refusal(kind, body, "Strict") == (422, f' "" is invalid: patch: Invalid value: "{shown}": {problem}')


def test_warnings_and_silence() -> None:
    body = '{"data":{"k":"1","k":"2"},"nope":{}}'
    assert result(MERGE_PATCH, body)[1] == ['duplicate field "data.k"', 'unknown field "nope"']
    assert result(MERGE_PATCH, body, "Ignore")[1] == []


def test_kind_and_version_are_not_for_patching() -> None:
    assert "illegal base64 data at input byte 0" in refusal(MERGE_PATCH, {"kind": "Secret"})[1]
    assert 'no kind "ConfigMap" is registered for version "v2"' in refusal(MERGE_PATCH, {"apiVersion": "v2"})[1]
    assert result(STRATEGIC_MERGE_PATCH, {"kind": "Secret"})[0].kind == "ConfigMap"


def test_apply_configurations() -> None:
    assert ApplyRequest(b"a: 1\n---\nb: 2").applied == {"a": 1}
    assert ApplyRequest(b"a: 1\na: 2").warnings == ['line 2: key "a" already set in map']
    assert ApplyRequest(b"").applied == {}
    with pytest.raises(
        BadRequest, match=r"^error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal"
    ):
        ApplyRequest(b"a: 1\na: 2", "Strict")
    with pytest.raises(BadRequest, match=r"^error decoding YAML: error converting YAML to JSON: yaml: line 1: did not"):
        ApplyRequest(b"a: [\n")
    with pytest.raises(BadRequest, match=r"cannot unmarshal array into Go value of type map"):
        ApplyRequest(b"[]")
    for body, shown in (
        ({"apiVersion": "v1"}, "/v1, Kind="),
        ({"kind": "ConfigMap"}, "/, Kind=ConfigMap"),
        ({"apiVersion": "apps/v1", "kind": "ConfigMap"}, "apps/v1, Kind=ConfigMap"),
    ):
        with pytest.raises(BadRequest) as error:
            ApplyRequest(json.dumps(body).encode()).check("v1", "ConfigMap")
        assert error.value.message == f"invalid object type: {shown}"
