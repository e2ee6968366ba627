"""What conformance asks of Deployments, on a whole cluster."""

from __future__ import annotations

from tests.cluster.support import until
from tests.conformance.api import Document, Space
from tests.conformance.objects import START_ERROR, condition, image_of, owners, ready_pods, template, workload

REVISION = "deployment.kubernetes.io/revision"


def complete(space: Space, name: str) -> Document:
    """The Deployment, once all its pods are of its newest template and available."""

    def found() -> Document | None:
        live = space("deployments").get(name)
        status, replicas = live["status"], live["spec"]["replicas"]
        counts = [status.get(each, 0) for each in ("replicas", "updatedReplicas", "availableReplicas")]
        seen = status.get("observedGeneration", 0) >= live["metadata"]["generation"]
        return live if seen and counts == [replicas] * 3 else None

    live = until(found, f"{name} is complete")
    assert live is not None
    return live


def sets_of(space: Space, deployment: Document) -> dict[str, Document]:
    """The ReplicaSets it owns, by their image."""
    own = deployment["metadata"]["uid"]
    return {image_of(each): each for each in space("replicasets").list() if own in owners(each)}


def test_rolling_update(space: Space) -> None:
    """[sig-apps] Deployment RollingUpdateDeployment should delete old pods and create new ones [Conformance]"""
    old = workload("old", 1, "one", app="sample-pod")
    old["metadata"]["annotations"] = {REVISION: "3546343826724305832"}
    space("replicasets").create(old)
    ready_pods(space, "sample-pod", 1)
    space("deployments").create(workload("web", 1, "two", app="sample-pod"))
    live = complete(space, "web")
    assert live["metadata"]["annotations"][REVISION] == "3546343826724305833"
    sets = sets_of(space, live)
    assert set(sets) == {"one", "two"}, "the old ReplicaSet was adopted"
    assert sets["two"]["metadata"]["annotations"][REVISION] == "3546343826724305833"
    assert (sets["one"]["spec"]["replicas"], sets["two"]["spec"]["replicas"]) == (0, 1)
    hash = sets["two"]["metadata"]["labels"]["pod-template-hash"]
    (only,) = ready_pods(space, "sample-pod", 1)
    assert image_of(only) == "two"
    assert only["metadata"]["labels"]["pod-template-hash"] == hash


def test_recreation(space: Space) -> None:
    """[sig-apps] Deployment RecreateDeployment should delete old pods and create new ones [Conformance]"""
    since = space("pods").listed()["metadata"]["resourceVersion"]
    space("deployments").create(workload("web", 2, "one", strategy={"type": "Recreate"}))
    complete(space, "web")
    space("deployments").patch("web", {"spec": {"template": template("web", "two")}})
    live = complete(space, "web")
    assert live["metadata"]["annotations"][REVISION] == "2"
    ready_pods(space, "web", 2)
    old: set[str] = set()
    new: set[str] = set()
    for type, pod in space("pods").changes(since, "app=web"):
        running = old if image_of(pod) == "one" else new
        if type == "DELETED" or pod["status"].get("phase") in ("Failed", "Succeeded"):
            running.discard(pod["metadata"]["name"])
        else:
            running.add(pod["metadata"]["name"])
        assert not (old and new), "pods of both templates at once"
        if len(new) == 2:
            break


def test_history_is_cut(space: Space) -> None:
    """[sig-apps] Deployment deployment should delete old replica sets [Conformance]"""
    space("replicasets").create(workload("cleanup", 1, "one", app="cleanup-pod"))
    ready_pods(space, "cleanup-pod", 1)
    space("deployments").create(workload("web", 1, "two", app="cleanup-pod", revisionHistoryLimit=0))
    live = complete(space, "web")
    until(lambda: set(sets_of(space, live)) == {"two"}, "the old ReplicaSet is gone")
    assert space("replicasets").find("cleanup") is None
    (only,) = ready_pods(space, "cleanup-pod", 1)
    assert image_of(only) == "two"


def test_rollover(space: Space) -> None:
    """[sig-apps] Deployment deployment should support rollover [Conformance]"""
    space("replicasets").create(workload("controller", 1, "one", app="rollover-pod"))
    ready_pods(space, "rollover-pod", 1)
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    stuck = template("rollover-pod", "stuck", annotations={START_ERROR: "no such command"})
    made = workload("web", 1, "stuck", app="rollover-pod", strategy=strategy, minReadySeconds=1, template=stuck)
    space("deployments").create(made)
    until(lambda: space("deployments").get("web")["status"].get("updatedReplicas") == 1, "the update has begun")
    assert space("deployments").get("web")["metadata"]["annotations"][REVISION] == "1", "an adopted one has none"
    new = {"metadata": {"annotations": {START_ERROR: None}}, "spec": {"containers": [{"name": "c", "image": "two"}]}}
    space("deployments").patch("web", {"spec": {"template": new}}, type="strategic")
    live = complete(space, "web")
    assert live["metadata"]["annotations"][REVISION] == "2"
    replicas = {image: each["spec"]["replicas"] for image, each in sets_of(space, live).items()}
    assert replicas == {"one": 0, "stuck": 0, "two": 1}
    (only,) = ready_pods(space, "rollover-pod", 1)
    assert image_of(only) == "two"


