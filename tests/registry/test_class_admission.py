"""What pods and claims get from classes and limit ranges, and what these refuse."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from api.core_v1 import LimitRange, Node, PersistentVolume, PersistentVolumeClaim, Toleration
from api.errors import Forbidden
from api.node_v1 import RuntimeClass
from api.scheduling_v1 import PriorityClass
from api.storage_v1 import StorageClass
from apiserver.admission import runtime_class
from apiserver.admission.default_storage_class import DefaultStorageClass
from apiserver.admission.limit_ranger import LimitRanger
from apiserver.admission.persistent_volume_claim_resize import PersistentVolumeClaimResize
from apiserver.admission.pod_topology_labels import PodTopologyLabels
from apiserver.admission.priority import Priority
from apiserver.admission.storage_object_in_use_protection import StorageObjectInUseProtection
from tests.registry.builders import NOW, pod
from tests.registry.test_admission import request


def priority_class(name: str, value: int, **fields: Any) -> PriorityClass:
    return PriorityClass.from_dict({"metadata": {"name": name}, "value": value, **fields})


def storage_class(name: str, *, default: bool = True, **fields: Any) -> StorageClass:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    found = StorageClass.from_dict(
        {"metadata": {"name": name, "annotations": annotations}, "provisioner": "p", **fields}
    )
    found.metadata.creationTimestamp = NOW
    return found


def claim(size: str = "1Gi", **spec: Any) -> PersistentVolumeClaim:
    spec = {"resources": {"requests": {"storage": size}}, **spec}
    return PersistentVolumeClaim.from_dict({"metadata": {"name": "c", "namespace": "n"}, "spec": spec})


def limits(*items: dict[str, Any]) -> LimitRange:
    return LimitRange.from_dict({"metadata": {"name": "l", "namespace": "n"}, "spec": {"limits": list(items)}})


def test_a_pod_gets_the_value_and_policy_of_its_class() -> None:
    obj = pod(priorityClassName="high")
    Priority().mutate(request(obj, priority_class("high", 7, preemptionPolicy="Never")))
    assert (obj.spec.priority, obj.spec.preemptionPolicy) == (7, "Never")
    contrary = pod(priorityClassName="high", preemptionPolicy="PreemptLowerPriority")
    with pytest.raises(Forbidden, match="priority admission controller computed Never from the given PriorityClass"):
        Priority().mutate(request(contrary, priority_class("high", 7, preemptionPolicy="Never")))


def test_a_pod_that_comes_with_a_node_learns_where_it_is() -> None:
    labels = {"topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r", "other": "o"}
    node = Node.from_dict({"metadata": {"name": "n", "labels": labels}})
    placed, waiting = pod(nodeName="n"), pod()
    placed.metadata.labels = {"topology.kubernetes.io/zone": "own"}
    for obj in (placed, waiting):
        PodTopologyLabels().mutate(request(obj, node))
    assert placed.metadata.labels == {"topology.kubernetes.io/zone": "own", "topology.kubernetes.io/region": "r"}
    assert waiting.metadata.labels == {}


def test_a_pod_of_no_class_is_of_the_default_one() -> None:
    obj = pod()
    Priority().mutate(request(obj, priority_class("other", 3), priority_class("usual", 5, globalDefault=True)))
    assert (obj.spec.priorityClassName, obj.spec.priority) == ("usual", 5)


def test_there_is_one_default() -> None:
    usual = priority_class("usual", 5, globalDefault=True)
    with pytest.raises(Forbidden) as error:
        Priority().validate(request(priority_class("new", 5, globalDefault=True), usual))
    assert error.value.message == (
        'priorityclasses.scheduling.k8s.io "new" is forbidden: PriorityClass usual is already marked as default. '
        "Only one default can exist"
    )
    Priority().validate(request(usual, usual, operation="UPDATE", old=usual))


def test_system_classes_stay() -> None:
    with pytest.raises(Forbidden, match="this is a system priority class and cannot be deleted"):
        Priority().validate(request(None, operation="DELETE", old=priority_class("system-node-critical", 1)))
    Priority().validate(request(None, operation="DELETE", old=priority_class("mine", 1)))


def test_a_runtime_has_its_nodes_and_its_price() -> None:
    found = RuntimeClass.from_dict(
        {
            "metadata": {"name": "kata"},
            "handler": "kata",
            "overhead": {"podFixed": {"cpu": "250m"}},
            "scheduling": {"nodeSelector": {"k": "v"}, "tolerations": [{"key": "k", "operator": "Exists"}]},
        }
    )
    plugin, obj = runtime_class.RuntimeClass(), pod(runtimeClassName="kata", nodeSelector={"own": "1"})
    plugin.mutate(request(obj, found))
    plugin.validate(request(obj, found))
    assert obj.spec.overhead == {"cpu": "250m"}
    assert obj.spec.nodeSelector == {"own": "1", "k": "v"}
    assert [toleration.key for toleration in obj.spec.tolerations] == ["k"]
    with pytest.raises(Forbidden, match="Pod's Overhead doesn't match RuntimeClass's defined Overhead"):
        plugin.mutate(request(pod(runtimeClassName="kata", overhead={"cpu": "1"}), found))
    with pytest.raises(Forbidden) as error:
        plugin.mutate(request(pod(runtimeClassName="kata", nodeSelector={"k": "w"}), found))
    assert error.value.message.endswith(
        "conflict: runtimeClass.scheduling.nodeSelector[k] = v; pod.spec.nodeSelector[k] = w"
    )


def test_tolerations_that_others_cover_are_left_out() -> None:
    everything = Toleration(operator="Exists")
    short = Toleration(key="a", operator="Exists", effect="NoExecute", tolerationSeconds=5)
    long = Toleration(key="a", operator="Exists", effect="NoExecute", tolerationSeconds=9)
    other = Toleration(key="b", operator="Equal", value="1")
    assert runtime_class.merge_tolerations([short, other, long]) == [other, long]
    assert runtime_class.merge_tolerations([other, other, everything]) == [everything]


def test_the_newest_default_class_is_taken() -> None:
    older = storage_class("b")
    older.metadata.creationTimestamp = NOW - timedelta(days=1)
    obj = claim()
    DefaultStorageClass().mutate(request(obj, older, storage_class("d"), storage_class("c")))
    assert obj.spec.storageClassName == "c"
    for kept in (claim(storageClassName=""), claim(storageClassName="x")):
        before = kept.spec.storageClassName
        DefaultStorageClass().mutate(request(kept, older))
        assert kept.spec.storageClassName == before


def test_volumes_and_claims_are_protected() -> None:
    obj, volume = claim(), PersistentVolume.from_dict({"metadata": {"name": "v", "finalizers": ["x.io/y"]}})
    for each in (obj, volume):
        StorageObjectInUseProtection().mutate(request(each))
        StorageObjectInUseProtection().mutate(request(each))
    assert obj.metadata.finalizers == ["kubernetes.io/pvc-protection"]
    assert volume.metadata.finalizers == ["x.io/y", "kubernetes.io/pv-protection"]


@pytest.mark.parametrize(
    ("found", "phase", "refusal"),
    [
        (storage_class("s", allowVolumeExpansion=True), "Bound", ""),
        (storage_class("s"), "Bound", "only dynamically provisioned pvc can be resized"),
        (
            storage_class("s", allowVolumeExpansion=True),
            "Pending",
            "Only bound persistent volume claims can be expanded",
        ),
    ],
)
def test_claims_grow_where_their_class_allows_it(found: StorageClass, phase: str, refusal: str) -> None:
    old, new = claim("1Gi", storageClassName="s"), claim("2Gi", storageClassName="s")
    old.status.phase = phase
    ask = request(new, found, operation="UPDATE", old=old)
    if not refusal:
        PersistentVolumeClaimResize().validate(ask)
        return
    with pytest.raises(Forbidden, match=refusal):
        PersistentVolumeClaimResize().validate(ask)


def test_containers_get_what_they_do_not_say() -> None:
    obj = pod(initContainers=[{"name": "i", "image": "i", "resources": {"limits": {"cpu": "1"}}}])
    LimitRanger().mutate(request(obj, limits({"type": "Container", "default": {"cpu": "2", "memory": "1Gi"}})))
    assert obj.spec.containers[0].resources.limits == {"cpu": "2", "memory": "1Gi"}
    assert obj.metadata.annotations == {
        "kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu, memory limit for container c; "
        "memory limit for init container i"
    }


@pytest.mark.parametrize(
    ("item", "refusal"),
    [
        ({"type": "Container", "min": {"cpu": "1"}}, "minimum cpu usage per Container is 1.  No request is specified"),
        ({"type": "Container", "max": {"cpu": "1"}}, "maximum cpu usage per Container is 1.  No limit is specified"),
        (
            {"type": "Pod", "maxLimitRequestRatio": {"cpu": "2"}},
            "cpu max limit to request ratio per Pod is 2, but no request is specified or request is 0",
        ),
        ({"type": "Pod", "min": {"memory": "3Gi"}, "max": {"memory": "1Gi"}},
         "[minimum memory usage per Pod is 3Gi, but request is 2Gi, "
         "maximum memory usage per Pod is 1Gi, but limit is 2Gi]"),
    ],
)  # fmt: skip
def test_what_a_pod_may_not_use(item: dict[str, Any], refusal: str) -> None:
    amounts = {"memory": "1Gi"}
    container = {"image": "i", "resources": {"requests": amounts, "limits": amounts}}
    obj = pod(containers=[{"name": "a", **container}, {"name": "b", **container}])
    with pytest.raises(Forbidden) as error:
        LimitRanger().validate(request(obj, limits(item)))
    assert error.value.message == f'pods "p" is forbidden: {refusal}'


def test_what_a_claim_may_not_ask_for() -> None:
    found = limits({"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}})
    LimitRanger().validate(request(claim("1Gi"), found))
    with pytest.raises(Forbidden, match="maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi"):
        LimitRanger().validate(request(claim("2Gi"), found))
