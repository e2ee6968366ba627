"""What conformance asks of pods and of the nodes they run on, as far as it does not matter what a container does."""

from __future__ import annotations

import ipaddress

from tests.cluster.support import until
from tests.conformance.api import Space
from tests.conformance.objects import condition, is_ready, pod, scheduled


def test_at_least_two_nodes_for_everybody(space: Space) -> None:
    """[sig-architecture] Conformance Tests should have at least two untainted nodes [Conformance]"""

    def ready() -> int:
        nodes = [each for each in space("nodes").list() if not each["spec"].get("taints")]
        return sum((condition(each, "Ready") or {}).get("status") == "True" for each in nodes)

    until(lambda: ready() >= 2, "two nodes are ready")  # a machine that stood still makes them doubtful for a while


def test_a_pod_is_submitted_and_removed(space: Space) -> None:
    """[sig-node] Pods should be submitted and removed [NodeConformance] [Conformance]"""
    pods = space("pods")
    since = pods.listed()["metadata"]["resourceVersion"]
    pods.create(pod("one", {"time": "now"}))
    pods.seen(since, "ADDED", selector="time=now")
    until(lambda: is_ready(pods.get("one")), "it runs")
    pods.delete("one", gracePeriodSeconds=30)
    pods.seen(since, "DELETED", selector="time=now")
    assert pods.find("one") is None


def test_the_address_of_the_host(space: Space) -> None:
    """[sig-node] Pods should get a host IP [NodeConformance] [Conformance]"""
    space("pods").create(pod("one"))
    until(lambda: space("pods").get("one")["status"].get("hostIP"), "it has the address of its host")
    live = space("pods").get("one")
    addresses = space("nodes").get(live["spec"]["nodeName"])["status"]["addresses"]
    assert live["status"]["hostIP"] in {each["address"] for each in addresses if each["type"] == "InternalIP"}
    assert ipaddress.ip_address(live["status"]["hostIP"])
    assert live["status"]["hostIPs"][0] == {"ip": live["status"]["hostIP"]}


def test_labels_and_deadlines_are_updated(space: Space) -> None:
    """[sig-node] Pods should be updated [NodeConformance] [Conformance],
    [sig-node] Pods should allow activeDeadlineSeconds to be updated [NodeConformance] [Conformance]"""
    pods = space("pods")
    pods.create(pod("one", {"time": "now"}))
    until(lambda: is_ready(pods.get("one")), "it runs")
    pods.change("one", lambda each: each["metadata"]["labels"].update(time="later"))
    assert pods.names("time=later") == {"one"}
    pods.change("one", lambda each: each["spec"].update(activeDeadlineSeconds=1))

    def over() -> bool:
        status = pods.get("one")["status"]
        return (status["phase"], status.get("reason")) == ("Failed", "DeadlineExceeded")

    until(over, "its time is over")


def test_a_collection_of_pods(space: Space) -> None:
    """[sig-node] Pods should delete a collection of pods [Conformance]"""
    for number in range(3):
        space("pods").create(pod(f"test-pod-{number}", {"type": "Testing"}))
    assert len(space("pods").list("type=Testing")) == 3
    space("pods").delete_all("type=Testing")
    until(lambda: not space("pods").list("type=Testing"), "all are gone")


def test_the_status_of_a_pod_is_patched(space: Space) -> None:
    """[sig-node] Pods should patch a pod status [Conformance]"""
    space("pods").create(pod("one", {"test-pod-static": "true"}))
    until(lambda: is_ready(space("pods").get("one")), "it runs")
    ours = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
    patched = space("pods").patch("one", {"status": {"conditions": [ours]}}, type="strategic", part="status")
    found = condition(patched, "StatusUpdate")
    assert found is not None
    assert (found["status"], found["reason"], found["message"]) == ("True", "E2E", "Set from e2e test")
    assert condition(patched, "Ready") is not None


def test_the_life_of_a_pod_and_its_status(space: Space) -> None:
    """[sig-node] Pods should run through the lifecycle of Pods and PodStatus [Conformance]"""
    pods, static = space("pods"), "test-pod-static=true"
    since = pods.listed()["metadata"]["resourceVersion"]
    pods.create(pod("one", {"test-pod-static": "true"}))
    pods.seen(since, "ADDED", selector=static)
    assert scheduled(space, "one")
    until(lambda: is_ready(pods.get("one")), "it runs")
    container = {"name": "c", "image": "two"}
    body = {"metadata": {"labels": {"test-pod": "patched"}}, "spec": {"containers": [container]}}
    pods.patch("one", body, type="strategic")
    (found,) = Space(space.api, "")("pods").list("test-pod=patched")
    assert found["spec"]["containers"][0]["image"] == "two"
    until(lambda: pods.get("one")["status"]["containerStatuses"][0]["restartCount"] == 1, "the new image runs")
    not_ready = {"type": "Ready", "status": "False"}
    patched = pods.patch("one", {"status": {"conditions": [not_ready]}}, type="strategic", part="status")
    assert (condition(patched, "Ready") or {})["status"] == "False"
    until(lambda: is_ready(pods.get("one")), "the kubelet puts it right")
    pods.delete_all(static, gracePeriodSeconds=1)
    pods.seen(since, "DELETED", selector=static)
    assert pods.list(static) == []
