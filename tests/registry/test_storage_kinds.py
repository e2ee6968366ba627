"""Storage classes, attachments and what CSI drivers tell: rules, defaults, and how tables show them."""

from __future__ import annotations

from typing import Any

import pytest

from api.storage_v1 import (
    CSIDriver,
    CSINode,
    CSIStorageCapacity,
    StorageClass,
    VolumeAttachment,
    VolumeAttributesClass,
)
from apiserver.registry.csi_drivers import CSIDrivers
from apiserver.registry.csi_nodes import CSINodes
from apiserver.registry.csi_storage_capacities import CSIStorageCapacities
from apiserver.registry.storage_classes import StorageClasses
from apiserver.registry.volume_attachments import VolumeAttachments
from apiserver.registry.volume_attributes_classes import VolumeAttributesClasses
from tests.registry.builders import NOW, complaints, created, update_complaints

INLINE = "in the context of inline volumes"
META = {"metadata": {"name": "x"}}


def driver(**spec: Any) -> CSIDriver:
    return CSIDriver.from_dict({**META, "spec": spec})


def node(*drivers: dict[str, Any]) -> CSINode:
    return CSINode.from_dict({**META, "spec": {"drivers": list(drivers)}})


def attachment(source: dict[str, Any], **spec: Any) -> VolumeAttachment:
    return VolumeAttachment.from_dict({**META, "spec": {"attacher": "a", "nodeName": "n", "source": source, **spec}})


def test_the_default_class_is_marked() -> None:
    obj = StorageClass.from_dict(
        {
            "metadata": {"name": "x", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": "p",
        }
    )
    obj.metadata.creationTimestamp = NOW
    assert StorageClasses().cells(created(StorageClasses(), obj), NOW) == [
        "x (default)", "p", "Delete", "Immediate", False, "0s",
    ]  # fmt: skip


def test_storage_classes() -> None:
    bad = {"provisioner": "p", "reclaimPolicy": "Recycle", "parameters": {"": "v"}, "allowedTopologies": [{}]}
    assert complaints(StorageClasses(), StorageClass.from_dict({**META, **bad})) == [
        'parameters: Invalid value: "": field can not be empty.',
        'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
        'allowedTopologies[0].matchLabelExpressions: Duplicate value: ""',
    ]

    def change(new: StorageClass) -> None:
        new.provisioner, new.mountOptions = "other", ["ro"]

    assert update_complaints(StorageClasses(), StorageClass.from_dict({**META, "provisioner": "p"}), change) == [
        'provisioner: Invalid value: "other": field is immutable'
    ]


def test_attributes_classes() -> None:
    obj = VolumeAttributesClass.from_dict({**META, "driverName": "d"})
    missing = "parameters: Required value: must contain at least one key/value pair"
    assert complaints(VolumeAttributesClasses(), obj) == [missing]

    def change(new: VolumeAttributesClass) -> None:
        new.parameters = {}

    obj.parameters = {"a": "b"}
    immutable = "parameters: Forbidden: updates to parameters are forbidden."
    assert update_complaints(VolumeAttributesClasses(), obj, change) == [immutable, missing]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"persistentVolumeName": "v"}, []),
        (
            {"inlineVolumeSpec": {"capacity": {"storage": "1"}, "nfs": {"server": "s", "path": "/"}}},
            [
                f"spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified {INLINE}",
                f"spec.source.inlineVolumeSpec.csi: Required value: has to be specified {INLINE}",
                "spec.source.inlineVolumeSpec.accessModes: Required value",
            ],
        ),
    ],
)
def test_attachments(source: dict[str, Any], expected: list[str]) -> None:
    assert complaints(VolumeAttachments(), attachment(source)) == expected


def test_an_attachment_does_not_change() -> None:
    def change(new: VolumeAttachment) -> None:
        new.spec.nodeName = "m"

    assert update_complaints(VolumeAttachments(), attachment({"persistentVolumeName": "v"}), change) == [
        'spec: Invalid value: {"Attacher":"a","Source":{"PersistentVolumeName":"v","InlineVolumeSpec":null},'
        '"NodeName":"m"}: field is immutable'
    ]


