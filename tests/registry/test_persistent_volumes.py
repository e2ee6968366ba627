"""PersistentVolumes and claims: defaults, rules, what an update may not change, how tables show them."""

from __future__ import annotations

from typing import Any

import pytest

from api.core_v1 import PersistentVolume, PersistentVolumeClaim
from apiserver.registry.persistent_volume_claims import ClaimStatus, PersistentVolumeClaims
from apiserver.registry.persistent_volumes import PersistentVolumes, VolumeStatus
from tests.registry.builders import NOW, complaints, created, update_complaints

VOLUMES, CLAIMS = PersistentVolumes(), PersistentVolumeClaims()
HOST_PATH = {"hostPath": {"path": "/data"}}
CSI = {"csi": {"driver": "d.example.com", "volumeHandle": "h"}}
AFFINITY = {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}


def volume(annotations: dict[str, str] | None = None, **spec: Any) -> PersistentVolume:
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], **spec}
    metadata = {"name": "v", "annotations": annotations or {}}
    return PersistentVolume.from_dict({"metadata": metadata, "spec": spec})


def claim(annotations: dict[str, str] | None = None, **spec: Any) -> PersistentVolumeClaim:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    metadata = {"name": "c", "namespace": "n", "annotations": annotations or {}}
    return PersistentVolumeClaim.from_dict({"metadata": metadata, "spec": spec})


def test_defaults_of_a_volume() -> None:
    found = created(VOLUMES, volume(**HOST_PATH)).to_dict()
    assert found["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert found["spec"]["volumeMode"] == "Filesystem"
    assert found["spec"]["hostPath"] == {"path": "/data", "type": ""}
    assert found["status"] == {"phase": "Pending", "lastPhaseTransitionTime": "2026-01-02T03:04:05Z"}


def test_a_secret_of_no_namespace_is_null() -> None:
    found = volume(azureFile={"secretName": "s", "shareName": "x"}).to_dict()["spec"]["azureFile"]
    assert found == {"secretName": "s", "secretNamespace": None, "shareName": "x"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ["spec: Required value: must specify a volume type"]),
        ({**HOST_PATH, **CSI}, ["spec.csi: Forbidden: may not specify more than 1 volume type"]),
        (
            {**HOST_PATH, "volumeAttributesClassName": ""},
            [
                "spec.volumeAttributesClassName: Required value: an empty string is disallowed",
                "spec.csi: Required value: has to be specified when using volumeAttributesClassName",
            ],
        ),
        ({"local": {"path": "/d"}, "nodeAffinity": AFFINITY}, []),
        ({"local": {"path": "/d/../e"}, "nodeAffinity": AFFINITY}, ["spec.local.path: Invalid value: \"/d/../e\": must not contain '..'"]),  # noqa: E501
        ({"nfs": {"server": "s", "path": ""}}, ["spec.nfs.path: Required value", 'spec.nfs.path: Invalid value: "": must be an absolute path']),  # noqa: E501
        ({"gcePersistentDisk": {"pdName": "", "partition": 256}}, [
            "spec.persistentDisk.pdName: Required value",
            "spec.persistentDisk.partition: Invalid value: 256: must be between 1 and 255, inclusive",
        ]),
        ({"cinder": {"volumeID": "v", "secretRef": {"name": "s"}}}, [
            "spec.cinder.secretRef.namespace: Required value"
        ]),
        ({"csi": {"driver": "d", "volumeHandle": "h", "nodePublishSecretRef": {"name": "A"}}}, [
            'spec.csi.nodePublishSecretRef.name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of '
            "lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character "
            "(e.g. 'example.com', regex used for validation is "
            r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            "spec.csi.nodePublishSecretRef.namespace: Required value",
        ]),
        ({"flexVolume": {"driver": "d", "options": {"x.k8s.io/y": "1"}}}, [
            'spec.flexVolume.options[x.k8s.io/y]: Invalid value: "x.k8s.io/y": kubernetes.io and k8s.io namespaces are '
            "reserved"
        ]),
        ({"iscsi": {"targetPortal": "p", "iqn": "iqn.1", "lun": 300, "initiatorName": "x"}}, [
            'spec.iscsi.iqn: Invalid value: "iqn.1": must be valid format',
            "spec.iscsi.lun: Invalid value: 300: must be between 0 and 255, inclusive",
            'spec.iscsi.initiatorname: Invalid value: "x": must be valid format',
        ]),
        ({"iscsi": {"targetPortal": "p", "iqn": "eui.1234567890123456", "lun": 1, "secretRef": {}}}, [
            "spec.iscsi.secretRef.name: Required value",
        ]),
        ({"azureFile": {"secretName": "s", "shareName": "s", "secretNamespace": ""}}, [
            "spec.azureFile.secretNamespace: Required value"
        ]),
        ({"glusterfs": {"endpoints": "e", "path": "p", "endpointsNamespace": ""}}, [
            'spec.glusterfs.endpointsNamespace: Invalid value: "": if the endpointnamespace is set, it must be a valid '
            "namespace name"
        ]),
        ({"local": {"path": "a/../b"}}, [
            "spec.local.path: Invalid value: \"a/../b\": must not contain '..'",
            "spec.nodeAffinity: Required value: Local volume requires node affinity",
        ]),
        ({"fc": {"targetWWNs": ["a"], "wwids": ["b"]}}, [
            'spec.fc.targetWWNs: Invalid value: ["a"]: targetWWNs and wwids can not be specified simultaneously',
            "spec.fc.lun: Required value: lun is required if targetWWNs is specified",
        ]),
    ],
)  # fmt: skip
def test_where_a_volume_is(spec: dict[str, Any], expected: list[str]) -> None:
    assert complaints(VOLUMES, volume(**spec)) == expected


