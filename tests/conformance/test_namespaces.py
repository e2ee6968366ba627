"""What conformance asks of namespaces, of those who clean up, and of the budgets of disruptions, on a whole cluster."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.support import until
from tests.conformance.api import Document, Refused, Space
from tests.conformance.objects import condition, heard_of, is_ready, owners, pod, ready_pods, template, workload
from tests.conformance.test_services import service

FINALIZER = "example.com/test-finalizer"


@pytest.fixture
def other(space: Space) -> Space:
    """Another namespace, which the test deletes."""
    made = Space(space.api, f"{space.name}-other")
    space("namespaces").create({"metadata": {"name": made.name}})
    until(lambda: made("serviceaccounts").find("default"), "it has its service account")
    return made


def end(space: Space) -> None:
    space("namespaces").delete(space.name)
    until(lambda: space("namespaces").find(space.name) is None, f"{space.name} is gone")


def test_pods_go_with_their_namespace(other: Space) -> None:
    """[sig-api-machinery] Namespaces [Serial] should ensure that all pods are removed when a namespace is deleted
    [Conformance]"""
    other("pods").create(pod("one"))
    until(lambda: is_ready(other("pods").get("one")), "it runs")
    end(other)
    other("namespaces").create({"metadata": {"name": other.name}})
    assert other("pods").find("one") is None
    end(other)


def test_services_go_with_their_namespace(other: Space) -> None:
    """[sig-api-machinery] Namespaces [Serial] should ensure that all services are removed when a namespace is deleted
    [Conformance]"""
    other("services").create(service("one"))
    end(other)
    other("namespaces").create({"metadata": {"name": other.name}})
    assert other("services").find("one") is None
    end(other)


def test_a_namespace_is_patched_and_updated(other: Space) -> None:
    """[sig-api-machinery] Namespaces [Serial] should patch a Namespace [Conformance],
    [sig-api-machinery] Namespaces [Serial] should apply an update to a Namespace [Conformance]"""
    body = {"metadata": {"labels": {"testLabel": "testValue"}}}
    other("namespaces").patch(other.name, body, type="strategic")
    assert other("namespaces").get(other.name)["metadata"]["labels"]["testLabel"] == "testValue"
    other("namespaces").change(other.name, lambda each: each["metadata"]["labels"].update({other.name: "updated"}))
    labels = other("namespaces").get(other.name)["metadata"]["labels"]
    assert (labels[other.name], labels["testLabel"]) == ("updated", "testValue")
    assert labels["kubernetes.io/metadata.name"] == other.name
    end(other)


def test_the_status_of_a_namespace(other: Space) -> None:
    """[sig-api-machinery] Namespaces [Serial] should apply changes to a namespace status [Conformance]"""
    namespaces = other("namespaces")
    assert namespaces.get(other.name, "status")["status"]["phase"] == "Active"
    ours = {"type": "StatusPatch", "status": "True", "reason": "E2E", "message": "Patched by an e2e test"}
    body = {"metadata": {"annotations": {"e2e-patched-ns-status": other.name}}, "status": {"conditions": [ours]}}
    namespaces.patch(other.name, body, part="status")
    live = namespaces.get(other.name)
    assert (condition(live, "StatusPatch") or {})["message"] == "Patched by an e2e test"

    def update(document: Document) -> None:
        document["status"]["conditions"].append(ours | {"type": "StatusUpdate"})

    namespaces.change(other.name, update, part="status")
    types = [each["type"] for each in namespaces.get(other.name)["status"]["conditions"]]
    assert types == ["StatusPatch", "StatusUpdate"]
    end(other)


def test_a_finalizer_of_a_namespace(other: Space) -> None:
    """[sig-api-machinery] Namespaces [Serial] should apply a finalizer to a Namespace [Conformance]"""
    namespaces = other("namespaces")
    namespaces.change(other.name, lambda each: each["spec"]["finalizers"].append("e2e.example.com/fake"), "finalize")
    assert namespaces.get(other.name)["spec"]["finalizers"] == ["kubernetes", "e2e.example.com/fake"]
    namespaces.change(other.name, lambda each: each["spec"].update(finalizers=["kubernetes"]), "finalize")
    assert namespaces.get(other.name)["spec"]["finalizers"] == ["kubernetes"]
    end(other)


def test_pods_go_first(other: Space) -> None:
    """[sig-api-machinery] OrderedNamespaceDeletion namespace deletion should delete pod first [Conformance]"""
    held = pod("held")
    held["metadata"]["finalizers"] = [FINALIZER]
    other("pods").create(held)
    other("configmaps").create({"metadata": {"name": "kept", "finalizers": [FINALIZER]}})
    other("namespaces").delete(other.name)
    until(lambda: "deletionTimestamp" in other("pods").get("held")["metadata"], "the pod goes")

    def said() -> Document | None:
        return condition(other("namespaces").get(other.name), "NamespaceDeletionContentFailure") or condition(
            other("namespaces").get(other.name), "NamespaceContentRemaining"
        )

    until(said, "the namespace says what is left")
    assert "deletionTimestamp" not in other("configmaps").get("kept")["metadata"], "pods go before anything else"
    other("pods").patch("held", {"metadata": {"finalizers": None}})
    until(lambda: "deletionTimestamp" in other("configmaps").get("kept")["metadata"], "the rest goes after them")
    other("configmaps").patch("kept", {"metadata": {"finalizers": None}})
    until(lambda: other("namespaces").find(other.name) is None, "the namespace is gone")


def controller(name: str, replicas: int) -> Document:
    spec = {"replicas": replicas, "selector": {"app": name}, "template": template(name)}
    return {"metadata": {"name": name}, "spec": spec}


def owned_pods(space: Space, name: str, count: int) -> list[Document]:
    """The pods of a controller that are ready, once the garbage collector knows of them: it lets go of an owner whose
    dependents it has not heard of."""
    space("replicationcontrollers").create(controller(name, count))
    pods = ready_pods(space, name, count)
    heard_of(space, name, count)
    return pods


def test_pods_of_a_controller_go_after_it(space: Space) -> None:
    """[sig-api-machinery] Garbage collector should delete pods created by rc when not orphaning [Conformance]"""
    owned_pods(space, "web", 2)
    space("replicationcontrollers").delete("web", propagationPolicy="Background")
    assert space("replicationcontrollers").find("web") is None
    ready_pods(space, "web", 0)


def test_pods_of_a_controller_are_left(space: Space) -> None:
    """[sig-api-machinery] Garbage collector should orphan pods created by rc if delete options say so [Serial]
    [Conformance]"""
    owned_pods(space, "web", 10)
    space("replicationcontrollers").delete("web", propagationPolicy="Orphan")
    until(lambda: space("replicationcontrollers").find("web") is None, "the controller is gone")
    left = ready_pods(space, "web", 10)
    assert [owners(each) for each in left] == [[]] * 10


@pytest.mark.parametrize("policy", ["Background", "Orphan"])
def test_replica_sets_of_a_deployment(space: Space, policy: str) -> None:
    """[sig-api-machinery] Garbage collector should delete RS created by deployment when not orphaning [Conformance],
    [sig-api-machinery] Garbage collector should orphan RS created by deployment when deleteOptions.PropagationPolicy is
    Orphan [Conformance]"""
    space("deployments").create(workload("web", 2))
    ready_pods(space, "web", 2)
    heard_of(space, "web", 2)
    space("deployments").delete("web", propagationPolicy=policy)
    until(lambda: space("deployments").find("web") is None, "the Deployment is gone")
    if policy == "Orphan":
        (left,) = space("replicasets").list()
        assert owners(left) == []
        assert all(owners(each) == [left["metadata"]["uid"]] for each in ready_pods(space, "web", 2))
    else:
        ready_pods(space, "web", 0)
        until(lambda: not space("replicasets").list(), "the ReplicaSet is gone")


def test_a_controller_goes_after_its_pods(space: Space) -> None:
    """[sig-api-machinery] Garbage collector should keep the rc around until all its pods are deleted if the
    deleteOptions says so [Serial] [Conformance]"""
    first, *_ = owned_pods(space, "web", 10)
    space("pods").patch(first["metadata"]["name"], {"metadata": {"finalizers": [FINALIZER]}})
    space("replicationcontrollers").delete("web", propagationPolicy="Foreground")
    until(lambda: len(space("pods").list("app=web")) == 1, "all pods but one are gone")
    live = space("replicationcontrollers").get("web")
    assert live["metadata"]["finalizers"] == ["foregroundDeletion"]
    space("pods").patch(first["metadata"]["name"], {"metadata": {"finalizers": None}})
    until(lambda: space("replicationcontrollers").find("web") is None, "the controller is gone")
    assert not space("pods").list("app=web")


def test_another_owner_keeps_pods(space: Space) -> None:
    """[sig-api-machinery] Garbage collector should not delete dependents that have both valid owner and owner that's
    waiting for dependents to be deleted [Serial] [Conformance]"""
    pods = owned_pods(space, "going", 10)
    stays = space("replicationcontrollers").create(controller("staying", 0))["metadata"]
    reference = {"apiVersion": "v1", "kind": "ReplicationController", "name": "staying", "uid": stays["uid"]}
    for each in pods[:5]:
        body = {"metadata": {"ownerReferences": [*each["metadata"]["ownerReferences"], reference]}}
        space("pods").patch(each["metadata"]["name"], body)
    space("replicationcontrollers").delete("going", propagationPolicy="Foreground")
    until(lambda: space("replicationcontrollers").find("going") is None, "the first owner is gone")
    left = {each["metadata"]["name"]: owners(each) for each in space("pods").list("app=going")}
    assert left == {each["metadata"]["name"]: [stays["uid"]] for each in pods[:5]}


def test_a_circle(space: Space) -> None:
    """[sig-api-machinery] Garbage collector should not be blocked by dependency circle [Conformance]"""
    names = ["pod1", "pod2", "pod3"]
    made = {name: space("pods").create(pod(name)) for name in names}
    for name, owner in zip(names, names[-1:] + names[:-1], strict=True):
        uid = made[owner]["metadata"]["uid"]
        reference = {"apiVersion": "v1", "kind": "Pod", "name": owner, "uid": uid, "controller": True}
        reference["blockOwnerDeletion"] = True
        space("pods").patch(name, {"metadata": {"ownerReferences": [reference]}})
    space("pods").delete("pod1", propagationPolicy="Foreground")
    until(lambda: not space("pods").list(), "all three are gone")


def budget(name: str, **spec: Any) -> Document:
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec}}


def evicted(space: Space, name: str) -> bool:
    """Whether the budget let it go."""
    try:
        space("pods").create({"metadata": {"name": name}}, name, "eviction")
    except Refused as refusal:
        if refusal.message == "Cannot evict pod as it would violate the pod's disruption budget.":
            return False
        raise
    return True


def test_a_budget_blocks_evictions(space: Space) -> None:
    """[sig-apps] DisruptionController should block an eviction until the PDB is updated to allow it [Conformance],
    [sig-apps] DisruptionController should observe PodDisruptionBudget status updated [Conformance]"""
    budgets = space("poddisruptionbudgets")
    space("replicasets").create(workload("web", 3))
    ready_pods(space, "web", 3)
    budgets.create(budget("one", minAvailable=3))
    until(lambda: budgets.get("one")["status"].get("currentHealthy") == 3, "the budget has seen its pods")
    name = ready_pods(space, "web", 3)[0]["metadata"]["name"]
    assert not evicted(space, name)
    budgets.patch("one", {"spec": {"minAvailable": 2}})
    until(lambda: budgets.get("one")["status"]["disruptionsAllowed"] == 1, "one may go")
    assert evicted(space, name)
    until(lambda: space("pods").find(name) is None, "it is gone")
    ready_pods(space, "web", 3)
    budgets.patch("one", {"spec": {"minAvailable": 3}})
    until(lambda: budgets.get("one")["status"]["disruptionsAllowed"] == 0, "no more may go")
    name = ready_pods(space, "web", 3)[0]["metadata"]["name"]
    assert not evicted(space, name)
    budgets.delete("one")
    assert evicted(space, name)


def test_the_api_of_budgets(space: Space) -> None:
    """[sig-apps] DisruptionController should create a PodDisruptionBudget [Conformance],
    [sig-apps] DisruptionController should update/patch PodDisruptionBudget status [Conformance],
    [sig-apps] DisruptionController Listing PodDisruptionBudgets for all namespaces should list and delete a collection
    of PodDisruptionBudgets [Conformance]"""
    budgets = space("poddisruptionbudgets")
    budgets.create(budget("one", minAvailable="1%"))
    until(lambda: "observedGeneration" in budgets.get("one")["status"], "it is looked after")
    budgets.change("one", lambda each: each["spec"].update(minAvailable="2%"))
    until(lambda: budgets.get("one")["status"]["observedGeneration"] == 2, "the update is seen")
    patched = budgets.patch("one", {"spec": {"minAvailable": "3%"}})
    assert patched["spec"]["minAvailable"] == "3%"
    until(lambda: budgets.get("one")["status"]["observedGeneration"] == 3, "the patch is seen")
    disrupted = {"p": "2026-01-01T00:00:00Z"}
    budgets.change("one", lambda each: each["status"].update(disruptedPods=disrupted), part="status")
    body = {"status": {"disruptedPods": {"q": "2026-01-01T00:00:00Z", "p": None}}}
    assert set(budgets.patch("one", body, part="status")["status"]["disruptedPods"]) == {"q"}
    for name in ("two", "three"):
        budgets.create(budget(name, minAvailable=1))
    everywhere = Space(space.api, "")("poddisruptionbudgets").list()
    assert sum(each["metadata"]["namespace"] == space.name for each in everywhere) == 3
    budgets.delete_all()
    assert budgets.list() == []
