"""What a kubelet may change, and what it is refused: everything by which it could get at others' secrets or pods."""

from __future__ import annotations

from typing import Any

import pytest

from api.authentication_v1 import TokenRequest
from api.coordination_v1 import Lease
from api.core_v1 import Binding, Node, PersistentVolume, PersistentVolumeClaim, Pod, ServiceAccount
from api.errors import Forbidden, NotFound
from api.model import Model
from api.policy_v1 import Eviction
from api.storage_v1 import CSIDriver
from apiserver.admission.node_restriction import NodeRestriction
from apiserver.admission.plugin import AdmissionRequest
from tests.admission.requests import request

NODE: dict[str, Any] = {"user": "system:node:n1", "groups": ("system:nodes",)}


def restrict(asked: AdmissionRequest) -> str:
    """The reason of the refusal; empty when there is none."""
    plugin = NodeRestriction()
    try:
        plugin.mutate(asked) if asked.operation != "DELETE" else plugin.validate(asked)
    except Forbidden as error:
        return error.message.partition(" is forbidden: ")[2]
    return ""


def node(name: str = "n1", **metadata: Any) -> Node:
    return Node.from_dict({"metadata": {"name": name, "uid": "u1", **metadata}})


def mirror(**changes: Any) -> Pod:
    """A pod that a node may create, but for `changes` of spec and `owner`."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u1", "controller": True}
    owners = changes.pop("owners", [{**owner, **changes.pop("owner", {})}])
    annotations = changes.pop("annotations", {"kubernetes.io/config.mirror": "x"})
    spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}], **changes}
    metadata = {"name": "p", "namespace": "a", "ownerReferences": owners, "annotations": annotations}
    return Pod.from_dict({"metadata": metadata, "spec": spec})


def volume(**source: Any) -> dict[str, Any]:
    return {"volumes": [{"name": "v", **source}]}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, ""),
        (
            {"annotations": {}},
            'pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods',
        ),
        ({"nodeName": "n2"}, 'node "n1" can only create pods with spec.nodeName set to itself'),
        ({"owners": []}, 'node "n1" can only create pods with an owner reference set to itself'),
        ({"owner": {"name": "n2"}}, 'node "n1" can only create pods with an owner reference set to itself'),
        (
            {"owner": {"controller": False}},
            'node "n1" can only create pods with a controller owner reference set to itself',
        ),
        (
            {"owner": {"blockOwnerDeletion": True}},
            'node "n1" must not set blockOwnerDeletion on an owner reference',
        ),
        ({"owner": {"uid": "other"}}, "node n1 UID mismatch: expected other got u1"),
        ({"serviceAccountName": "admin"}, 'node "n1" can not create pods that reference serviceaccounts'),
        (volume(secret={"secretName": "s"}), 'node "n1" can not create pods that reference secrets'),
        (volume(configMap={"name": "c"}), 'node "n1" can not create pods that reference configmaps'),
        (
            volume(projected={"sources": [{"clusterTrustBundle": {"name": "b", "path": "p"}}]}),
            'node "n1" can not create pods that reference clustertrustbundles',
        ),
        (
            volume(persistentVolumeClaim={"claimName": "c"}),
            'node "n1" can not create pods that reference persistentvolumeclaims',
        ),
        (
            {"resourceClaims": [{"name": "r", "resourceClaimName": "c"}]},
            'node "n1" can not create pods that reference resourceclaims',
        ),
        (
            volume(csi={"driver": "d"}),
            'node "n1" can not create pods that reference csidrivers (via CSI volumes)',
        ),
        (
            volume(ephemeral={"volumeClaimTemplate": {"spec": {}}}),
            'node "n1" can not create pods that reference persistentvolumeclaims (via ephemeral volumes)',
        ),
        (
            volume(projected={"sources": [{"serviceAccountToken": {"path": "t"}}]}),
            'node "n1" can not create pods that reference serviceaccounts (via projected volumes)',
        ),
        (volume(emptyDir={}), ""),
    ],
)
def test_pods_that_a_node_makes(changes: dict[str, Any], problem: str) -> None:
    assert restrict(request(mirror(**changes), node(), **NODE)) == problem


def test_others_are_not_restricted() -> None:
    assert restrict(request(mirror(nodeName="n2"), user="system:node:n1")) == ""
    assert restrict(request(mirror(nodeName="n2"), user="alice", groups=("system:nodes",))) == ""
    nameless = request(mirror(), user="system:node:", groups=("system:nodes",))
    assert restrict(nameless) == 'could not determine node from user "system:node:"'


def test_its_own_pods_alone() -> None:
    own, other = mirror(), mirror(nodeName="n2")
    assert restrict(request(None, old=own, operation="DELETE", **NODE)) == ""
    refusal = 'node "n1" can only delete pods with spec.nodeName set to itself'
    assert restrict(request(None, old=other, operation="DELETE", **NODE)) == refusal
    status = request(mirror(), old=own, operation="UPDATE", subresource="status", **NODE)
    assert restrict(status) == ""
    status.object.metadata.labels = {"app": "web"}
    assert restrict(status) == 'node "n1" cannot update labels through pod status'
    status.old_object = other
    assert restrict(status) == 'node "n1" can only update pod status for pods with spec.nodeName set to itself'
    update = request(mirror(), old=own, operation="UPDATE", **NODE)
    assert restrict(update) == 'unexpected operation "UPDATE", node "n1" can only create and delete mirror pods'


def test_evictions_and_bindings() -> None:
    eviction = Eviction.from_dict({"metadata": {"name": "p", "namespace": "a"}})
    asked = {"of": Pod, "subresource": "eviction", **NODE}
    assert restrict(request(eviction, mirror(), **asked)) == ""
    refusal = "node n1 can only evict pods with spec.nodeName set to itself"
    assert restrict(request(eviction, mirror(nodeName="n2"), **asked)) == refusal
    with pytest.raises(NotFound):
        restrict(request(eviction, **asked))
    binding = Binding.from_dict({"metadata": {"name": "p", "namespace": "a"}, "target": {"name": "n1"}})
    assert restrict(request(binding, of=Pod, subresource="binding", **NODE)).startswith(
        'unexpected pod subresource "binding"'
    )


@pytest.mark.parametrize(
    ("labels", "refused"),
    [
        ({"kubernetes.io/hostname": "n1", "mine": "yes", "example.com/zone": "a"}, ""),
        ({"kubelet.kubernetes.io/a": "b", "x.node.kubernetes.io/c": "d"}, ""),
        ({"node-restriction.kubernetes.io/a": "b"}, "node-restriction.kubernetes.io/a"),
        ({"x.node-restriction.kubernetes.io/a": "b"}, "x.node-restriction.kubernetes.io/a"),
        (
            {"node-role.kubernetes.io/control-plane": "", "a.k8s.io/b": ""},
            "a.k8s.io/b, node-role.kubernetes.io/control-plane",
        ),
    ],
)
def test_labels_that_draw_workloads(labels: dict[str, str], refused: str) -> None:
    created, updated = (
        restrict(request(node(labels=labels), **NODE)),
        restrict(request(node(labels=labels), old=node(), operation="UPDATE", **NODE)),
    )
    assert created == (f'node "n1" is not allowed to set the following labels: {refused}' if refused else "")
    assert updated == (f"is not allowed to modify labels: {refused}" if refused else "")


def test_its_own_node_alone() -> None:
    other = 'node "n1" is not allowed to modify node "n2"'
    assert restrict(request(node("n2"), **NODE)) == other
    assert restrict(request(node("n2"), old=node("n2"), operation="UPDATE", subresource="status", **NODE)) == other
    tainted = Node.from_dict({"metadata": {"name": "n1"}, "spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}})
    update = request(node(), old=tainted, operation="UPDATE", **NODE)
    assert restrict(update) == 'node "n1" is not allowed to modify taints'
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "u"}
    owned = request(node(ownerReferences=[owner]), old=node(), operation="UPDATE", **NODE)
    assert restrict(owned) == 'node "n1" is not allowed to modify ownerReferences'


def token(audiences: list[str] | None = None, **bound: str) -> AdmissionRequest:
    reference = (
        {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "pod-uid", **bound} if bound != {"kind": ""} else None
    )
    spec = {"audiences": audiences or [], "boundObjectRef": reference}
    asked = TokenRequest.from_dict({"metadata": {"name": "default", "namespace": "a"}, "spec": spec})
    existing: list[Model] = [
        pod := mirror(
            volumes=[
                {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
                {"name": "d", "persistentVolumeClaim": {"claimName": "data"}},
            ]
        ),
        PersistentVolumeClaim.from_dict({"metadata": {"name": "data", "namespace": "a"}, "spec": {"volumeName": "v"}}),
        PersistentVolume.from_dict(
            {"metadata": {"name": "v"}, "spec": {"csi": {"driver": "disks.example.com", "volumeHandle": "h"}}}
        ),
        CSIDriver.from_dict(
            {"metadata": {"name": "disks.example.com"}, "spec": {"tokenRequests": [{"audience": "disks"}]}}
        ),
    ]
    pod.metadata.uid = "pod-uid"
    return request(asked, *existing, of=ServiceAccount, subresource="token", **NODE)


def test_tokens_are_bound_to_its_pods() -> None:
    assert restrict(token()) == ""
    assert restrict(token(["disks"])) == ""
    assert restrict(token(kind="")) == "node requested token not bound to a pod"
    assert restrict(token(kind="Secret")) == "node requested token not bound to a pod"
    assert restrict(token(uid="")) == "node requested token with a pod binding without a uid"
    assert restrict(token(uid="old")).startswith("the UID in the bound object reference (old) does not match")
    assert restrict(token(["a", "b"])) == "node may only request 0 or 1 audiences"
    with pytest.raises(NotFound):
        restrict(token(name="gone"))


def test_leases() -> None:
    lease = Lease.from_dict({"metadata": {"name": "n1", "namespace": "kube-node-lease"}})
    assert restrict(request(lease, **NODE)) == ""
    lease.metadata.name = "n2"
    refusal = "can only access node lease with the same name as the requesting node"
    assert restrict(request(lease, **NODE)) == refusal
    lease.metadata.namespace = "kube-system"
    assert restrict(request(lease, **NODE)) == 'can only access leases in the "kube-node-lease" system namespace'


def test_claims_only_grow() -> None:
    def claim(**status: Any) -> PersistentVolumeClaim:
        return PersistentVolumeClaim.from_dict({"metadata": {"name": "c", "namespace": "a"}, "status": status})

    grown = request(
        claim(capacity={"storage": "2Gi"}), old=claim(capacity={"storage": "1Gi"}), operation="UPDATE",
        subresource="status", **NODE,
    )  # fmt: skip
    assert restrict(grown) == ""
    grown.object.metadata.labels = {"a": "b"}
    assert restrict(grown).startswith('node "n1" is not allowed to update fields other than status.quantity')
    grown.subresource = ""
    assert restrict(grown) == "may only update PVC status"