def test_where_a_volume_is_does_not_change() -> None:
    def move(new: PersistentVolume) -> None:
        assert new.spec.csi is not None
        new.spec.csi.volumeHandle = "other"

    assert update_complaints(VOLUMES, volume(**CSI), move) == [
        "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n"
        '@@ -22,7 +22,7 @@\n  "StorageOS": null,\n  "CSI": {\n   "Driver": "d.example.com",\n'
        '-  "VolumeHandle": "h",\n+  "VolumeHandle": "other",\n   "ReadOnly": false,\n   "FSType": "",\n'
        '   "VolumeAttributes": null,\n'
    ]


def test_the_secret_for_expansion_can_be_named_later() -> None:
    def name(new: PersistentVolume) -> None:
        new.spec.csi = PersistentVolume.from_dict(
            {"spec": {"csi": {**CSI["csi"], "controllerExpandSecretRef": {"name": "s", "namespace": "n"}}}}
        ).spec.csi

    assert update_complaints(VOLUMES, volume(**CSI), name) == []


def test_nodes_change_only_to_the_present_names_of_labels() -> None:
    def affinity(key: str) -> dict[str, Any]:
        return {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": key, "operator": "Exists"}]}]}}

    def rename(key: str) -> Any:
        return lambda new: setattr(new.spec, "nodeAffinity", volume(nodeAffinity=affinity(key)).spec.nodeAffinity)

    old = volume(**HOST_PATH, nodeAffinity=affinity("beta.kubernetes.io/os"))
    assert update_complaints(VOLUMES, old.copy_deep(), rename("kubernetes.io/os")) == []
    (complaint,) = update_complaints(VOLUMES, old, rename("other"))
    assert complaint.startswith("nodeAffinity: Invalid value: {")
    assert complaint.endswith("field is immutable, except for updating from beta label to GA")


def test_a_phase_says_since_when() -> None:
    old = created(VOLUMES, volume(**HOST_PATH))
    new = old.copy_deep()
    new.status.phase = "Bound"
    VolumeStatus().stamp(new, old, NOW.replace(year=2027))
    assert new.status.lastPhaseTransitionTime == NOW.replace(year=2027)
    VolumeStatus().stamp(unchanged := old.copy_deep(), old, NOW.replace(year=2027))
    assert unchanged.status.lastPhaseTransitionTime == NOW


def test_warnings_about_volumes() -> None:
    obj = volume(
        {"volume.beta.kubernetes.io/storage-class": "x"},
        storageos={"volumeName": "v"},
        persistentVolumeReclaimPolicy="Recycle",
    )
    assert list(VOLUMES.warnings(obj, None)) == [
        'metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use "storageClassName" '
        "attribute instead",
        "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended "
        "approach is to use dynamic provisioning.",
        "spec.storageOS: deprecated in v1.22, non-functional in v1.25+",
    ]


def test_a_volume_in_a_table() -> None:
    obj = volume(**HOST_PATH, accessModes=["ReadWriteOncePod", "ReadWriteMany", "ReadOnlyMany"], claimRef={"name": "c"})
    created(VOLUMES, obj).metadata.creationTimestamp = NOW
    assert VOLUMES.cells(obj, NOW) == [
        "v", "1Gi", "ROX,RWX,RWOP", "Retain", "Pending", "/c", "", "<unset>", "", "0s", "Filesystem",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "source", "reference"),
    [
        ({}, None, None),
        ({"dataSource": {"kind": "Thing", "name": "a"}}, None, None),
        ({"dataSourceRef": {"kind": "Thing", "name": "a", "namespace": "elsewhere"}}, None, None),
        (
            {"dataSourceRef": {"apiGroup": "x.io", "kind": "Thing", "name": "a"}},
            {"apiGroup": "x.io", "kind": "Thing", "name": "a"},
            {"apiGroup": "x.io", "kind": "Thing", "name": "a"},
        ),
        (
            {"dataSource": {"kind": "PersistentVolumeClaim", "name": "a"}},
            {"apiGroup": None, "kind": "PersistentVolumeClaim", "name": "a"},
            {"apiGroup": None, "kind": "PersistentVolumeClaim", "name": "a"},
        ),
    ],
)
def test_what_a_claim_starts_as_a_copy_of(spec: dict[str, Any], source: Any, reference: Any) -> None:
    found = created(CLAIMS, claim(**spec)).to_dict()["spec"]
    assert (found.get("dataSource"), found.get("dataSourceRef")) == (source, reference)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"accessModes": []}, ["spec.accessModes: Required value: at least 1 access mode is required"]),
        ({"resources": {}}, ["spec.resources[storage]: Required value"]),
        ({"volumeMode": "X"}, ['spec.volumeMode: Unsupported value: "X": supported values: "Block", "Filesystem"']),
        (
            {"dataSourceRef": {"kind": "Thing", "name": ""}},
            [
                "spec.dataSource.name: Required value",
                "spec.dataSource: Invalid value: \"Thing\": must be 'PersistentVolumeClaim' when referencing the "
                "default apiGroup",
                "spec.dataSourceRef.name: Required value",
                "spec.dataSourceRef: Invalid value: \"Thing\": must be 'PersistentVolumeClaim' when referencing the "
                "default apiGroup",
            ],
        ),
    ],
)
def test_what_a_claim_may_ask_for(spec: dict[str, Any], expected: list[str]) -> None:
    assert complaints(CLAIMS, claim(**spec)) == expected


