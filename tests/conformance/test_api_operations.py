"""What conformance asks of the APIs that controllers and the scheduler live on: to create, read, watch, change and
delete their objects, on a whole cluster whose controllers look on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.api import Document, Space
from tests.conformance.objects import check_operations, pod, template

RULE = {"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}
MATCH = {"resourceRules": [RULE], "namespaceSelector": {"matchLabels": {"nobody": "has-this"}}}
DEVICES = {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "gpu"}}]}}
NOBODY = {"rules": [{"subjects": [{"kind": "User", "user": {"name": "nobody"}}],
                     "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/nowhere"]}]}]}  # fmt: skip
SLICE = {"driver": "d.example.com", "nodeName": "nowhere", "pool": {
    "name": "p", "generation": 1, "resourceSliceCount": 1}, "devices": [{"name": "gpu-0"}]}  # fmt: skip


def spec(**fields: Any) -> Callable[[str], Document]:
    """Makes objects of a kind whose wishes are in `spec`."""
    return lambda name: {"metadata": {"name": name}, "spec": fields}


def top(**fields: Any) -> Callable[[str], Document]:
    """Makes objects of a kind without `spec`."""
    return lambda name: {"metadata": {"name": name}, **fields}


KINDS: dict[str, tuple[Callable[[str], Document], tuple[str, ...]]] = {
    "leases": (spec(holderIdentity="me", leaseDurationSeconds=30, leaseTransitions=0), ()),
    "podtemplates": (top(template=template("web")), ()),
    "csidrivers": (spec(attachRequired=False), ()),
    "csinodes": (spec(drivers=[]), ()),
    "csistoragecapacities": (top(storageClassName="any", capacity="1Gi"), ()),
    "storageclasses": (top(provisioner="e2e.example.com/fake", reclaimPolicy="Delete"), ()),
    "volumeattributesclasses": (top(driverName="e2e.example.com", parameters={"a": "b"}), ()),
    "ingresses": (spec(defaultBackend={"service": {"name": "web", "port": {"number": 80}}}), ("status",)),
    "ingressclasses": (spec(controller="example.com/controller"), ()),
    "deviceclasses": (spec(selectors=[{"cel": {"expression": "true"}}]), ()),
    "resourceclaims": (spec(**DEVICES), ()),
    "resourceclaimtemplates": (spec(spec=DEVICES), ()),
    "resourceslices": (spec(**SLICE), ()),
    "flowschemas": (spec(priorityLevelConfiguration={"name": "exempt"}, **NOBODY), ("status",)),
    "prioritylevelconfigurations": (
        spec(type="Limited", limited={"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}}),
        ("status",)),
    "validatingadmissionpolicies": (
        spec(matchConstraints=MATCH, validations=[{"expression": "true"}]), ("status",)),
    "validatingadmissionpolicybindings": (spec(policyName="none", validationActions=["Deny"]), ()),
    "mutatingadmissionpolicies": (
        spec(matchConstraints=MATCH, reinvocationPolicy="Never", mutations=[{
            "patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{}"}}]), ()),
    "mutatingadmissionpolicybindings": (spec(policyName="none"), ()),
}  # fmt: skip

OURS = {"type": "StatusPatched", "status": "True", "reason": "E2E", "message": "Set from e2e test",
        "lastTransitionTime": "2026-01-01T00:00:00Z"}  # fmt: skip
STATUSES: dict[str, Document] = {
    "ingresses": {"loadBalancer": {"ingress": [{"ip": "169.1.1.1"}]}},
    "flowschemas": {"conditions": [OURS]},
    "prioritylevelconfigurations": {"conditions": [OURS]},
    "validatingadmissionpolicies": {"observedGeneration": 1},
}


def holds(status: Document, part: Document) -> bool:
    """Whether a status has all that is in `part`: the server's own controllers add to it."""
    conditions = status.get("conditions", [])
    return all(
        all(each in conditions for each in value) if name == "conditions" else status.get(name) == value
        for name, value in part.items()
    )


