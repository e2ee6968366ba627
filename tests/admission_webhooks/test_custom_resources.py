"""Custom objects before webhooks: they are told of them, and change them, like of any others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.admission_webhooks.conftest import Configurations
from tests.apiserver.conftest import ApiServer
from tests.custom_resources.conftest import DEFINITIONS, MERGE, definition, holds, until, version
from tests.custom_resources.test_conversion import converted, v2
from tests.webhook_server import WebhookServer, allow, deny, patch, serving

GROUP = "hooks.example.com"
RULE = {"apiGroups": [GROUP], "apiVersions": ["v1"], "operations": ["*"], "resources": ["*/*"]}


PARTS = {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}}


@pytest.fixture(scope="module", name="things")
def _things(server: ApiServer) -> Iterator[str]:
    """The plural of a kind in v1 and v2, which is served."""
    versions = version("v1", subresources=PARTS), version("v2", storage=False, subresources=PARTS)
    document = definition(GROUP, *versions)
    path = f"{DEFINITIONS}/{document['metadata']['name']}"
    with server.client() as admin:
        admin.post(DEFINITIONS, json=document).raise_for_status()
        until(lambda: holds(admin.get(path).json(), "Established") == "True")
        yield "widgets"
        undefine(admin, path)


def undefine(admin: httpx.Client, path: str) -> None:
    """The server writes until the definition is gone: webhooks of the next test are to hear nothing of it."""
    admin.delete(path).raise_for_status()
    until(lambda: admin.get(path).status_code == 404)


def path(namespace: str, things: str, name: str = "", in_version: str = "v1") -> str:
    return f"/apis/{GROUP}/{in_version}/namespaces/{namespace}/{things}" + (f"/{name}" if name else "")


def thing(name: str = "a", in_version: str = "v1", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/{in_version}", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


def test_a_create_is_shown_and_changed(
    admin: httpx.Client, namespace: str, things: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    operations = [
        {"op": "add", "path": "/spec/tags", "value": ["changed"]},
        {"op": "remove", "path": "/spec/color"},
        {"op": "add", "path": "/spec/unknown", "value": 1},
        {"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}},
    ]
    webhook.answer = lambda review: patch(review, *operations)
    configurations.mutating(configurations.hook(rules=[RULE]))
    made = admin.post(path(namespace, things), json=thing(size=1))
    assert made.status_code == 201, made.text
    (request,) = webhook.requests
    assert request["kind"] == {"group": GROUP, "version": "v1", "kind": "Widget"}
    assert request["object"]["spec"] == {"size": 1, "color": "red"}
    assert made.json()["spec"] == {"size": 1, "color": "red", "tags": ["changed"]}
    assert made.json()["metadata"]["labels"] == {"seen": "yes"}
    assert admin.get(path(namespace, things, "a")).json() == made.json()


def test_an_update_and_a_status(
    admin: httpx.Client, namespace: str, things: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    admin.post(path(namespace, things), json=thing(size=1)).raise_for_status()
    webhook.answer = lambda review: patch(review, {"op": "add", "path": "/spec/tags", "value": ["changed"]})
    configurations.mutating(configurations.hook(rules=[RULE]))
    changed = admin.patch(path(namespace, things, "a"), json={"spec": {"size": 2}}, headers=MERGE).json()
    assert changed["spec"] == {"size": 2, "color": "red", "tags": ["changed"]}
    assert changed["metadata"]["generation"] == 2
    status = f"{path(namespace, things, 'a')}/status"
    webhook.answer = lambda review: patch(
        review,
        {"op": "add", "path": "/status/since", "value": "Changed"},
        {"op": "replace", "path": "/spec/size", "value": 9},
    )
    live = admin.patch(status, json={"status": {"replicas": 1}}, headers=MERGE).json()
    assert (live["status"], live["spec"]["size"]) == ({"replicas": 1, "since": "Changed"}, 2)
    old = webhook.requests[-1]["oldObject"]
    assert (old["kind"], old["spec"]["tags"]) == ("Widget", ["changed"])


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
    webhook.answer = lambda review: patch(review, {"op": "add", "path": "/spec/tags", "value": ["changed"]})
    configurations.mutating(configurations.hook(rules=[RULE]))
    made = admin.post(path(namespace, things, in_version="v2"), json=thing(in_version="v2", size=1))
    assert made.status_code == 201, made.text
    (request,) = webhook.requests
    assert (request["kind"]["version"], request["requestKind"]["version"]) == ("v1", "v2")
    assert request["object"]["apiVersion"] == f"{GROUP}/v1"
    assert (made.json()["apiVersion"], made.json()["spec"]["tags"]) == (f"{GROUP}/v2", ["changed"])


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


def test_in_a_version_that_another_webhook_converts_to(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations, tmp_path: Path
) -> None:
    group = f"{namespace}.example.com"
    with serving(tmp_path / "ca", converted) as converter:
        client = {"url": converter.url, "caBundle": converter.ca_bundle}
        conversion = {"clientConfig": client, "conversionReviewVersions": ["v1"]}
        document = definition(group, version(), v2(), conversion={"strategy": "Webhook", "webhook": conversion})
        admin.post(DEFINITIONS, json=document).raise_for_status()
        defined = f"{DEFINITIONS}/{document['metadata']['name']}"
        until(lambda: holds(admin.get(defined).json(), "Established") == "True")
        path = f"/apis/{group}/v1/namespaces/{namespace}/widgets"
        until(lambda: admin.get(path).status_code == 200)

        webhook.answer = lambda review: patch(review, {"op": "replace", "path": "/spec/length", "value": "7m"})
        rule = {**RULE, "apiGroups": [group], "apiVersions": ["v2"], "operations": ["CREATE", "UPDATE"]}
        configurations.mutating(configurations.hook(rules=[rule]))
        widget = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": {"size": 3}}
        made = admin.post(path, json=widget)
        assert made.status_code == 201, made.text
        assert made.json()["spec"]["size"] == 7
        changed = admin.patch(f"{path}/a", json={"spec": {"size": 4}}, headers=MERGE)
        assert changed.json()["spec"]["size"] == 7
        first, second = webhook.requests
        assert (first["object"]["apiVersion"], first["object"]["spec"]["length"]) == (f"{group}/v2", "3m")
        assert (second["object"]["spec"]["length"], second["oldObject"]["spec"]["length"]) == ("4m", "7m")

        converter.answer = lambda review: (500, b"broken")
        refused = admin.patch(f"{path}/a", json={"spec": {"size": 5}}, headers=MERGE)
        assert refused.status_code == 500
        assert refused.json()["message"].startswith("Internal error occurred: conversion webhook for ")
        converter.answer = converted
        undefine(admin, defined)


def test_what_a_webhook_held_back_goes_with_its_kind(
    server: ApiServer,
    admin: httpx.Client,
    namespace: str,
    webhook: WebhookServer,
    configurations: Configurations,
) -> None:
    """A kind goes when its objects have gone, those too that were let in before and stored after it began to go."""
    group = f"{namespace}.example.com"
    document = definition(group)
    defined = f"{DEFINITIONS}/{document['metadata']['name']}"
    admin.post(DEFINITIONS, json=document).raise_for_status()
    until(lambda: holds(admin.get(defined).json(), "Established") == "True")
    path = f"/apis/{group}/v1/namespaces/{namespace}/widgets"
    widget = {"apiVersion": f"{group}/v1", "kind": "Widget", "spec": {}}
    held = {**widget, "metadata": {"name": "held", "finalizers": ["example.com/hold"]}}
    admin.post(path, json=held).raise_for_status()

    def answer(review: dict[str, Any]) -> dict[str, Any]:
        with server.client() as other:
            other.delete(defined).raise_for_status()
            until(lambda: "deletionTimestamp" in other.get(f"{path}/held").json()["metadata"])
        return allow(review)

    webhook.answer = answer
    configurations.validating(configurations.hook(rules=[{**RULE, "apiGroups": [group], "operations": ["CREATE"]}]))
    admin.post(path, json={**widget, "metadata": {"name": "late"}}).raise_for_status()
    admin.patch(f"{path}/held", json={"metadata": {"finalizers": None}}, headers=MERGE).raise_for_status()
    until(lambda: admin.get(defined).status_code == 404)


def test_a_definition_whose_status_was_refused_is_served_in_the_end(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    document = definition(f"{namespace}.example.com")
    defined = f"{DEFINITIONS}/{document['metadata']['name']}"
    rule = {**RULE, "apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions/status"]}
    webhook.answer = lambda review: deny(review, message="not yet")
    configurations.validating(configurations.hook(rules=[rule]))
    admin.post(DEFINITIONS, json=document).raise_for_status()
    until(lambda: webhook.asked)
    assert not holds(admin.get(defined).json(), "Established")
    webhook.answer = allow
    until(lambda: holds(admin.get(defined).json(), "Established") == "True")
    configurations.remove()
    undefine(admin, defined)
