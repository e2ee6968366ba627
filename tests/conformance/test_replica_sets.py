"""What conformance asks of ReplicaSets, on a whole cluster."""

from __future__ import annotations

from tests.cluster.support import until
from tests.conformance.api import Document, Space
from tests.conformance.objects import condition, heard_of, image_of, is_ready, owners, pod, ready_pods, workload


def test_pods_on_each_replica(space: Space) -> None:
    """[sig-apps] ReplicaSet should serve a basic image on each replica with a public image [Conformance]"""
    made = space("replicasets").create(workload("web", 2))
    pods = ready_pods(space, "web", 2)
    assert all(owners(each) == [made["metadata"]["uid"]] for each in pods)
    assert len({each["status"]["podIP"] for each in pods}) == 2
    until(lambda: space("replicasets").get("web")["status"].get("availableReplicas") == 2, "both are available")


def test_adoption_and_release(space: Space) -> None:
    """[sig-apps] ReplicaSet should adopt matching pods on creation and release no longer matching pods [Conformance]"""
    space("pods").create(pod("orphan", {"app": "web"}))
    until(lambda: is_ready(space("pods").get("orphan")), "the orphan runs")
    heard_of(space, "web", 1)
    made = space("replicasets").create(workload("web", 1))
    until(lambda: owners(space("pods").get("orphan")) == [made["metadata"]["uid"]], "the orphan is adopted")
    assert len(space("pods").list()) == 1
    space("pods").patch("orphan", {"metadata": {"labels": {"app": "other"}}})
    until(lambda: owners(space("pods").get("orphan")) == [], "the pod is released")
    (another,) = ready_pods(space, "web", 1)
    assert another["metadata"]["name"] != "orphan"


def test_scale(space: Space) -> None:
    """[sig-apps] ReplicaSet Replicaset should have a working scale subresource [Conformance]"""
    space("replicasets").create(workload("web", 1))
    ready_pods(space, "web", 1)
    until(lambda: space("replicasets").get("web", "scale")["status"]["replicas"] == 1, "the scale counts the pod")
    scale = space("replicasets").get("web", "scale")
    assert scale["spec"]["replicas"] == 1
    scale["metadata"].pop("resourceVersion")
    scale["spec"]["replicas"] = 2
    space("replicasets").replace(scale, "scale")
    assert space("replicasets").get("web")["spec"]["replicas"] == 2
    ready_pods(space, "web", 2)
    space("replicasets").patch("web", {"spec": {"replicas": 4}}, part="scale")
    assert space("replicasets").get("web")["spec"]["replicas"] == 4
    ready_pods(space, "web", 4)


def test_replace_and_patch(space: Space) -> None:
    """[sig-apps] ReplicaSet Replace and Patch tests [Conformance]"""
    space("replicasets").create(workload("web", 1))
    ready_pods(space, "web", 1)
    space("replicasets").change("web", lambda each: each["spec"].update(replicas=2))
    ready_pods(space, "web", 2)
    since = space("replicasets").listed()["metadata"]["resourceVersion"]
    spec = {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "two"}]}
    body = {"metadata": {"labels": {"test-rs": "patched"}}, "spec": {"replicas": 3, "template": {"spec": spec}}}
    space("replicasets").patch("web", body, type="strategic")

    def patched(each: Document) -> bool:
        return (
            each["metadata"]["labels"].get("test-rs") == "patched"
            and each["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 0
            and each["status"].get("readyReplicas") == 3
        )

    assert any(patched(each) for _, each in space("replicasets").changes(since))
    images = sorted(image_of(each) for each in ready_pods(space, "web", 3))
    assert images == ["one", "one", "two"], "only new pods are of the new template"


def test_list_and_delete_collection(space: Space) -> None:
    """[sig-apps] ReplicaSet should list and delete a collection of ReplicaSets [Conformance]"""
    space("replicasets").create(workload("web", 3))
    until(lambda: space("replicasets").get("web")["status"].get("readyReplicas") == 3, "all are ready")
    everywhere = Space(space.api, "")("replicasets").list("app=web")
    assert [each["metadata"]["name"] for each in everywhere if each["metadata"]["namespace"] == space.name] == ["web"]
    space("replicasets").delete_all("app=web")
    until(lambda: not space("replicasets").list("app=web"), "the ReplicaSet is gone")
    ready_pods(space, "web", 0)


def test_status(space: Space) -> None:
    """[sig-apps] ReplicaSet should validate Replicaset Status endpoints [Conformance]"""
    sets = space("replicasets")
    sets.create(workload("web", 1))
    until(lambda: sets.get("web")["status"].get("availableReplicas") == 1, "the pod is available")
    live = sets.get("web", "status")
    since = live["metadata"]["resourceVersion"]
    ours = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
    sets.change("web", lambda each: each["status"].update(conditions=[ours]), part="status")
    updated = sets.first(since, lambda each: condition(each, "StatusUpdate"))
    found = condition(updated, "StatusUpdate")
    assert found is not None
    assert (found["status"], found["reason"], found["message"]) == ("True", "E2E", "Set from e2e test")
    assert updated["spec"] == live["spec"]
    sets.patch("web", {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}, part="status")
    assert condition(sets.get("web"), "StatusPatched") is not None
    assert condition(sets.get("web"), "StatusUpdate") is None
    assert sets.get("web")["status"]["availableReplicas"] == 1