def test_defaults_of_a_driver() -> None:
    found = created(CSIDrivers(), driver(preventPodSchedulingIfMissing=True)).to_dict()["spec"]
    assert found == {
        "attachRequired": True,
        "fsGroupPolicy": "ReadWriteOnceWithFSType",
        "podInfoOnMount": False,
        "requiresRepublish": False,
        "seLinuxMount": False,
        "storageCapacity": False,
        "volumeLifecycleModes": ["Persistent"],
    }


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"fsGroupPolicy": "X"}, [
            'spec.fsGroupPolicy: Unsupported value: "X": supported values: "File", "None", "ReadWriteOnceWithFSType"'
        ]),
        ({"tokenRequests": [{"audience": "a", "expirationSeconds": 1}, {"audience": "a"}]}, [
            "spec.tokenRequests[0].expirationSeconds: Invalid value: 1: "
            "may not specify a duration less than 10 minutes",
            'spec.tokenRequests[1].audience: Duplicate value: "a"',
        ]),
        ({"nodeAllocatableUpdatePeriodSeconds": 9, "serviceAccountTokenInSecrets": True}, [
            "spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds",
            "spec.serviceAccountTokenInSecrets: Invalid value: true: serviceAccountTokenInSecrets is set but no "
            "tokenRequests are specified",
        ]),
    ],
)  # fmt: skip
def test_drivers(spec: dict[str, Any], expected: list[str]) -> None:
    assert complaints(CSIDrivers(), driver(**spec)) == expected


def test_what_of_a_driver_can_change() -> None:
    def change(new: CSIDriver) -> None:
        new.spec.attachRequired, new.spec.requiresRepublish = False, True

    assert update_complaints(CSIDrivers(), driver(), change) == [
        "spec.attachedRequired: Invalid value: false: field is immutable"
    ]


def test_a_driver_in_a_table() -> None:
    obj = created(CSIDrivers(), driver(tokenRequests=[{"audience": "a"}, {"audience": "b"}]))
    assert CSIDrivers().cells(obj, NOW)[:-1] == ["x", True, False, False, "a,b", False, "Persistent"]


def test_nodes() -> None:
    obj = node({"name": "d", "nodeID": "", "allocatable": {"count": -1}}, {"name": "d", "nodeID": "i" * 193})
    assert complaints(CSINodes(), obj) == [
        "spec.drivers[0].nodeID: Required value",
        "spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0",
        f'spec.drivers[1].nodeID: Invalid value: "{"i" * 193}": must be 192 characters or less',
        'spec.drivers[1].name: Duplicate value: "d"',
    ]
    assert node().to_dict()["spec"] == {"drivers": None}


def test_a_driver_on_a_node_does_not_change() -> None:
    def change(new: CSINode) -> None:
        new.spec.drivers = node({"name": "d", "nodeID": "other", "allocatable": {"count": 2}}).spec.drivers

    assert update_complaints(CSINodes(), node({"name": "d", "nodeID": "i"}), change) == [
        'spec.drivers: Invalid value: {"Name":"d","NodeID":"other","TopologyKeys":null,"Allocatable":null}: '
        "field is immutable"
    ]


def test_old_names_of_labels_are_warned_about() -> None:
    old, now = "beta.kubernetes.io/os", 'deprecated since v1.14; use "kubernetes.io/os" instead'
    terms = [{"matchLabelExpressions": [{"key": old, "values": ["linux"]}]}]
    obj = StorageClass.from_dict({**META, "provisioner": "p", "allowedTopologies": terms})
    assert list(StorageClasses().warnings(obj, None)) == [f"allowedTopologies[0].matchLabelExpressions[0].key: {now}"]
    topology = {"matchLabels": {old: "x"}, "matchExpressions": [{"key": old, "operator": "Exists"}]}
    capacity = CSIStorageCapacity.from_dict({**META, "storageClassName": "s", "nodeTopology": topology})
    assert list(CSIStorageCapacities().warnings(capacity, None)) == [
        f"nodeTopology.matchExpressions[0].key: {old} is {now}",
        f"nodeTopology.matchLabels.{old}: {now}",
    ]


def test_tables_show_nothing_of_capacities() -> None:
    assert CSIStorageCapacities().columns == ()


def test_capacities() -> None:
    obj = CSIStorageCapacity.from_dict({**META, "storageClassName": "s", "capacity": "-1"})
    assert complaints(CSIStorageCapacities(), obj) == [
        'capacity: Invalid value: "-1": must be greater than or equal to 0'
    ]
