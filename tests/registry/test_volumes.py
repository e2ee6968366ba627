"""Volumes that are refused, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.registry.names import LABEL_MESSAGE, SUBDOMAIN_MESSAGE, label_value
from apiserver.registry.pods import Pods
from tests.registry.builders import complaints, pod

(VALUE_MESSAGE,) = label_value("-")
MODE = "must be a number between 0 and 0777 (octal), both inclusive"
PORTS = "must be a host:port pair or multiple pairs separated by commas"

DRIVERS: list[tuple[dict[str, Any], list[str]]] = [
    ({"hostPath": {"path": "/a/../b"}}, ["hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"]),
    (
        {"gitRepo": {"directory": "/a"}},
        [
            "gitRepo.repository: Required value",
            'gitRepo.directory: Invalid value: "/a": must be a relative path',
        ],
    ),
    (
        {"gcePersistentDisk": {"pdName": "d", "partition": 256}},
        ["persistentDisk.partition: Invalid value: 256: must be between 1 and 255, inclusive"],
    ),
    ({"awsElasticBlockStore": {"volumeID": ""}}, ["awsElasticBlockStore.volumeID: Required value"]),
    ({"nfs": {"server": "s", "path": "a"}}, ['nfs.path: Invalid value: "a": must be an absolute path']),
    (
        {"iscsi": {"targetPortal": "p", "iqn": "iqn.x", "lun": 256, "chapAuthSession": True, "initiatorName": "xyz"}},
        [
            'iscsi.iqn: Invalid value: "iqn.x": must be valid format',
            "iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive",
            "iscsi.secretRef: Required value",
            'iscsi.initiatorname: Invalid value: "xyz": must be valid format starting with iqn, eui, or naa',
        ],
    ),
    (
        {"flocker": {"datasetName": "a/b", "datasetUUID": "u"}},
        [
            'flocker: Invalid value: "resource": datasetName and datasetUUID can not be specified simultaneously',
            "flocker.datasetName: Invalid value: \"a/b\": must not contain '/'",
        ],
    ),
    ({"cinder": {"volumeID": "v", "secretRef": {}}}, ["cinder.secretRef.name: Required value"]),
    (
        {"quobyte": {"registry": "a:1,b", "volume": "v"}},
        [f'quobyte.registry: Invalid value: "a:1,b": {PORTS}'],
    ),
    (
        {"fc": {"targetWWNs": ["w"], "wwids": ["x"]}},
        [
            'fc.targetWWNs: Invalid value: ["w"]: targetWWNs and wwids can not be specified simultaneously',
            "fc.lun: Required value: lun is required if targetWWNs is specified",
        ],
    ),
    (
        {"flexVolume": {"driver": "d", "options": {"k8s.io/x": "y", "own/x": "y"}}},
        ['flexVolume.options[k8s.io/x]: Invalid value: "k8s.io/x": kubernetes.io and k8s.io namespaces are reserved'],
    ),
    (
        {"azureDisk": {"diskName": "d", "diskURI": "https://x", "cachingMode": "All", "kind": "Managed"}},
        [
            'azureDisk.cachingMode: Unsupported value: "All": supported values: "None", "ReadOnly", "ReadWrite"',
            'azureDisk.diskURI: Unsupported value: "https://x": supported values: "/subscriptions/{sub-id}/'
            'resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"',
        ],
    ),
    ({"storageos": {"volumeName": "A_b"}}, [f'storageos.volumeName: Invalid value: "A_b": {LABEL_MESSAGE}']),
    (
        {"csi": {"driver": "d" * 64, "nodePublishSecretRef": {}}},
        [
            "csi.driver: Too long: may not be more than 63 bytes",
            "csi.nodePublishSecretRef.name: Required value",
        ],
    ),
    ({"persistentVolumeClaim": {}}, ["persistentVolumeClaim.claimName: Required value"]),
]

OTHERS: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"configMap": {"name": "m", "defaultMode": 512, "items": [{"path": "../x"}, {"key": "k", "path": "..x"}]}},
        [
            f"configMap.defaultMode: Invalid value: 512: {MODE}",
            "configMap.items[0].key: Required value",
            "configMap.items[0].path: Invalid value: \"../x\": must not contain '..'",
            "configMap.items[1].path: Invalid value: \"..x\": must not start with '..'",
        ],
    ),
    (
        {"secret": {"items": [{"key": "k", "path": "/x", "mode": -1}]}},
        [
            "secret.secretName: Required value",
            'secret.items[0].path: Invalid value: "/x": must be a relative path',
            f"secret.items[0].mode: Invalid value: -1: {MODE}",
        ],
    ),
    (
        {"downwardAPI": {"items": [{"path": "p"}, {"path": "q", "fieldRef": {"fieldPath": "spec.nodeName"}}]}},
        [
            "downwardAPI: Required value: one of fieldRef and resourceFieldRef is required",
            'downwardAPI.fieldRef.fieldPath: Unsupported value: "spec.nodeName": supported values: '
            '"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"',
        ],
    ),
    (
        {"emptyDir": {"sizeLimit": "-1"}},
        ["emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity"],
    ),
    ({"ephemeral": {}}, ["ephemeral.volumeClaimTemplate: Required value"]),
    (
        {"ephemeral": {"volumeClaimTemplate": {"metadata": {"name": "x", "labels": {"a": "-"}}, "spec": {}}}},
        [
            f'ephemeral.volumeClaimTemplate.metadata.labels: Invalid value: "-": {VALUE_MESSAGE}',
            "ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set",
            "ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode is required",
            "ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value",
        ],
    ),
    (
        {"image": {"pullPolicy": "Often"}},
        [
            'image.pullPolicy: Unsupported value: "Often": supported values: "Always", "IfNotPresent", "Never"',
            "image.reference: Required value",
        ],
    ),
    (
        {
            "projected": {
                "sources": [
                    {"secret": {"name": "s", "items": [{"key": "a", "path": "f"}]}},
                    {
                        "configMap": {"name": "m", "items": [{"key": "a", "path": "f"}]},
                        "serviceAccountToken": {"path": "", "expirationSeconds": 5},
                    },
                ]
            }
        },
        [
            'projected: Invalid value: "m": conflicting duplicate paths',
            "projected.sources[1].serviceAccountToken.expirationSeconds: Invalid value: 5: "
            "may not specify a duration less than 10 minutes",
            "projected.path: Required value",
            "projected.sources[1]: Forbidden: may not specify more than 1 volume type per source",
            "projected.sources[1].serviceAccountToken: Forbidden: "
            "must not be specified when serviceAccountName is not set",
        ],
    ),
    (
        {"emptyDir": {}, "cephfs": {"monitors": ["m"]}, "downwardAPI": {}},
        [
            "cephFS: Forbidden: may not specify more than 1 volume type",
            "downwarAPI: Forbidden: may not specify more than 1 volume type",
        ],
    ),
]


@pytest.mark.parametrize(("source", "expected"), [*DRIVERS, *OTHERS])
def test_refusals(source: dict[str, Any], expected: list[str]) -> None:
    found = complaints(Pods(), pod(volumes=[{"name": "v", **source}]))
    assert [each.removeprefix("spec.volumes[0].") for each in found] == expected


def test_a_volume_that_is_wrong_cannot_be_mounted() -> None:
    mounting = {"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    assert complaints(Pods(), pod(containers=[mounting], volumes=[{"name": "v", "nfs": {"path": "/"}}])) == [
        "spec.volumes[0].nfs.server: Required value",
        'spec.containers[0].volumeMounts[0].name: Not found: "v"',
    ]


def test_the_claim_of_an_ephemeral_volume_is_its_own() -> None:
    template = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    volumes = [
        {"name": "v", "ephemeral": {"volumeClaimTemplate": template}},
        {"name": "w", "persistentVolumeClaim": {"claimName": "p-v"}},
    ]
    assert complaints(Pods(), pod(volumes=volumes)) == [
        'spec.volumes[1].persistentVolumeClaim.claimName: Invalid value: "p-v": '
        "must not reference a PVC that gets created for an ephemeral volume"
    ]


def test_mounts() -> None:
    mounts = [
        {"name": "v", "mountPath": "/a", "subPath": "/b"},
        {"name": "v", "mountPath": "/a", "subPathExpr": "../c", "mountPropagation": "Bidirectional"},
        {"name": "v", "mountPath": "", "recursiveReadOnly": "Enabled"},
    ]
    container = {"name": "c", "image": "i", "volumeMounts": mounts}
    found = complaints(Pods(), pod(containers=[container], volumes=[{"name": "v", "emptyDir": {}}]))
    assert [each.removeprefix("spec.containers[0].volumeMounts") for each in found] == [
        '.subPath: Invalid value: "/b": must be a relative path',
        '[1].mountPath: Invalid value: "/a": must be unique',
        ".subPathExpr: Invalid value: \"../c\": must not contain '..'",
        ".mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers",
        "[2].mountPath: Required value",
        ".recursiveReadOnly: Forbidden: may only be specified when readOnly is true",
    ]


def test_the_secret_of_a_csi_volume_has_a_name_of_an_object() -> None:
    (found,) = complaints(
        Pods(),
        pod(volumes=[{"name": "v" * 63, "csi": {"driver": "d.example", "nodePublishSecretRef": {"name": "A"}}}]),
    )
    assert found == f'spec.volumes[0].csi.name: Invalid value: "A": {SUBDOMAIN_MESSAGE}'
