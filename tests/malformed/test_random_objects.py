"""Objects made by chance, created, replaced, patched and applied: refused or taken, never a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.apiserver.conftest import ApiServer
from tests.malformed.random_objects import Maker
from tests.malformed.resources import NAMED_BY_CONTENT, Object, Resource, served, stored
from tests.malformed.sending import APPLY, JSON, JSON_PATCH, MERGE_PATCH, PATCHES, STRATEGIC, Sender, applying, sender

OBJECTS_IN_ALL = 250  # for each way of making them: more kinds do not take more time


def rounds(resources: list[Resource]) -> int:
    """How many objects each resource gets."""
    return max(4, OBJECTS_IN_ALL // len(resources))


@pytest.fixture
def sending(server: ApiServer) -> Iterator[Sender]:
    with sender(server) as connection:
        yield connection


@pytest.fixture
def resources(sending: Sender, namespace: str) -> list[Resource]:
    return served(sending, namespace)


@pytest.fixture
def schemas(sending: Sender) -> dict[str, Object]:
    """All that are published, by their names."""
    found: dict[str, Object] = {}
    for group in sending.get("/openapi/v3")["paths"].values():
        document = sending.get(group["serverRelativeURL"])
        found |= document.get("components", {}).get("schemas", {})
    return found


def schema_of(resource: Resource, schemas: dict[str, Object]) -> Object:
    group, _, version = resource.api_version.rpartition("/")
    wanted = {"group": group, "version": version, "kind": resource.kind}
    for schema in schemas.values():
        if wanted in schema.get("x-kubernetes-group-version-kind", ()):
            return schema
    raise AssertionError(f"{resource} has no schema")


def write(sending: Sender, method: str, path: str, document: Any, kind: str = JSON) -> None:
    sending.send(method, applying(path) if kind == APPLY else path, json.dumps(document).encode(), kind)


def test_every_kind_can_be_made(sending: Sender, resources: list[Resource]) -> None:
    """Else what follows would test little: a new kind belongs into the table of what an object must have."""
    for resource in resources:
        if {"create", "get"} <= resource.verbs and resource.kind not in NAMED_BY_CONTENT:
            assert stored(sending, resource, "seed"), resource


def test_what_schemas_allow(sending: Sender, resources: list[Resource], schemas: dict[str, Object]) -> None:
    for resource in resources:
        schema, maker = schema_of(resource, schemas), Maker(str(resource), schemas)
        for number in range(rounds(resources)):
            made = maker.of_schema(schema, density=0.15 + 0.05 * (number % 8))
            if not isinstance(made, dict):
                continue
            made = {**made, "apiVersion": resource.api_version, "kind": resource.kind}
            metadata = made["metadata"] if isinstance(made.get("metadata"), dict) else {}
            made["metadata"] = {**metadata, "name": f"made-{number}", "namespace": resource.namespace}
            metadata.pop("resourceVersion", None)
            if number % 2:
                made["metadata"] = {"name": f"made-{number}"}
            for method, path in resource.targets(f"made-{number}"):
                for kind in PATCHES[1:] if method == "PATCH" else (JSON,):
                    write(sending, method, path, made, kind)


def test_damaged_objects(sending: Sender, resources: list[Resource], schemas: dict[str, Object]) -> None:
    for resource in resources:
        schema, maker = schema_of(resource, schemas), Maker(f"damaged {resource}", schemas)
        for number in range(rounds(resources) * 2):
            live = stored(sending, resource, "seed") or resource.valid("seed")
            live["metadata"].pop("resourceVersion", None)
            base = live if number % 2 else resource.valid("seed")
            damaged = maker.damaged(base, schema)
            for method, path in resource.targets("seed"):
                kinds = (MERGE_PATCH, STRATEGIC, APPLY) if method == "PATCH" else (JSON,)
                for kind in kinds:
                    write(sending, method, path, damaged, kind)


def test_json_patches(sending: Sender, resources: list[Resource]) -> None:
    for resource in resources:
        maker, live = Maker(f"patches {resource}"), stored(sending, resource, "seed")
        places = ["", "/", "/metadata", *(f"/{name}" for name in live or ())]
        places += [
            f"/{name}/{inner}" for name, value in (live or {}).items() if isinstance(value, dict) for inner in value
        ]
        for _ in range(rounds(resources) * 2):
            patch = [
                {
                    "op": maker.chance.choice(("add", "replace", "remove", "move", "copy", "test", "merge")),
                    "path": maker.chance.choice(places) + maker.chance.choice(("", "", "/-", "/0", "/x", "/~1", "/1")),
                    "from": maker.chance.choice(places),
                    "value": maker.anything(2),
                }
                for _ in range(maker.chance.randint(1, 3))
            ]
            for method, path in resource.targets("seed"):
                if method == "PATCH":
                    write(sending, method, path, patch, JSON_PATCH)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("metadata", "spec", "status", "data", "$patch", "kind", "apiVersion"), ANY_JSON)
)


def test_any_json(sending: Sender, resources: list[Resource]) -> None:
    targets = [
        (method, path, kind)
        for resource in resources
        for method, path in resource.targets("seed")
        for kind in (PATCHES if method == "PATCH" else (JSON,))
    ]

    @hypothesis.settings(max_examples=600, derandomize=True, database=None, deadline=None)
    @hypothesis.given(document=OBJECTS | ANY_JSON, target=st.sampled_from(targets))
    def never_fails(document: Any, target: tuple[str, str, str]) -> None:
        write(sending, target[0], target[1], document, target[2])
        assert not sending.failures, sending.failures.pop()

    never_fails()


def test_the_lists_still_stand(sending: Sender, resources: list[Resource]) -> None:
    """Whatever has been stored by the tests before can be read, as objects and as tables."""
    for resource in resources:
        if "list" in resource.verbs:
            collection = (
                resource.path.replace(f"/namespaces/{resource.namespace}", "") if resource.namespace else resource.path
            )
            assert sending.get(collection)["items"] is not None
            for form in ("Table", "PartialObjectMetadataList"):
                status, _ = sending.send(
                    "GET", collection, accept=f"application/json;as={form};v=v1;g=meta.k8s.io,application/json"
                )
                assert status == 200
