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


def test_how_to_delete_has_to_make_sense(admin: httpx.Client, pods: str) -> None:
    answer = admin.post(f"{pods}/p/eviction", json=eviction(propagationPolicy="Never"))
    assert (answer.status_code, answer.json()["message"]) == (
        422,
        'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Never": '
        'supported values: "Foreground", "Background", "Orphan", "nil"',
    )
    assert "deletionTimestamp" not in admin.get(f"{pods}/p").json()["metadata"]


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("pods/p/eviction", eviction()),
        ("pods/p/binding", {"metadata": {"name": "p"}, "target": {"name": "n1"}}),
        ("bindings", {"metadata": {"name": "p"}, "target": {"name": "n1"}}),
        ("serviceaccounts/default/token", {"metadata": {}}),
    ],
)
def test_what_is_asked_of_an_object_is_of_its_namespace(
    admin: httpx.Client, pods: str, url: str, asked: dict[str, Any]
) -> None:
    asked = {**asked, "metadata": {**asked["metadata"], "namespace": "elsewhere"}}
    answer = admin.post(f"{pods.removesuffix('/pods')}/{url}", json=asked)
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        "the namespace of the provided object does not match the namespace sent on the request",
    )


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


def budget(admin: httpx.Client, pods: str, name: str = "b", status: dict[str, Any] | None = None, **spec: Any) -> str:
    """The URL of a disruption budget for the pod p, about which its controller has said this."""
    url = f"{pods.replace('/api/v1', '/apis/policy/v1').removesuffix('pods')}poddisruptionbudgets"
    made = {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": "a"}}, "minAvailable": 1, **spec}}
    obj = admin.post(url, json=made).json()
    counts = {"currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2, "disruptionsAllowed": 1}
    obj["status"] = {**counts, "observedGeneration": 1, **(status or {})}
    assert admin.put(f"{url}/{name}/status", json=obj).status_code == 200
    return f"{url}/{name}"


def test_an_eviction_costs_the_budget_a_disruption(admin: httpx.Client, pods: str) -> None:
    run(admin, pods)
    url = budget(admin, pods)
    assert admin.post(f"{pods}/p/eviction", json=eviction()).status_code == 201
    status = admin.get(url).json()["status"]
    assert (status["disruptionsAllowed"], list(status["disruptedPods"])) == (0, ["p"])
    (condition,) = status["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == (
        "DisruptionAllowed",
        "False",
        "InsufficientPods",
    )


@pytest.mark.parametrize(
    ("status", "message", "seconds"),
    [
        (
            {"disruptionsAllowed": 0, "currentHealthy": 1},
            "The disruption budget b needs 1 healthy pods and has 1 currently",
            None,
        ),
        ({"observedGeneration": 0}, "The disruption budget b is still being processed by the server.", 10),
    ],
)
def test_a_budget_without_room(
    admin: httpx.Client, pods: str, status: dict[str, int], message: str, seconds: int | None
) -> None:
    run(admin, pods)
    url = budget(admin, pods, status=status)
    before = admin.get(url).json()
    answer = admin.post(f"{pods}/p/eviction", json=eviction())
    assert (answer.status_code, answer.json()["message"]) == (
        429,
        "Cannot evict pod as it would violate the pod's disruption budget.",
    )
    details = answer.json()["details"]
    assert details["causes"] == [{"reason": "DisruptionBudget", "message": message}]
    assert details.get("retryAfterSeconds") == seconds
    assert admin.get(url).json() == before
    assert "deletionTimestamp" not in admin.get(f"{pods}/p").json()["metadata"]


@pytest.mark.parametrize(
    ("healthy", "policy", "status"), [(1, "IfHealthyBudget", 201), (0, "IfHealthyBudget", 429), (0, "AlwaysAllow", 201)]
)
def test_a_pod_that_is_not_ready_may_go_without_a_disruption(
    admin: httpx.Client, pods: str, healthy: int, policy: str, status: int
) -> None:
    """KEP-3017."""
    run(admin, pods)
    unready = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    assert admin.patch(f"{pods}/p/status", json=unready, headers=headers).status_code == 200
    counts = {"disruptionsAllowed": 0, "currentHealthy": healthy}
    url = budget(admin, pods, status=counts, unhealthyPodEvictionPolicy=policy)
    assert admin.post(f"{pods}/p/eviction", json=eviction()).status_code == status
    assert "disruptedPods" not in admin.get(url).json()["status"]


def test_a_pod_has_one_budget_at_most(admin: httpx.Client, pods: str) -> None:
    run(admin, pods)
    budget(admin, pods, "a")
    budget(admin, pods, "b")
    answer = admin.post(f"{pods}/p/eviction", json=eviction())
    assert answer.status_code == 500
    assert answer.json()["message"].startswith("This pod has more than one PodDisruptionBudget")


def test_a_budget_with_an_empty_selector_is_every_pods(admin: httpx.Client, namespace: str, pods: str) -> None:
    run(admin, pods)
    url = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    for name, selector in (("all", {"selector": {}}), ("none", {})):
        body = {"metadata": {"name": name}, "spec": {"minAvailable": 1, **selector}}
        assert admin.post(url, json=body).status_code == 201
    answer = admin.post(f"{pods}/p/eviction", json=eviction())
    assert answer.status_code == 429
    assert "The disruption budget all is still being processed" in answer.json()["details"]["causes"][0]["message"]