def test_scale(space: Space) -> None:
    """[sig-apps] Deployment Deployment should have a working scale subresource [Conformance]"""
    space("deployments").create(workload("web"))
    complete(space, "web")
    scale = space("deployments").get("web", "scale")
    assert (scale["kind"], scale["spec"]["replicas"], scale["status"]["replicas"]) == ("Scale", 1, 1)
    scale["metadata"].pop("resourceVersion")
    scale["spec"]["replicas"] = 2
    assert space("deployments").replace(scale, "scale")["spec"]["replicas"] == 2
    assert space("deployments").get("web")["spec"]["replicas"] == 2
    ready_pods(space, "web", 2)
    patched = space("deployments").patch("web", {"spec": {"replicas": 4}}, part="scale")
    assert patched["spec"]["replicas"] == 4
    assert space("deployments").get("web")["spec"]["replicas"] == 4
    ready_pods(space, "web", 4)


def test_proportional_scaling(space: Space) -> None:
    """[sig-apps] Deployment deployment should support proportional scaling [Conformance]"""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    live = space("deployments").create(workload("web", 10, strategy=strategy))
    complete(space, "web")
    stuck = template("web", "stuck", annotations={START_ERROR: "no such image"})
    space("deployments").patch("web", {"spec": {"template": stuck}})

    def sizes() -> dict[str, int]:
        return {image: each["spec"]["replicas"] for image, each in sets_of(space, live).items()}

    until(lambda: sizes() == {"one": 8, "stuck": 5}, "two pods may miss and three may be more")
    until(lambda: sets_of(space, live)["one"]["status"].get("availableReplicas") == 8, "eight are available")
    assert "availableReplicas" not in sets_of(space, live)["stuck"]["status"]
    space("deployments").patch("web", {"spec": {"replicas": 30}})
    until(lambda: sizes() == {"one": 20, "stuck": 13}, "both grow in proportion")


def test_life(space: Space) -> None:
    """[sig-apps] Deployment should run the lifecycle of a Deployment [Conformance]"""
    deployments, static = space("deployments"), "test-deployment-static=true"
    since = deployments.listed()["metadata"]["resourceVersion"]
    made = workload("web", 2)
    made["metadata"]["labels"] = {"test-deployment-static": "true"}
    deployments.create(made)
    deployments.seen(since, "ADDED", selector=static)
    complete(space, "web")
    two = {"terminationGracePeriodSeconds": 2, "containers": [{"name": "c", "image": "two"}]}
    body = {"metadata": {"labels": {"test-deployment": "patched"}}, "spec": {"replicas": 1, "template": {"spec": two}}}
    deployments.patch("web", body, type="strategic")
    live = complete(space, "web")
    assert live["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 2
    assert live["status"].get("unavailableReplicas", 0) == 0
    everywhere = Space(space.api, "")("deployments").list(static)
    assert (space.name, "web") in {(each["metadata"]["namespace"], each["metadata"]["name"]) for each in everywhere}

    def update(document: Document) -> None:
        document["metadata"]["labels"]["test-deployment"] = "updated"
        document["spec"]["replicas"] = 2
        document["spec"]["template"]["spec"]["containers"][0]["image"] = "three"

    deployments.change("web", update)
    assert image_of(complete(space, "web")) == "three"
    status = deployments.get("web", "status")["status"]
    assert (status["readyReplicas"], status["updatedReplicas"]) == (2, 2)
    body = {"metadata": {"labels": {"test-deployment": "patched-status"}}, "status": {"readyReplicas": 2}}
    patched = deployments.patch("web", body, part="status")
    assert patched["status"]["readyReplicas"] == 2
    assert patched["metadata"]["labels"]["test-deployment"] == "updated", "a status has no labels"
    deployments.delete_all(static)
    deployments.seen(since, "DELETED", selector=static)
    ready_pods(space, "web", 0)


def test_status(space: Space) -> None:
    """[sig-apps] Deployment should validate Deployment Status endpoints [Conformance]"""
    deployments = space("deployments")
    deployments.create(workload("web"))
    live = complete(space, "web")
    assert condition(live, "Available") is not None
    since = deployments.get("web", "status")["metadata"]["resourceVersion"]
    ours = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
    deployments.change("web", lambda each: each["status"]["conditions"].append(ours), part="status")
    updated = deployments.first(since, lambda each: condition(each, "StatusUpdate"))
    found = condition(updated, "StatusUpdate")
    assert found is not None
    assert (found["status"], found["reason"], found["message"]) == ("True", "E2E", "Set from e2e test")
    assert condition(updated, "Available") == condition(live, "Available")
    patched = deployments.patch("web", {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}},
                                part="status")  # fmt: skip
    assert [each["type"] for each in patched["status"]["conditions"]] == ["StatusPatched"]

    def put_right() -> bool:
        kept = [condition(deployments.get("web"), type) for type in ("StatusPatched", "Available", "Progressing")]
        return all(kept)

    until(put_right, "the controller adds its own conditions to others'")
