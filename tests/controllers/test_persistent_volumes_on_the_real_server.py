"""Volumes and claims on the real API server, with its validation, admission and defaults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api.clock import ManualClock
from api.core_v1 import PersistentVolume, PersistentVolumeClaim
from api.errors import Forbidden
from api.storage_v1 import StorageClass
from client.cluster.default_class import make_default_class
from controller_manager.persistent_volume.controller import PersistentVolumeBinder
from controller_manager.persistent_volume.expander import ExpandController
from controller_manager.persistent_volume.host_path import HostPathPlugin
from controller_manager.storage_protection import ClaimProtectionController, VolumeProtectionController
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import Cluster, eventually, real_cluster
from tests.controllers.test_persistent_volumes import becomes, claim, vanished, volume, volume_becomes


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
async def cluster(server: RealServer, tmp_path: Path) -> AsyncIterator[Cluster]:
    binder = partial(PersistentVolumeBinder, plugin=HostPathPlugin(tmp_path / "volumes", provisions=True))
    async with real_cluster(server.config) as running:
        await running.run(binder, ExpandController, ClaimProtectionController, VolumeProtectionController)
        yield running


async def test_the_life_of_a_volume_and_its_claim(cluster: Cluster) -> None:
    """[sig-storage] PersistentVolumes CSI Conformance should run through the lifecycle of a PV and a PVC
    [Conformance]"""
    client = cluster.client

    def csi(name: str) -> PersistentVolume:
        made = volume(name, hostPath=None, csi={"driver": "e2e.example.com", "volumeHandle": name}, labels={"e2e": "1"})
        made.spec.storageClassName = "e2e"
        return made

    for name in ("first", "second"):
        await client.create(csi(name))
        await client.create(claim("data", storageClassName="e2e"))
        assert [v.metadata.name for v in (await client.list(PersistentVolume, label_selector="e2e=1")).items] == [name]
        assert [c.metadata.name for c in (await client.list(PersistentVolumeClaim, "default")).items] == ["data"]
        labels = {"metadata": {"labels": {"patched": "yes"}}}
        assert (await client.patch(PersistentVolume, name, "", labels)).metadata.labels["patched"] == "yes"
        assert (await client.patch(PersistentVolumeClaim, "data", "default", labels)).metadata.labels == {
            "patched": "yes"
        }
        assert (await becomes(cluster, "Bound")).spec.volumeName == name
        await cluster.settled()
        its = await volume_becomes(cluster, name, "Bound")
        its.metadata.labels["updated"] = "yes"
        assert (await client.update(its)).metadata.uid == its.metadata.uid
        if name == "first":
            await client.delete(PersistentVolumeClaim, "data", "default")
        else:
            await client.delete_collection(PersistentVolumeClaim, "default", label_selector="patched=yes")
        await volume_becomes(cluster, name, "Released")
        await client.delete_collection(PersistentVolume, label_selector="updated=yes")
        await eventually(partial(vanished, cluster, name))


async def test_the_statuses_can_be_written(cluster: Cluster) -> None:
    """[sig-storage] PersistentVolumes CSI Conformance should apply changes to a pv/pvc status [Conformance]"""
    client = cluster.client
    await client.create(volume("status", storageClassName="status"))
    await client.create(claim("status", storageClassName="status", volumeName="status"))
    condition = {"type": "Checked", "status": "True", "reason": "Test", "message": "patched"}
    await becomes(cluster, "Bound", "status")
    await cluster.settled()
    bound = await client.get(PersistentVolumeClaim, "status", "default")
    patch: Any = {"status": {"conditions": [condition]}}
    patched = await client.patch(
        PersistentVolumeClaim, "status", "default", patch, type="strategic", subresource="status"
    )
    assert [(c.type, c.message) for c in patched.status.conditions] == [("Checked", "patched")]
    patched.status.conditions[0].message = "updated"
    updated = await client.update(patched, subresource="status")
    assert updated.status.conditions[0].message == "updated"
    assert updated.spec == bound.spec
    patch = {"status": {"reason": "Test", "message": "patched"}}
    its = await client.patch(PersistentVolume, "status", "", patch, subresource="status")
    assert (its.status.phase, its.status.reason, its.status.message) == ("Bound", "Test", "patched")
    its.status.message = "updated"
    assert (await client.update(its, subresource="status")).status.message == "updated"
    await client.delete(PersistentVolumeClaim, "status", "default")
    await volume_becomes(cluster, "status", "Released")
    await client.delete(PersistentVolume, "status")
    await eventually(partial(vanished, cluster, "status"))


async def test_a_new_cluster_gives_volumes_to_claims_that_ask_for_nothing_special(
    cluster: Cluster, server: RealServer, tmp_path: Path
) -> None:
    client, clock = cluster.client, ManualClock()
    await client.create(claim("early", storageClassName=None))
    for _ in range(2):
        making = asyncio.create_task(make_default_class(server.kubeconfig, clock))
        await eventually(lambda: clock.sleepers)
        await clock.advance(1)
        await making
    (made,) = (await client.list(StorageClass)).items
    assert made.metadata.name == "standard"
    await client.create(claim("late", storageClassName=None))
    for name in ("early", "late"):
        bound = await becomes(cluster, "Bound", name)
        assert bound.spec.storageClassName == "standard"
        its = await client.get(PersistentVolume, bound.spec.volumeName)
        assert its.spec.hostPath is not None
        assert Path(its.spec.hostPath.path).is_dir()
    more = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    await client.patch(PersistentVolumeClaim, "late", "default", more)

    async def grown() -> bool:
        found = await client.get(PersistentVolumeClaim, "late", "default")
        return found.status.capacity == {"storage": "2Gi"}

    await eventually(grown)
    await client.patch(StorageClass, "standard", "", {"allowVolumeExpansion": False})
    more["spec"]["resources"]["requests"]["storage"] = "3Gi"
    with pytest.raises(Forbidden):
        await client.patch(PersistentVolumeClaim, "late", "default", more)
    for name in ("early", "late"):
        await client.delete(PersistentVolumeClaim, name, "default")
    await eventually(lambda: not [*(tmp_path / "volumes").iterdir()])
