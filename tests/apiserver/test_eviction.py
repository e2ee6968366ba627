"""Pods that are asked to leave, and pods that are put on nodes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest


@pytest.fixture
def pods(admin: httpx.Client, namespace: str) -> str:
    """The URL of pods; p runs on a node."""
    url = f"/api/v1/namespaces/{namespace}/pods"
    pod = {"metadata": {"name": "p", "labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    assert admin.post(url, json=pod).status_code == 201
    return url


def run(admin: httpx.Client, pods: str) -> None:
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
    assert admin.post(f"{pods}/p/binding", json=binding).status_code == 201
    status = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    assert admin.patch(f"{pods}/p/status", json=status, headers=headers).status_code == 200


def eviction(name: str = "p", **options: Any) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name},
        **({"deleteOptions": options} if options else {}),
    }


def test_a_pod_that_runs_is_told_why_it_goes(admin: httpx.Client, pods: str) -> None:
    run(admin, pods)
    answer = admin.post(f"{pods}/p/eviction", json=eviction())
    assert (answer.status_code, answer.json()["status"]) == (201, "Success")
    pod = admin.get(f"{pods}/p").json()
    assert pod["metadata"]["deletionGracePeriodSeconds"] == 30
    (why,) = (each for each in pod["status"]["conditions"] if each["type"] == "DisruptionTarget")
    assert (why["status"], why["reason"]) == ("True", "EvictionByEvictionAPI")


def test_a_pod_that_waits_for_a_node_is_gone_at_once(admin: httpx.Client, pods: str) -> None:
    assert admin.post(f"{pods}/p/eviction", json=eviction()).status_code == 201
    assert admin.get(f"{pods}/p").status_code == 404


@pytest.mark.parametrize("where", ["url", "object"])
def test_a_dry_run_leaves_everything(admin: httpx.Client, pods: str, where: str) -> None:
    run(admin, pods)
    before = admin.get(f"{pods}/p").json()
    query, options = ("?dryRun=All", {}) if where == "url" else ("", {"dryRun": ["All"]})
    assert admin.post(f"{pods}/p/eviction{query}", json=eviction(**options)).status_code == 201
    assert admin.get(f"{pods}/p").json() == before


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (eviction("q"), 400, "name in URL does not match name in Eviction object"),
        (eviction(preconditions={"uid": "other"}), 409, "the UID in the precondition (other) does not match"),
        (eviction(preconditions={"resourceVersion": "1"}), 409, "the ResourceVersion in the precondition (1)"),
    ],
)
def test_evictions_of_something_else(
    admin: httpx.Client, pods: str, body: dict[str, Any], status: int, words: str
) -> None:
    run(admin, pods)
    answer = admin.post(f"{pods}/p/eviction", json=body)
    assert answer.status_code == status
    assert words in answer.json()["message"]
    assert "deletionTimestamp" not in admin.get(f"{pods}/p").json()["metadata"]


def test_nobody_owns_what_a_binding_changes(admin: httpx.Client, pods: str) -> None:
    before = admin.get(f"{pods}/p").json()
    run(admin, pods)
    after = admin.get(f"{pods}/p").json()
    own = [each for each in after["metadata"]["managedFields"] if "subresource" not in each]
    assert own == before["metadata"]["managedFields"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


def test_a_pod_learns_where_its_node_is(admin: httpx.Client, pods: str) -> None:
    """KEP-4742."""
    labels = {"topology.kubernetes.io/zone": "z1", "topology.kubernetes.io/region": "r1", "other": "o"}
    admin.post("/api/v1/nodes", json={"metadata": {"name": "placed", "labels": labels}})
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "placed"}}
    assert admin.post(f"{pods}/p/binding", json=binding).status_code == 201
    assert admin.get(f"{pods}/p").json()["metadata"]["labels"] == {
        "app": "a",
        "topology.kubernetes.io/zone": "z1",
        "topology.kubernetes.io/region": "r1",
    }


@pytest.mark.parametrize(
    ("metadata", "target", "status", "words"),
    [
        ({"name": "q"}, {"name": "n"}, 400, "name in URL does not match name in Binding object"),
        ({"name": "p"}, {"name": ""}, 422, 'Binding "p" is invalid: target.name: Required value'),
        ({"name": "p"}, {"kind": "Pod", "name": "n"}, 422, 'target.kind: Unsupported value: "Pod"'),
        ({"name": "p", "uid": "u"}, {"name": "n"}, 409, "Precondition failed: UID in precondition: u, "),
    ],
)
def test_bindings_that_are_refused(
    admin: httpx.Client, pods: str, metadata: dict[str, str], target: dict[str, str], status: int, words: str
) -> None:
    answer = admin.post(f"{pods}/p/binding", json={"metadata": metadata, "target": target})
    assert answer.status_code == status
    assert words in answer.json()["message"]
    assert "nodeName" not in admin.get(f"{pods}/p").json()["spec"]
