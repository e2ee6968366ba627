"""What of a pod may change, through the pod itself and through its subresources."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from api.core_v1 import EphemeralContainer, Pod, PodIP, PodSchedulingGate, Toleration
from api.meta_v1 import DeleteOptions
from apiserver.registry.pod_status import PodStatus
from apiserver.registry.pod_subresources import EphemeralContainers, Resize
from apiserver.registry.pods import Pods
from tests.registry.builders import complaints, context, created, pod, update_complaints


def set_image(obj: Pod) -> None:
    obj.spec.containers[0].image = "other:2"


def set_deadline(obj: Pod) -> None:
    obj.spec.activeDeadlineSeconds = 100


def add_toleration(obj: Pod) -> None:
    obj.spec.tolerations = [Toleration(key="a", operator="Exists")]


@pytest.mark.parametrize("change", [set_image, set_deadline, add_toleration])
def test_what_may_change(change: Callable[[Pod], None]) -> None:
    assert update_complaints(Pods(), pod(), change) == []


def test_the_rest_may_not_and_the_difference_is_shown() -> None:
    def change(obj: Pod) -> None:
        obj.spec.nodeName = "n1"

    (complaint,) = update_complaints(Pods(), pod(), change)
    head, _, difference = complaint.partition("\n")
    assert head.startswith("spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,")
    lines = difference.split("\n")
    assert lines[0].startswith("@@ -")
    assert ' "AutomountServiceAccountToken": null,' in [line[1:] for line in lines]
    assert [line for line in lines if line.startswith(("-", "+"))] == ['- "NodeName": "",', '+ "NodeName": "n1",']


def test_containers_do_not_come_and_go() -> None:
    def change(obj: Pod) -> None:
        obj.spec.containers *= 2

    assert "spec.containers: Forbidden: pod updates may not add or remove containers" in update_complaints(
        Pods(), pod(), change
    )


def test_tolerations_are_only_added() -> None:
    def change(obj: Pod) -> None:
        obj.spec.tolerations = []

    assert update_complaints(Pods(), pod(tolerations=[{"key": "a", "operator": "Exists"}]), change) == [
        "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"
    ]


def test_a_deadline_only_comes_nearer() -> None:
    def change(obj: Pod) -> None:
        obj.spec.activeDeadlineSeconds = 60

    assert update_complaints(Pods(), pod(activeDeadlineSeconds=50), change) == [
        "spec.activeDeadlineSeconds: Invalid value: 60: must be less than or equal to previous value"
    ]


def test_gates_are_only_removed() -> None:
    def change(obj: Pod) -> None:
        obj.spec.schedulingGates = [PodSchedulingGate(name="late")]

    assert update_complaints(Pods(), pod(), change) == [
        "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'late'"
    ]


def test_a_gated_pod_may_still_be_narrowed() -> None:
    """KEP-3838."""

    def add(obj: Pod) -> None:
        obj.spec.nodeSelector = {**obj.spec.nodeSelector, "c": "d"}

    def replace(obj: Pod) -> None:
        obj.spec.nodeSelector = {"a": "x"}

    def gated() -> Pod:
        return pod(schedulingGates=[{"name": "g"}], nodeSelector={"a": "b"})

    assert update_complaints(Pods(), gated(), add) == []
    assert update_complaints(Pods(), gated(), replace) == [
        'spec.nodeSelector: Invalid value: {"a":"x"}: '
        "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
    ]


def test_the_generation_counts_changes_of_the_spec() -> None:
    old = created(Pods(), pod())
    new = old.copy_deep()
    new.metadata.labels = {"a": "b"}
    Pods().prepare_for_update(new, old, context())
    assert new.metadata.generation == 1
    set_image(new)
    Pods().prepare_for_update(new, old, context())
    assert new.metadata.generation == 2


def stored() -> Pod:
    obj = created(Pods(), pod())
    obj.metadata.resourceVersion = "1"
    return obj  # type: ignore[no-any-return]


def test_status_leaves_the_spec_alone() -> None:
    old = stored()
    new = old.copy_deep()
    new.spec.nodeName = "n1"
    new.status.phase = "Running"
    PodStatus().prepare_for_update(new, old)
    assert (new.spec.nodeName, new.status.phase) == ("", "Running")
    assert list(PodStatus().validate_update(new, old)) == []


def test_one_address_of_each_family() -> None:
    old = stored()
    new = old.copy_deep()
    new.status.podIPs = [PodIP(ip="192.0.2.1"), PodIP(ip="192.0.2.2")]
    assert [str(error) for error in PodStatus().validate_update(new, old)] == [
        'status.podIPs: Invalid value: [{"IP":"192.0.2.1"},{"IP":"192.0.2.2"}]: '
        "may specify no more than one IP for each IP family"
    ]


def test_both_forms_of_the_address_agree() -> None:
    obj = pod()
    obj.status.podIP = "192.0.2.3"
    Pods().default(obj)
    assert [each.ip for each in obj.status.podIPs] == ["192.0.2.3"]


def test_ephemeral_containers_are_only_added() -> None:
    old = stored()
    new = old.copy_deep()
    new.spec.ephemeralContainers = [EphemeralContainer(name="dbg", image="busy")]
    Pods().default(new)
    EphemeralContainers().prepare_for_update(new, old)
    assert new.metadata.generation == 2
    assert list(EphemeralContainers().validate_update(new, old)) == []
    (error,) = EphemeralContainers().validate_update(old, new)
    assert str(error) == (
        'spec.ephemeralContainers: Forbidden: existing ephemeral containers "dbg" may not be removed\n'
    )


def test_ephemeral_containers_are_for_looking_around() -> None:
    obj = pod()
    obj.spec.ephemeralContainers = [
        EphemeralContainer.from_dict({"name": "x", "image": "b", "ports": [{"containerPort": 1}]})
    ]
    assert "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container" in complaints(
        Pods(), obj
    )


def resized(**resources: dict[str, str]) -> list[str]:
    given = {"requests": {"cpu": "100m"}, "limits": {"cpu": "200m"}}
    old = created(Pods(), pod(containers=[{"name": "c", "image": "i", "resources": given}]))
    old.metadata.resourceVersion = "1"
    new = old.copy_deep()
    new.spec.containers[0].image = "ignored:1"
    for part, amounts in resources.items():
        setattr(new.spec.containers[0].resources, part, amounts)
    Resize().prepare_for_update(new, old)
    assert new.spec.containers[0].image == "i"
    return [str(error) for error in Resize().validate_update(new, old)]


def test_resizing() -> None:
    """KEP-1287."""
    assert resized(requests={"cpu": "150m"}) == []
    assert resized(limits={}) == ["spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed"]
    assert resized(requests={"cpu": "100m", "ephemeral-storage": "1Gi"}) == [
        "spec: Forbidden: only cpu and memory resources are mutable"
    ]


def test_a_resize_does_not_change_what_the_pod_is() -> None:
    old = created(Pods(), pod(initContainers=[{"name": "i", "image": "i"}]))
    old.metadata.resourceVersion = "1"
    more, fewer = old.copy_deep(), old.copy_deep()
    more.spec.containers[0].resources.requests = {"cpu": "1"}
    fewer.spec.initContainers = []
    for new, expected in (
        (more, 'spec: Invalid value: "BestEffort": Pod QOS Class may not change as a result of resizing'),
        (fewer, "spec.initContainers: Forbidden: initContainers may not be added or removed on resize"),
    ):
        Resize().prepare_for_update(new, old)
        assert [str(error) for error in Resize().validate_update(new, old)] == [expected]


def test_a_resize_counts_as_a_change_of_the_spec() -> None:
    old = created(Pods(), pod(containers=[{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}]))
    new = old.copy_deep()
    new.spec.containers[0].resources.requests = {"cpu": "2"}
    new.metadata.labels = {"not": "here"}
    Resize().prepare_for_update(new, old)
    assert (new.metadata.generation, new.metadata.labels) == (2, {})


def grace(seconds: int | None = None, *, node: str = "n1", phase: str = "Running", own: int = 30) -> int | None:
    obj = pod(nodeName=node, terminationGracePeriodSeconds=own)
    obj.status.phase = phase
    return Pods().grace_period(obj, DeleteOptions(gracePeriodSeconds=seconds))


def test_grace_periods() -> None:
    assert grace() == 30
    assert grace(own=7) == 7
    assert grace(3) == 3
    assert grace(-1) == 1
    assert grace(0) == 0
    assert grace(node="") == 0
    assert grace(phase="Succeeded") == 0
