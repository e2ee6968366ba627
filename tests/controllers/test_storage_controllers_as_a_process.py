"""The controller manager as a process that is killed at work; each controller has no more than its own role."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from api.core_v1 import Node, PersistentVolume, PersistentVolumeClaim, Pod
from api.errors import NotFound
from api.resource_v1 import ResourceClaim
from api.storage_v1 import VolumeAttachment, VolumeAttributesClass
from client.rest import RestClient
from controller_manager.attach_detach.csi_volume import MANAGED
from controller_manager.resource_claim import claims_of
from tests.client.component_process import ComponentProcess
from tests.client.real_server import RealServer, real_server
from tests.client.waiting import eventually
from tests.controllers.test_ephemeral_volumes import with_scratch
from tests.controllers.test_persistent_volumes import claim, storage_class, volume
from tests.controllers.test_resource_claims import template, user

CONTROLLERS = (
    "persistentvolume-binder,persistentvolume-expander,attachdetach,ephemeral-volume,resource-claim-controller,"
    "volumeattributesclass-protection-controller,pvc-protection,pv-protection,serviceaccount,device-taint-eviction"
)
COUNT = 12


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server"), "--authorization-mode", "Node,RBAC") as running:
        yield running


@pytest.fixture
async def client(server: RealServer) -> AsyncIterator[RestClient]:
    async with RestClient(server.config) as opened:
        yield opened


@pytest.fixture
def manager(server: RealServer, tmp_path: Path) -> Iterator[ComponentProcess]:
    flags = ["--use-service-account-credentials", "--leader-elect=false", "--controllers", CONTROLLERS]
    flags += ["--enable-hostpath-provisioner", "--hostpath-provisioner-root", str(tmp_path / "volumes")]
    kubeconfig = server.kubeconfig.parent / "kubeconfigs" / "controller-manager.kubeconfig"
    with ComponentProcess("controller_manager", kubeconfig, tmp_path / "log", *flags) as process:
        yield process


async def test_claims_are_served_by_a_controller_manager_that_is_killed(
    client: RestClient, manager: ComponentProcess, tmp_path: Path
) -> None:
    await client.create(storage_class("standard", default=True))
    for number in range(COUNT):
        await client.create(claim(f"data-{number}", storageClassName="standard"))

    async def bound() -> list[str]:
        found = (await client.list(PersistentVolumeClaim, "default")).items
        return [each.spec.volumeName for each in found if each.status.phase == "Bound"]

    for enough in (1, COUNT // 3, COUNT // 2):

        async def enough_are_bound(enough: int = enough) -> bool:
            return len(await bound()) >= enough

        await eventually(enough_are_bound, seconds=180)
        manager.end(signal.SIGKILL)
        manager.start()

    async def all_are_bound() -> bool:
        return len(await bound()) == COUNT

    await eventually(all_are_bound, seconds=180)
    names = sorted(each.metadata.name for each in (await client.list(PersistentVolume)).items)
    assert names == sorted(await bound())
    assert sorted(each.name for each in (tmp_path / "volumes").iterdir()) == names
    await client.delete_collection(PersistentVolumeClaim, "default")

    async def no_volumes() -> bool:
        return not (await client.list(PersistentVolume)).items

    await eventually(no_volumes)
    assert [*(tmp_path / "volumes").iterdir()] == []


async def test_each_controller_may_do_what_it_has_to(
    client: RestClient, manager: ComponentProcess, tmp_path: Path
) -> None:
    async def has_account() -> bool:
        from api.core_v1 import ServiceAccount

        return bool((await client.list(ServiceAccount, "default")).items)

    await eventually(has_account)
    node = {"metadata": {"name": "n", "annotations": {MANAGED: "true"}}}
    await client.create(Node.from_dict(node))
    await client.create(with_scratch())
    await client.create(template())
    await client.create(user("devices"))
    csi = {"driver": "disk.example.com", "volumeHandle": "h"}
    await client.create(volume("disk", hostPath=None, csi=csi, storageClassName="disks"))
    await client.create(claim("disk", storageClassName="disks"))
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "disk"}}]
    spec = {"nodeName": "n", "containers": [{"name": "c", "image": "i"}], "volumes": volumes}
    disk_user = {"metadata": {"name": "disk-user", "namespace": "default"}, "spec": spec}
    await client.create(Pod.from_dict(disk_user))

    async def done() -> bool:
        claims = {each.metadata.name for each in (await client.list(PersistentVolumeClaim, "default")).items}
        noted = [*claims_of(await client.get(Pod, "devices", "default"))]
        attached = (await client.list(VolumeAttachment)).items
        return "web-scratch" in claims and bool(noted) and len(attached) == 1

    await eventually(done)
    assert len((await client.list(ResourceClaim, "default")).items) == 1
    (attachment,) = (await client.list(VolumeAttachment)).items
    await client.patch(
        VolumeAttachment, attachment.metadata.name, "", {"status": {"attached": True}}, subresource="status"
    )

    async def reported() -> bool:
        status = (await client.get(Node, "n")).status
        return [each.name for each in status.volumesAttached] == ["kubernetes.io/csi/disk.example.com^h"]

    await eventually(reported)
    assert "forbidden" not in manager.log.read_text()


async def test_the_life_of_a_class_of_attributes(client: RestClient, manager: ComponentProcess) -> None:
    """[sig-storage] VolumeAttributesClass [FeatureGate:VolumeAttributesClass] should run through the lifecycle of a
    VolumeAttributesClass [Conformance]"""

    async def gone(name: str) -> bool:
        try:
            await client.get(VolumeAttributesClass, name)
        except NotFound:
            return True
        return False

    for name in ("first", "second"):
        body = {"metadata": {"name": name}, "driverName": "e2e.example.com", "parameters": {"iops": "5"}}
        await client.create(VolumeAttributesClass.from_dict(body))
        found = await client.get(VolumeAttributesClass, name)
        assert found.metadata.finalizers == ["kubernetes.io/vac-protection"]
        if name == "first":
            labels = {"metadata": {"labels": {"patched": "yes"}}}
            assert (await client.patch(VolumeAttributesClass, name, "", labels)).metadata.labels == {"patched": "yes"}
            await client.delete(VolumeAttributesClass, name)
        else:
            found.metadata.labels["updated"] = "yes"
            assert (await client.update(found)).metadata.labels == {"updated": "yes"}
            await client.delete_collection(VolumeAttributesClass, label_selector="updated=yes")
        await eventually(lambda name=name: gone(name))
