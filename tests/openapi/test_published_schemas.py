"""Every published schema and operation, compared with what Kubernetes 1.36 publishes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.scheme import RESOURCES
from apiserver.openapi import Documents

REFERENCE = next(
    (
        folder / "shared" / "kubernetes-1.36"
        for folder in Path(__file__).resolve().parents
        if (folder / "shared" / "kubernetes-1.36").is_dir()
    ),
    None,
)
pytestmark = pytest.mark.skipif(
    REFERENCE is None, reason="the reference schemas (../shared/kubernetes-1.36) are not here"
)


def reference(name: str, key: str) -> dict[str, Any]:
    assert REFERENCE is not None
    lines = map(json.loads, (REFERENCE / name).read_text().splitlines())
    return {line.pop(key): line for line in lines}


def published() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    documents = Documents(RESOURCES)
    for name in json.loads(documents.v3_index()[0])["paths"]:
        found = documents.v3(name)
        assert found is not None
        document = json.loads(found[0])
        yield document["components"]["schemas"], document["paths"]


def bare(value: Any) -> Any:
    """A schema without prose; which kinds a type has depends on what is served."""
    if isinstance(value, dict):
        if set(value) <= {"allOf", "description"} and len(value.get("allOf", ())) == 1:
            return value["allOf"][0]  # a reference stands alone where Kubernetes has nothing to say of the field
        return {
            name: sorted(member) if name == "required" and isinstance(member, list) else bare(member)
            for name, member in value.items()
            if not (name == "description" and isinstance(member, str)) and name != "x-kubernetes-group-version-kind"
        }
    return [bare(item) for item in value] if isinstance(value, list) else value


def test_schemas() -> None:
    wanted = reference("schemas.jsonl", "name")
    seen = set()
    for schemas, _ in published():
        for name, schema in schemas.items():
            assert bare(schema) == bare(wanted[name]), name
            seen.add(name)
    assert seen == set(wanted)


def test_operations() -> None:
    wanted = reference("paths.jsonl", "path")
    seen = set()
    for _, paths in published():
        paths.pop("/.well-known/openid-configuration/", None)  # the reference leaves it out
        seen |= set(paths)
        for path, item in paths.items():
            methods = set(item) - {"parameters"}
            assert methods == set(wanted[path]), path
            for method in methods:
                operation = item[method]
                parameters = (*operation.get("parameters", ()), *item.get("parameters", ()))
                names = [each["name"] for each in parameters]
                assert {
                    "operationId": operation["operationId"],
                    "action": operation.get("x-kubernetes-action"),
                    "parameters": sorted(names),
                    "consumes": sorted(operation.get("requestBody", {}).get("content", {})),
                    "produces": sorted(operation["responses"]["200"]["content"]),
                    "responses": sorted(operation["responses"]),
                } == wanted[path][method], f"{method} {path}"
    assert seen == set(wanted)
