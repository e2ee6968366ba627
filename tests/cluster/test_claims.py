"""A pod's claim on a cluster of its own: the data outlives pods and clusters, and goes with the claim."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cluster.support import RunningCluster, needs_kubectl, needs_linux, running_cluster, until

pytestmark = [needs_linux, needs_kubectl]

CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


def run(cluster: RunningCluster, name: str, script: str) -> None:
    """A pod that runs a script with the claim mounted, to its good end."""
    mounts = [{"name": "data", "mountPath": "/data"}]
    spec = {
        "restartPolicy": "Never",
        "containers": [{"name": "c", "image": "none", "command": ["sh", "-c", script], "volumeMounts": mounts}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    cluster.kubectl("create", "-f", "-", input=json.dumps(pod))
    until(lambda: cluster.get("pod", name)["status"]["phase"] == "Succeeded", f"{name} has succeeded")
    cluster.kubectl("delete", "pod", name)


def test_data_outlives_pods_and_clusters_and_goes_with_its_claim(tmp_path: Path) -> None:
    with running_cluster(tmp_path) as cluster:
        cluster.kubectl("create", "-f", "-", input=json.dumps(CLAIM))
        run(cluster, "writer", "echo kept > /data/file")
        folder = cluster.root / "volumes"
        (volume,) = folder.iterdir()
        assert (volume / "file").read_text() == "kept\n"
        cluster.down()
        cluster.up()
        run(cluster, "reader", "grep kept /data/file")
        cluster.kubectl("delete", "pvc", "data")
        until(lambda: not cluster.get("pv")["items"], "the volume is gone")
        assert [*folder.iterdir()] == []


STATEFUL_SET = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "db"},
    "spec": {
        "replicas": 3,
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}},
        "template": {
            "metadata": {"labels": {"app": "db"}},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [
                    {
                        "name": "c",
                        "image": "none",
                        "command": ["sh", "-c", "echo $HOSTNAME >> /data/log; sleep 1000"],
                        "env": [{"name": "HOSTNAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                    }
                ],
            },
        },
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": CLAIM["spec"]}],
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"},
    },
}


def test_a_stateful_set_gets_its_claims_without_more_ado(tmp_path: Path) -> None:
    with running_cluster(tmp_path, "--nodes", "2") as cluster:
        cluster.kubectl("create", "-f", "-", input=json.dumps(STATEFUL_SET))

        def logs() -> list[str]:
            volumes = {v["spec"]["claimRef"]["name"]: v["spec"]["hostPath"]["path"] for v in cluster.get("pv")["items"]}
            files = [Path(volumes[name]) / "log" for name in sorted(volumes)]
            return [file.read_text() for file in files if file.exists()]

        until(lambda: logs() == ["db-0\n", "db-1\n", "db-2\n"], "each pod has a volume of its own")
        # kubectl may miss the deletion of one that is made again at once, and wait for that of the next.
        cluster.kubectl("delete", "pod", "db-1", "--wait=false")
        until(lambda: logs() == ["db-0\n", "db-1\ndb-1\n", "db-2\n"], "the next pod of the name has the same volume")
        cluster.kubectl("delete", "statefulset", "db")
        until(lambda: not cluster.get("pv")["items"], "the volumes are gone")
        assert [*(cluster.root / "volumes").iterdir()] == []


def test_a_volume_that_waits_for_its_first_consumer(tmp_path: Path) -> None:
    late = {"provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}
    disk = tmp_path / "disk"
    disk.mkdir()
    with running_cluster(tmp_path / "cluster") as cluster:
        (node,) = cluster.get("nodes")["items"]
        here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node["metadata"]["name"]]}
        objects = [
            {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "late"}, **late},
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": "disk"},
                "spec": {
                    "capacity": {"storage": "2Gi"},
                    "accessModes": ["ReadWriteOnce"],
                    "storageClassName": "late",
                    "persistentVolumeReclaimPolicy": "Retain",
                    "local": {"path": str(disk)},
                    "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
                },
            },
            {**CLAIM, "spec": {**CLAIM["spec"], "storageClassName": "late"}},  # type: ignore[dict-item]
        ]
        for document in objects:
            cluster.kubectl("create", "-f", "-", input=json.dumps(document))
        until(lambda: cluster.get("pv", "disk")["status"].get("phase") == "Available", "the volume is available")
        assert cluster.get("pvc", "data")["status"]["phase"] == "Pending"
        run(cluster, "writer", "echo here > /data/file")
        assert (disk / "file").read_text() == "here\n"
        assert cluster.get("pvc", "data")["spec"]["volumeName"] == "disk"