def bound(**spec: Any) -> PersistentVolumeClaim:
    obj: PersistentVolumeClaim = created(CLAIMS, claim(volumeName="v", **spec))
    obj.status.phase = "Bound"
    obj.status.capacity = {"storage": "1Gi"}
    return obj


def changed(old: PersistentVolumeClaim, **spec: Any) -> list[str]:
    new = old.copy_deep()
    new.metadata.resourceVersion = "1"
    for name, value in spec.items():
        setattr(new.spec, name, value)
    return [str(error).partition("\n")[0] for error in CLAIMS.validate_update(new, old)]


def test_what_of_a_claim_can_change() -> None:
    immutable = (
        "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for "
        "bound claims"
    )
    assert changed(created(CLAIMS, claim()), volumeName="v", storageClassName="s") == []
    assert changed(created(CLAIMS, claim(storageClassName="s")), storageClassName="t") == [immutable]
    assert changed(bound(), volumeName="w") == [immutable]
    assert changed(bound(), volumeAttributesClassName="gold") == []
    assert changed(bound(volumeAttributesClassName="gold"), volumeAttributesClassName=None) == [
        "spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden"
    ]
    larger = claim(resources={"requests": {"storage": "2Gi"}}).spec.resources
    assert changed(created(CLAIMS, claim()), resources=larger) == [immutable]
    assert changed(bound(), resources=larger) == []
    assert changed(bound(), resources=claim(resources={"requests": {"storage": "1Mi"}}).spec.resources) == [
        "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
    ]


def test_a_class_named_by_the_annotation_can_be_named_by_the_field() -> None:
    key = "volume.beta.kubernetes.io/storage-class"
    old = created(CLAIMS, claim({key: "s"}))
    assert changed(old, storageClassName="s") == []
    assert len(changed(old, storageClassName="t")) == 1
    new = old.copy_deep()
    new.metadata.annotations[key] = "t"
    assert [str(error) for error in CLAIMS.validate_update(new, old)] == [
        f'metadata.annotations.{key}: Invalid value: "t": field is immutable'
    ]


def test_what_a_claims_status_may_say() -> None:
    old = bound()
    new = old.copy_deep()
    new.status.capacity = {"storage": "-1"}
    new.status.allocatedResources = {"x.io/y": "1", "cpu": "1"}
    assert [str(error) for error in ClaimStatus().validate_update(new, old)] == [
        "status.capacity[storage]: Invalid value: -1: must be a valid resource quantity",
        'status.allocatedResources: Unsupported value: "cpu": supported values: "storage"',
    ]


def test_parts_of_a_byte_are_warned_about() -> None:
    obj = claim(resources={"requests": {"storage": "1500m"}})
    assert list(CLAIMS.warnings(obj, None)) == [
        'spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer'
    ]


def test_an_update_of_a_claim_tells_every_cause_once() -> None:
    def change(new: PersistentVolumeClaim) -> None:
        new.spec.accessModes = []

    found = update_complaints(CLAIMS, claim(), change)
    assert found[0] == "spec.accessModes: Required value: at least 1 access mode is required"
    assert [each.partition(":")[0] for each in found] == ["spec.accessModes", "spec"]
