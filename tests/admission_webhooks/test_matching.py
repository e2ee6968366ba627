"""Which writes a webhook is asked about."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.admission_webhooks.conftest import Configurations
from tests.webhook_server import WebhookServer

LABEL = {"matchLabels": {"watched": "yes"}}
RULE = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}


def create(admin: httpx.Client, namespace: str, name: str = "a", labels: dict[str, str] | None = None) -> None:
    document = {"metadata": {"name": name, "labels": labels or {}}}
    admin.post(f"/api/v1/namespaces/{namespace}/configmaps", json=document).raise_for_status()


def label(admin: httpx.Client, path: str, **labels: str | None) -> httpx.Response:
    headers = {"Content-Type": "application/merge-patch+json"}
    return admin.patch(path, json={"metadata": {"labels": labels}}, headers=headers)


@pytest.mark.parametrize(
    ("rule", "asked"),
    [
        ({}, True),
        ({"operations": ["UPDATE", "CREATE"]}, True),
        ({"operations": ["UPDATE", "DELETE", "CONNECT"]}, False),
        ({"apiGroups": [""]}, True),
        ({"apiGroups": ["apps"]}, False),
        ({"apiVersions": ["v1beta1", "v1"]}, True),
        ({"apiVersions": ["v2"]}, False),
        ({"resources": ["pods", "configmaps"]}, True),
        ({"resources": ["configmaps/*"]}, True),
        ({"resources": ["configmaps/status", "pods/*"]}, False),
        ({"scope": "Namespaced"}, True),
        ({"scope": "Cluster"}, False),
    ],
)
def test_rules(
    admin: httpx.Client,
    namespace: str,
    webhook: WebhookServer,
    configurations: Configurations,
    rule: dict[str, Any],
    asked: bool,
) -> None:
    configurations.validating(configurations.hook(rules=[{**RULE, "resources": ["nodes"]}, {**RULE, **rule}]))
    create(admin, namespace)
    assert bool(webhook.asked) == asked


@pytest.mark.parametrize(("scope", "asked"), [("Namespaced", False), ("Cluster", True)])
def test_namespaces_are_in_no_namespace(
    admin: httpx.Client,
    namespace: str,
    webhook: WebhookServer,
    configurations: Configurations,
    scope: str,
    asked: bool,
) -> None:
    configurations.validating(configurations.hook(rules=[{**RULE, "scope": scope}]))
    label(admin, f"/api/v1/namespaces/{namespace}", a="b").raise_for_status()
    assert bool(webhook.asked) == asked


@pytest.mark.parametrize(("resources", "asked"), [(["*"], False), (["*/*"], True), (["*/status"], True), (["pods"], 0)])
def test_subresources(
    admin: httpx.Client,
    namespace: str,
    webhook: WebhookServer,
    configurations: Configurations,
    resources: list[str],
    asked: bool,
) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    admin.post(pods, json=pod).raise_for_status()
    configurations.validating(configurations.hook(rules=[{**RULE, "resources": resources}]))
    label(admin, f"{pods}/p/status", a="b").raise_for_status()
    assert bool(webhook.asked) == asked


def test_labels_of_the_object_before_or_after(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    configurations.mutating(configurations.hook(objectSelector=LABEL))
    create(admin, namespace, "a")
    create(admin, namespace, "b", {"watched": "no"})
    assert not webhook.asked
    path = f"/api/v1/namespaces/{namespace}/configmaps/a"
    label(admin, path, watched="yes").raise_for_status()
    label(admin, path, watched=None).raise_for_status()
    label(admin, path, other="yes").raise_for_status()
    assert len(webhook.asked) == 2


def test_labels_of_the_namespace(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    configurations.validating(configurations.hook(namespaceSelector=LABEL))
    create(admin, namespace, "a")
    assert not webhook.asked
    label(admin, f"/api/v1/namespaces/{namespace}", watched="yes").raise_for_status()
    assert len(webhook.asked) == 1, "the namespace is judged by the labels it gets"
    create(admin, namespace, "b")
    admin.delete(f"/api/v1/namespaces/{namespace}/configmaps/a").raise_for_status()
    assert len(webhook.asked) == 3
    admin.post("/api/v1/nodes", json={"metadata": {"name": f"n-{namespace}"}}).raise_for_status()
    assert len(webhook.asked) == 4, "what is in no namespace is meant by every selector"
    admin.delete(f"/api/v1/nodes/n-{namespace}").raise_for_status()


EVENT = {
    "metadata": {"name": "e"},
    "reason": "Tested",
    "type": "Normal",
    "involvedObject": {"kind": "Pod", "namespace": "", "name": "p"},
}


@pytest.mark.parametrize(("policy", "asked"), [("Exact", False), ("Equivalent", True)])
def test_the_same_objects_in_another_group(
    admin: httpx.Client,
    namespace: str,
    webhook: WebhookServer,
    configurations: Configurations,
    policy: str,
    asked: bool,
) -> None:
    rule = {**RULE, "apiGroups": ["events.k8s.io"], "resources": ["events"]}
    configurations.mutating(configurations.hook(rules=[rule], matchPolicy=policy))
    event = {**EVENT, "involvedObject": {"kind": "Pod", "namespace": namespace, "name": "p"}}
    admin.post(f"/api/v1/namespaces/{namespace}/events", json=event).raise_for_status()
    assert bool(webhook.asked) == asked
    if asked:
        (request,) = webhook.requests
        assert request["kind"] == {"group": "events.k8s.io", "version": "v1", "kind": "Event"}
        assert request["requestKind"] == {"group": "", "version": "v1", "kind": "Event"}
        assert request["resource"]["group"] == "events.k8s.io"
        assert request["object"]["apiVersion"] == "events.k8s.io/v1"
        assert request["object"]["regarding"]["name"] == "p"


def test_a_change_in_another_group(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    from tests.webhook_server import patch

    rule = {**RULE, "apiGroups": ["events.k8s.io"], "resources": ["events"]}
    configurations.mutating(configurations.hook(rules=[rule]))
    webhook.answer = lambda review: patch(review, {"op": "replace", "path": "/note", "value": "changed"})
    event = {**EVENT, "message": "x", "involvedObject": {"kind": "Pod", "namespace": namespace, "name": "p"}}
    made = admin.post(f"/api/v1/namespaces/{namespace}/events", json=event)
    assert made.status_code == 201, made.text
    assert made.json()["message"] == "changed"
