"""What mutating webhooks change, and who sees it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.admission_webhooks.conftest import Configurations
from tests.webhook_server import WebhookServer, allow, patch

Object = dict[str, Any]
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}


def maps(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps" + (f"/{name}" if name else "")


def note(key: str, value: str = "yes") -> Object:
    """The operation that annotates an object which has annotations."""
    return {"op": "add", "path": f"/metadata/annotations/{key}", "value": value}


def annotated(name: str = "a", **more: Any) -> Object:
    return {"metadata": {"name": name, "annotations": {"given": "yes"}}, **more}


def paths(webhook: WebhookServer) -> list[str]:
    return [asked.path.partition("?")[0] for asked in webhook.asked]


def test_a_create_is_changed_and_defaulted(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    sidecar = {"name": "sidecar", "image": "s", "ports": [{"containerPort": 1}]}
    webhook.answer = lambda review: patch(review, {"op": "add", "path": "/spec/containers/-", "value": sidecar})
    configurations.mutating(configurations.hook(rules=[PODS]))
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    made = admin.post(f"/api/v1/namespaces/{namespace}/pods?fieldManager=me", json=pod).json()
    first, second = made["spec"]["containers"]
    assert (second["name"], second["ports"]) == ("sidecar", [{"containerPort": 1, "protocol": "TCP"}])
    assert second["terminationMessagePath"] == "/dev/termination-log"
    assert [mount["mountPath"] for mount in second["volumeMounts"]] == [
        mount["mountPath"] for mount in first["volumeMounts"]
    ], "the server's own plugins have looked at it again"
    (entry,) = made["metadata"]["managedFields"]
    assert 'k:{"name":"c"}' in entry["fieldsV1"]["f:spec"]["f:containers"]
    assert 'k:{"name":"sidecar"}' not in entry["fieldsV1"]["f:spec"]["f:containers"], "nobody owns it"


def test_an_update_is_changed(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    admin.post(maps(namespace), json=annotated(data={"x": "1"})).raise_for_status()
    webhook.answer = lambda review: patch(review, {"op": "add", "path": "/data/y", "value": "2"})
    configurations.mutating()
    headers = {"Content-Type": "application/merge-patch+json"}
    changed = admin.patch(maps(namespace, "a"), json={"data": {"x": "3"}}, headers=headers).json()
    assert changed["data"] == {"x": "3", "y": "2"}
    assert admin.get(maps(namespace, "a")).json()["data"] == {"x": "3", "y": "2"}
    replaced = admin.put(maps(namespace, "a"), json=annotated(data={"x": "4"})).json()
    assert replaced["data"] == {"x": "4", "y": "2"}


def test_one_sees_what_the_other_has_made(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    def answer(review: Object) -> Object:
        return patch(review, note(f"n{len(webhook.asked)}"))

    webhook.answer = answer
    hook = configurations.hook
    configurations.mutating(hook(path="/c"), name="b")
    configurations.mutating(hook("z.example.com", "/a"), hook("y.example.com", "/b"), name="a")
    made = admin.post(maps(namespace), json=annotated()).json()
    assert paths(webhook) == ["/a", "/b", "/c"], "by the names of the configurations, then in their order"
    seen = [sorted(request["object"]["metadata"]["annotations"]) for request in webhook.requests]
    assert seen == [["given"], ["given", "n1"], ["given", "n1", "n2"]]
    assert sorted(made["metadata"]["annotations"]) == ["given", "n1", "n2", "n3"]


def test_validating_ones_come_after(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    def answer(review: Object) -> Object:
        return patch(review, note("changed")) if paths(webhook)[-1] == "/change" else allow(review)

    webhook.answer = answer
    configurations.validating(configurations.hook(path="/see"))
    configurations.mutating(configurations.hook(path="/change"))
    admin.post(maps(namespace), json=annotated()).raise_for_status()
    assert paths(webhook) == ["/change", "/see"]
    assert webhook.requests[1]["object"]["metadata"]["annotations"]["changed"] == "yes"


@pytest.mark.parametrize(
    ("policies", "changes", "asked"),
    [
        (["Never", "Never"], ["/1"], ["/0", "/1"]),
        (["IfNeeded", "Never"], ["/1"], ["/0", "/1", "/0"]),
        (["IfNeeded", "IfNeeded"], ["/1"], ["/0", "/1", "/0"]),
        (["IfNeeded", "IfNeeded"], ["/0"], ["/0", "/1"]),
        (["IfNeeded", "IfNeeded"], [], ["/0", "/1"]),
        (["IfNeeded", "IfNeeded", "IfNeeded"], ["/1", "/0"], ["/0", "/1", "/2", "/0"]),
        (["IfNeeded", "IfNeeded", "IfNeeded"], ["/2"], ["/0", "/1", "/2", "/0", "/1"]),
    ],
)
def test_once_more(
    admin: httpx.Client,
    namespace: str,
    webhook: WebhookServer,
    configurations: Configurations,
    policies: list[str],
    changes: list[str],
    asked: list[str],
) -> None:
    """Those that want to are asked again when others have changed the object after them; nobody a third time."""

    def answer(review: Object) -> Object:
        path = paths(webhook)[-1]
        return patch(review, note(path.strip("/"))) if path in changes else allow(review)

    webhook.answer = answer
    hooks = [
        configurations.hook(f"h{index}.example.com", f"/{index}", reinvocationPolicy=policy)
        for index, policy in enumerate(policies)
    ]
    configurations.mutating(*hooks)
    admin.post(maps(namespace), json=annotated()).raise_for_status()
    assert paths(webhook) == asked


def test_a_drawn_name_may_be_given_instead(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    webhook.answer = lambda review: patch(review, {"op": "add", "path": "/metadata/name", "value": "chosen"})
    configurations.mutating()
    made = admin.post(maps(namespace), json={"metadata": {"generateName": "a-"}}).json()
    assert made["metadata"]["name"] == "chosen"


def test_what_only_the_server_says_stays(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    operations = [
        {"op": "add", "path": "/metadata/uid", "value": "mine"},
        {"op": "add", "path": "/metadata/creationTimestamp", "value": "2001-01-01T00:00:00Z"},
        {"op": "add", "path": "/metadata/generation", "value": 7},
    ]
    webhook.answer = lambda review: patch(review, *operations)
    configurations.mutating()
    made = admin.post(maps(namespace), json=annotated()).json()["metadata"]
    assert made["uid"] != "mine"
    assert not made["creationTimestamp"].startswith("2001")
    assert "generation" not in made


def test_the_result_must_be_valid(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    webhook.answer = lambda review: patch(review, {"op": "add", "path": "/data", "value": {"a b": "x"}})
    configurations.mutating()
    answer = admin.post(maps(namespace), json=annotated())
    assert answer.status_code == 422
    assert "data[a b]: Invalid value" in answer.json()["message"]


def test_an_update_cannot_become_one_of_another_object(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    admin.post(maps(namespace), json=annotated()).raise_for_status()
    webhook.answer = lambda review: patch(review, {"op": "replace", "path": "/metadata/name", "value": "b"})
    configurations.mutating()
    answer = admin.put(maps(namespace, "a"), json=annotated(data={"x": "1"}))
    assert answer.status_code == 422
    assert "metadata.name: Invalid value" in answer.json()["message"]


def test_owners_that_it_forgets_and_invents(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    webhook.answer = lambda review: patch(review, {"op": "remove", "path": "/metadata/managedFields"})
    configurations.mutating()
    made = admin.post(maps(namespace), json=annotated())
    assert "managedFields" not in made.json()["metadata"]
    nonsense = [{"operation": "Guess"}]
    webhook.answer = lambda review: patch(review, {"op": "add", "path": "/metadata/managedFields", "value": nonsense})
    made = admin.post(maps(namespace), json=annotated("b"))
    assert made.json()["metadata"]["managedFields"][0]["operation"] == "Update"
    assert ".metadata.managedFields was in an invalid state after admission" in made.headers["Warning"]


def test_a_scale_is_changed(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    labels = {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    admin.post(path, json={"metadata": {"name": "d"}, "spec": spec}).raise_for_status()
    webhook.answer = lambda review: patch(review, {"op": "replace", "path": "/spec/replicas", "value": 2})
    configurations.mutating()
    headers = {"Content-Type": "application/merge-patch+json"}
    answer = admin.patch(f"{path}/d/scale", json={"spec": {"replicas": 9}}, headers=headers)
    assert answer.json()["spec"]["replicas"] == 2
    live = admin.get(f"{path}/d").json()
    assert (live["spec"]["replicas"], live["metadata"]["generation"]) == (2, 2)


def test_a_status_is_changed_and_nothing_else(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    admin.post(pods, json=pod).raise_for_status()
    operations = [
        {"op": "add", "path": "/status/message", "value": "changed"},
        {"op": "replace", "path": "/spec/containers/0/image", "value": "j"},
    ]
    webhook.answer = lambda review: patch(review, *operations)
    configurations.mutating()
    headers = {"Content-Type": "application/merge-patch+json"}
    live = admin.patch(f"{pods}/p/status", json={"status": {"phase": "Running"}}, headers=headers).json()
    assert (live["status"]["phase"], live["status"]["message"]) == ("Running", "changed")
    assert live["spec"]["containers"][0]["image"] == "i"


def test_a_dry_run_leaves_nothing(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    webhook.answer = lambda review: patch(review, note("changed"))
    configurations.mutating()
    made = admin.post(maps(namespace) + "?dryRun=All", json=annotated()).json()
    assert made["metadata"]["annotations"]["changed"] == "yes"
    assert webhook.requests[0]["dryRun"] is True
    assert admin.get(maps(namespace, "a")).status_code == 404
