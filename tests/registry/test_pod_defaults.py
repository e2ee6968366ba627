"""What a pod gets that its author left out."""

from __future__ import annotations

from typing import Any

import pytest

from api.core_v1 import Pod
from api.resources import quality_of_service
from apiserver.registry.pod_defaults import pull_policy
from apiserver.registry.pods import Pods
from apiserver.registry.replica_sets import ReplicaSets
from tests.registry.builders import NOW, context, created, pod


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "c", "image": "i", **fields}


def test_the_smallest_pod() -> None:
    found = created(Pods(), pod()).to_dict()
    assert found["spec"] == {
        "containers": [
            {
                "name": "c",
                "image": "i",
                "imagePullPolicy": "Always",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }
    assert found["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert found["metadata"]["generation"] == 1


def test_defaults_are_filled_in_once() -> None:
    once = created(Pods(), pod(containers=[container(livenessProbe={"httpGet": {"port": 80}})]))
    twice = once.copy_deep()
    Pods().default(twice)
    assert twice == once


def test_a_template_gets_no_service_links() -> None:
    document = {"spec": {"template": {"spec": {"containers": [container(resources={"limits": {"cpu": "1"}})]}}}}
    obj = ReplicaSets.resource.model.from_dict(document)
    spec = created(ReplicaSets(), obj).spec.template.spec
    assert spec.enableServiceLinks is None
    assert spec.containers[0].resources.requests == {}
    assert spec.restartPolicy == "Always"


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("a", "Always"),
        ("a:latest", "Always"),
        ("a:1", "IfNotPresent"),
        ("r.example.com:5000/a", "Always"),
        ("r.example.com:5000/a:1", "IfNotPresent"),
        ("a@sha256:11", "IfNotPresent"),
        ("a:latest@sha256:11", "Always"),
    ],
)
def test_the_tag_decides_what_is_pulled(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def test_probes() -> None:
    probe = created(Pods(), pod(containers=[container(livenessProbe={"httpGet": {"port": 80}})])).spec.containers[0]
    assert probe.livenessProbe.to_dict() == {
        "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def test_stop_signals_are_dropped() -> None:
    """KEP-4960 is off by default; a lifecycle of nothing else goes with its signal."""
    hook = {"sleep": {"seconds": 1}}
    lifecycles: list[dict[str, Any]] = [{"stopSignal": "SIGINT"}, {"stopSignal": "SIGINT", "preStop": hook}]
    containers = [{"name": f"c{i}", "image": "i", "lifecycle": each} for i, each in enumerate(lifecycles)]
    found = created(Pods(), pod(containers=containers)).to_dict()["spec"]["containers"]
    assert [container.get("lifecycle") for container in found] == [None, {"preStop": hook}]


def test_limits_become_requests() -> None:
    resources = (
        created(Pods(), pod(containers=[container(resources={"limits": {"cpu": "1"}})])).spec.containers[0].resources
    )
    assert resources.requests == {"cpu": "1"}


def test_pod_level_requests_come_from_containers_and_limits() -> None:
    found = created(
        Pods(),
        pod(
            containers=[container(resources={"requests": {"cpu": "100m"}})],
            resources={"limits": {"cpu": "1", "memory": "1Gi"}},
        ),
    )
    assert found.spec.resources.requests == {"cpu": "100m", "memory": "1Gi"}


def test_a_pod_is_limited_to_the_huge_pages_of_its_containers() -> None:
    pages = [container(name=name, resources={"limits": {"cpu": "1m", "hugepages-2Mi": "2Mi"}}) for name in ("a", "b")]
    found = created(Pods(), pod(containers=pages, resources={"limits": {"cpu": "1"}})).spec.resources
    assert found.limits == {"cpu": "1", "hugepages-2Mi": "4Mi"}
    assert found.requests == {"cpu": "2m", "hugepages-2Mi": "4Mi"}


def test_fractions_are_rounded_up_to_thousandths() -> None:
    found = created(Pods(), pod(containers=[container(resources={"requests": {"cpu": "0.0001"}})]))
    assert found.spec.containers[0].resources.requests == {"cpu": "1m"}


def test_host_network_takes_the_containers_ports() -> None:
    found = created(Pods(), pod(hostNetwork=True, containers=[container(ports=[{"containerPort": 80}])]))
    assert found.spec.containers[0].ports[0].hostPort == 80


def test_volumes_are_empty_directories_unless_they_say_otherwise() -> None:
    volumes = [{"name": "a"}, {"name": "b", "secret": {"secretName": "s"}}, {"name": "c", "hostPath": {"path": "/"}}]
    first, second, third = created(Pods(), pod(volumes=volumes)).spec.volumes
    assert first.to_dict() == {"name": "a", "emptyDir": {}}
    assert second.secret.defaultMode == 0o644
    assert third.hostPath.type == ""


def test_a_negative_grace_period_is_a_second() -> None:
    assert created(Pods(), pod(terminationGracePeriodSeconds=-5)).spec.terminationGracePeriodSeconds == 1


def test_gates_hold_a_pod_from_the_start() -> None:
    obj = pod(schedulingGates=[{"name": "g"}])
    Pods().prepare_for_create(obj, context())
    (condition,) = obj.status.conditions
    assert (condition.type, condition.status, condition.reason) == ("PodScheduled", "False", "SchedulingGated")
    assert condition.lastTransitionTime == NOW


def test_match_label_keys_become_requirements() -> None:
    """KEP-3633."""
    term = {
        "topologyKey": "zone",
        "labelSelector": {},
        "matchLabelKeys": ["hash"],
        "mismatchLabelKeys": ["team", "absent"],
    }
    obj = pod(affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}})
    obj.metadata.labels = {"hash": "1", "team": "a"}
    created(Pods(), obj)
    selector = obj.spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector
    assert [(r.key, r.operator, r.values) for r in selector.matchExpressions] == [
        ("hash", "In", ["1"]),
        ("team", "NotIn", ["a"]),
    ]


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "0"}}], "BestEffort"),
        ([{"limits": {"example.com/gpu": "1"}}], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
        ([{"limits": {"memory": "1Gi"}}], "Burstable"),
    ],
)
def test_quality_of_service(resources: list[dict[str, Any]], quality: str) -> None:
    containers = [{"name": f"c{index}", "image": "i", "resources": each} for index, each in enumerate(resources)]
    obj: Pod = pod(containers=containers)
    Pods().default(obj)
    assert quality_of_service(obj.spec) == quality