@pytest.mark.parametrize("plural", KINDS)
def test_objects_can_be_operated_on(space: Space, plural: str) -> None:
    """[sig-node] Lease lease API should be available [Conformance],
    [sig-node] PodTemplates should run the lifecycle of PodTemplates [Conformance],
    [sig-node] PodTemplates should delete a collection of pod templates [Conformance],
    [sig-node] PodTemplates should replace a pod template [Conformance],
    [sig-node] [DRA] CRUD Tests resource.k8s.io/v1 DeviceClass [Conformance],
    [sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaim [Conformance],
    [sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaimTemplate [Conformance],
    [sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceSlice [Conformance],
    [sig-storage] CSIInlineVolumes should run through the lifecycle of a CSIDriver [Conformance],
    [sig-storage] CSINodes CSI Conformance should run through the lifecycle of a csinode [Conformance],
    [sig-storage] CSIStorageCapacity should support CSIStorageCapacities API operations [Conformance],
    [sig-storage] StorageClasses CSI Conformance should run through the lifecycle of a StorageClass [Conformance],
    [sig-storage] VolumeAttributesClass [FeatureGate:VolumeAttributesClass] should run through the lifecycle of a
    VolumeAttributesClass [Conformance],
    [sig-network] Ingress API should support creating Ingress API operations [Conformance],
    [sig-network] IngressClass API should support creating IngressClass API operations [Conformance],
    [sig-api-machinery] API priority and fairness should support FlowSchema API operations [Conformance],
    [sig-api-machinery] API priority and fairness should support PriorityLevelConfiguration API operations
    [Conformance],
    [sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should support ValidatingAdmissionPolicy API
    operations [Conformance],
    [sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should support
    ValidatingAdmissionPolicyBinding API operations [Conformance],
    [sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] should support MutatingAdmissionPolicy API
    operations [Conformance],
    [sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] should support MutatingAdmissionPolicyBinding
    API operations [Conformance]"""
    make, parts = KINDS[plural]
    check_operations(space, plural, make, *parts)
    if "status" in parts:
        space(plural).create(make(space.name))
        status = STATUSES[plural]
        patched = space(plural).patch(space.name, {"status": status}, part="status")["status"]
        assert holds(patched, status)
        assert holds(space(plural).get(space.name, "status")["status"], patched)
        space(plural).delete(space.name)


@pytest.mark.parametrize("plural", ["events", "events.events.k8s.io"])
def test_events_can_be_operated_on(space: Space, plural: str) -> None:
    """[sig-instrumentation] Events should manage the lifecycle of an event [Conformance],
    [sig-instrumentation] Events should delete a collection of events [Conformance],
    [sig-instrumentation] Events API should ensure that an event can be fetched, patched, deleted, and listed
    [Conformance],
    [sig-instrumentation] Events API should delete a collection of events [Conformance]"""

    def make(name: str) -> Document:
        about = {"kind": "Pod", "name": "nobody", "namespace": space.name}
        if plural == "events":
            return {"metadata": {"name": name}, "involvedObject": about, "reason": "Test", "message": "This is a test"}
        new = {"action": "Do", "reason": "Test", "type": "Normal", "note": "This is a test", "regarding": about}
        who = {"reportingController": "test-controller", "reportingInstance": "test-node"}
        return {"metadata": {"name": name}, "eventTime": "2026-01-01T00:00:00.000000Z", **new, **who}

    check_operations(space, plural, make)


def test_volumes_of_drivers_in_pods(space: Space) -> None:
    """[sig-storage] CSIInlineVolumes should support CSIVolumeSource in Pod API [Conformance]"""
    driver = f"e2e-{space.name}.example.com"
    modes = {"volumeLifecycleModes": ["Ephemeral"], "attachRequired": False}
    space("csidrivers").create({"metadata": {"name": driver}, "spec": modes})
    volume = {"name": "v", "csi": {"driver": driver, "readOnly": True}}
    made = pod("one", volumes=[volume], nodeSelector={"nobody": "has-this"})
    space("pods").create(made)
    space("pods").patch("one", {"metadata": {"labels": {"patched": "true"}}})
    live = space("pods").get("one")
    assert volume in live["spec"]["volumes"]
    assert live["metadata"]["labels"]["patched"] == "true"
    space("pods").delete("one", gracePeriodSeconds=0)
    assert space("pods").find("one") is None
    space("csidrivers").delete(driver)
