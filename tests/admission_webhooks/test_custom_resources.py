"""Custom objects before webhooks: they are told of them, and change them, like of any others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.admission_webhooks.conftest import Configurations
from tests.apiserver.conftest import Watch
from tests.webhook_server import WebhookServer, deny, patch

GROUP = "hooks.example.com"
MERGE = {"Content-Type": "application/merge-patch+json"}
RULE = {"apiGroups": [GROUP], "apiVersions": ["v1"], "operations": ["*"], "resources": ["*/*"]}


def version(name: str, storage: bool) -> dict[str, Any]:
    integer, text = {"type": "integer"}, {"type": "string"}
    spec = {"size": integer, "color": {**text, "default": "blue"}, "note": text}
    properties = {
        "spec": {"type": "object", "properties": {**spec, "replicas": integer}},
        "status": {"type": "object", "properties": {"phase": text, "replicas": integer}},
    }
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
        },
    }


@pytest.fixture(scope="module", name="things")
def _things(server: Any) -> Iterator[str]:
    """The plural of a kind in v1 and v2, which is served."""
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": names,
            "versions": [version("v1", True), version("v2", False)],
        },
    }
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    with server.client() as admin:
        admin.post(path, json=definition).raise_for_status()
        watch = Watch(admin, path, fieldSelector=f"metadata.name=things.{GROUP}")
        while not any(
            each["type"] == "Established" and each["status"] == "True"
            for each in watch.next()["object"]["status"]["conditions"] or []
        ):
            pass
        watch.close()
        yield "things"
        admin.delete(f"{path}/things.{GROUP}").raise_for_status()


def path(namespace: str, things: str, name: str = "", in_version: str = "v1") -> str:
    return f"/apis/{GROUP}/{in_version}/namespaces/{namespace}/{things}" + (f"/{name}" if name else "")


def thing(name: str = "a", in_version: str = "v1", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/{in_version}", "kind": "Thing", "metadata": {"name": name}, "spec": spec}


def test_a_create_is_shown_and_changed(
    admin: httpx.Client, namespace: str, things: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    operations = [
        {"op": "add", "path": "/spec/note", "value": "changed"},
        {"op": "remove", "path": "/spec/color"},
        {"op": "add", "path": "/spec/unknown", "value": 1},
        {"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}},
    ]
    webhook.answer = lambda review: patch(review, *operations)
    configurations.mutating(configurations.hook(rules=[RULE]))
    made = admin.post(path(namespace, things), json=thing(size=1))
    assert made.status_code == 201, made.text
    (request,) = webhook.requests
    assert request["kind"] == {"group": GROUP, "version": "v1", "kind": "Thing"}
    assert request["object"]["spec"] == {"size": 1, "color": "blue"}
    assert made.json()["spec"] == {"size": 1, "color": "blue", "note": "changed"}
    assert made.json()["metadata"]["labels"] == {"seen": "yes"}
    assert admin.get(path(namespace, things, "a")).json() == made.json()


def test_an_update_and_a_status(
    admin: httpx.Client, namespace: str, things: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    admin.post(path(namespace, things), json=thing(size=1)).raise_for_status()
    webhook.answer = lambda review: patch(review, {"op": "add", "path": "/spec/note", "value": "changed"})
    configurations.mutating(configurations.hook(rules=[RULE]))
    changed = admin.patch(path(namespace, things, "a"), json={"spec": {"size": 2}}, headers=MERGE).json()
    assert changed["spec"] == {"size": 2, "color": "blue", "note": "changed"}
    assert changed["metadata"]["generation"] == 2
    status = f"{path(namespace, things, 'a')}/status"
    webhook.answer = lambda review: patch(
        review,
        {"op": "add", "path": "/status/phase", "value": "Changed"},
        {"op": "replace", "path": "/spec/size", "value": 9},
    )
    live = admin.patch(status, json={"status": {"replicas": 1}}, headers=MERGE).json()
    assert (live["status"], live["spec"]["size"]) == ({"replicas": 1, "phase": "Changed"}, 2)
    old = webhook.requests[-1]["oldObject"]
    assert (old["kind"], old["spec"]["note"]) == ("Thing", "changed")


def test_a_scale(
    admin: httpx.Client, namespace: str, things: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    admin.post(path(namespace, things), json=thing(replicas=1)).raise_for_status()
    webhook.answer = lambda review: patch(review, {"op": "replace", "path": "/spec/replicas", "value": 2})
    configurations.mutating(configurations.hook(rules=[RULE]))
    scale = f"{path(namespace, things, 'a')}/scale"
    answer = admin.patch(scale, json={"spec": {"replicas": 5}}, headers=MERGE)
    assert answer.json()["spec"] == {"replicas": 2}, answer.text
    assert webhook.requests[0]["object"]["spec"] == {"replicas": 5}
    assert admin.get(path(namespace, things, "a")).json()["spec"]["replicas"] == 2


def test_in_another_version(
    admin: httpx.Client, namespace: str, things: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    webhook.answer = lambda review: patch(review, {"op": "add", "path": "/spec/note", "value": "changed"})
    configurations.mutating(configurations.hook(rules=[RULE]))
    made = admin.post(path(namespace, things, in_version="v2"), json=thing(in_version="v2", size=1))
    assert made.status_code == 201, made.text
    (request,) = webhook.requests
    assert (request["kind"]["version"], request["requestKind"]["version"]) == ("v1", "v2")
    assert request["object"]["apiVersion"] == f"{GROUP}/v1"
    assert (made.json()["apiVersion"], made.json()["spec"]["note"]) == (f"{GROUP}/v2", "changed")


def test_the_result_must_be_valid(
    admin: httpx.Client, namespace: str, things: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    webhook.answer = lambda review: patch(review, {"op": "add", "path": "/spec/size", "value": "large"})
    configurations.mutating(configurations.hook(rules=[RULE]))
    answer = admin.post(path(namespace, things), json=thing(size=1))
    assert answer.status_code == 422
    assert "spec.size: Invalid value" in answer.json()["message"]


def test_refusals(
    admin: httpx.Client, namespace: str, things: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    admin.post(path(namespace, things), json=thing()).raise_for_status()
    webhook.answer = lambda review: deny(review, message="no")
    configurations.validating(configurations.hook(rules=[RULE], matchPolicy="Exact"))
    assert admin.delete(path(namespace, things, "a")).json()["message"].endswith("denied the request: no")
    assert admin.delete(path(namespace, things, "a", "v2")).status_code == 200
