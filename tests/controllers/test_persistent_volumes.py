"""Claims get volumes: matching, binding, provisioning, reclaiming."""

from __future__ import annotations

import asyncio
import itertools
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api.core_v1 import PersistentVolume, PersistentVolumeClaim, Pod
from api.errors import InternalError, NotFound, StatusError
from api.storage_v1 import StorageClass
from controller_manager.persistent_volume.annotations import BIND_COMPLETED, BOUND_BY_CONTROLLER, PROVISIONED_BY
from controller_manager.persistent_volume.controller import PersistentVolumeBinder
from controller_manager.persistent_volume.expander import ExpandController
from controller_manager.persistent_volume.host_path import HostPathPlugin
from controller_manager.persistent_volume.matching import best_match, misfit
from tests.controllers.cluster import Cluster, eventually

HOST_PATH = "kubernetes.io/host-path"
DEFAULT = {"storageclass.kubernetes.io/is-default-class": "true"}


def volume(name: str, size: str = "1Gi", *, annotations: dict[str, str] | None = None, **spec: Any) -> PersistentVolume:
    labels = spec.pop("labels", {})
    return PersistentVolume.from_dict(
        {
            "metadata": {"name": name, "annotations": annotations or {}, "labels": labels},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": size},
                "hostPath": {"path": "/nowhere"},
                "persistentVolumeReclaimPolicy": "Retain",
                **spec,
            },
            "status": {"phase": "Available"},
        }
    )


def claim(name: str = "data", size: str = "1Gi", **spec: Any) -> PersistentVolumeClaim:
    if spec.get("storageClassName", "") is None:
        del spec["storageClassName"]
    else:
        spec.setdefault("storageClassName", "")
    return PersistentVolumeClaim.from_dict(
        {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec},
            "status": {"phase": "Pending"},
        }
    )


def storage_class(name: str, provisioner: str = HOST_PATH, *, default: bool = False, **fields: Any) -> StorageClass:
    metadata = {"name": name, "annotations": DEFAULT if default else {}}
    return StorageClass.from_dict(
        {"metadata": metadata, "provisioner": provisioner, "reclaimPolicy": "Delete", **fields}
    )


# --- matching --------------------------------------------------------------------------------------


def chosen(wish: PersistentVolumeClaim, *volumes: PersistentVolume, delayed: bool = False) -> str | None:
    found = best_match(wish, volumes, delayed=delayed)
    return found.metadata.name if found is not None else None


def test_the_smallest_volume_that_is_large_enough_is_chosen() -> None:
    assert chosen(claim(size="2Gi"), volume("large", "8Gi"), volume("small"), volume("fits", "3Gi")) == "fits"
    assert chosen(claim(size="9Gi"), volume("large", "8Gi")) is None


def test_a_volume_that_can_do_no_more_than_asked_comes_first() -> None:
    both = volume("both", accessModes=["ReadWriteOnce", "ReadWriteMany"])
    assert chosen(claim(), both, volume("one", "5Gi")) == "one"
    assert chosen(claim(accessModes=["ReadWriteMany"]), both, volume("one")) == "both"


@pytest.mark.parametrize(
    ("wish", "other"),
    [
        ({"storageClassName": "fast"}, {}),
        ({}, {"storageClassName": "fast"}),
        ({"volumeMode": "Block"}, {"volumeMode": "Filesystem"}),
        ({"selector": {"matchLabels": {"a": "b"}}}, {"labels": {"a": "c"}}),
        ({"accessModes": ["ReadWriteOncePod"]}, {}),
        ({"volumeAttributesClassName": "gold"}, {}),
        ({}, {"claimRef": {"namespace": "default", "name": "other"}}),
    ],
)
def test_a_volume_that_is_not_what_is_asked_for_is_not_chosen(wish: dict[str, Any], other: dict[str, Any]) -> None:
    assert chosen(claim(**wish), volume("v", **other)) is None


def test_a_volume_kept_for_the_claim_goes_before_all_others() -> None:
    reference = {"namespace": "default", "name": "data"}
    kept = volume("kept", "10Gi", claimRef=reference, storageClassName="other")
    assert chosen(claim(), volume("free"), kept) == "kept"
    assert chosen(claim(), volume("free"), kept, delayed=True) == "kept"
    assert chosen(claim(), volume("free"), delayed=True) is None
    assert chosen(claim(), volume("earlier", claimRef=reference | {"uid": "of another"})) is None


def test_why_a_volume_that_was_asked_for_does_not_fit() -> None:
    assert misfit(volume("v"), claim()) == ""
    assert misfit(volume("v"), claim(size="2Gi")) == "requested PV is too small"
    assert misfit(volume("v"), claim(storageClassName="x")) == "storageClassName does not match"
    assert misfit(volume("v"), claim(volumeMode="Block")) == "incompatible volumeMode"
    assert misfit(volume("v"), claim(accessModes=["ReadWriteMany"])) == "incompatible accessMode"


# --- binding ---------------------------------------------------------------------------------------


async def phase(cluster: Cluster, name: str = "data") -> str:
    return (await cluster.client.get(PersistentVolumeClaim, name, "default")).status.phase


async def becomes(cluster: Cluster, wanted: str, name: str = "data") -> PersistentVolumeClaim:
    async def reached() -> bool:
        return await phase(cluster, name) == wanted

    await eventually(reached, f"{name} is {wanted}")
    return await cluster.client.get(PersistentVolumeClaim, name, "default")


async def volume_becomes(cluster: Cluster, name: str, wanted: str) -> PersistentVolume:
    async def reached() -> bool:
        return (await cluster.client.get(PersistentVolume, name)).status.phase == wanted

    await eventually(reached, f"{name} is {wanted}")
    return await cluster.client.get(PersistentVolume, name)


async def vanished(cluster: Cluster, name: str) -> bool:
    try:
        await cluster.client.get(PersistentVolume, name)
    except NotFound:
        return True
    return False


async def told(cluster: Cluster, name: str, message: str) -> None:
    async def seen() -> bool:
        return message in await cluster.event_messages(name)

    await eventually(seen, message)


async def test_both_sides_of_a_binding_are_written(cluster: Cluster) -> None:
    await cluster.run(PersistentVolumeBinder)
    await cluster.client.create(volume("v", "5Gi"))
    await volume_becomes(cluster, "v", "Available")
    made = await cluster.client.create(claim())
    bound = await becomes(cluster, "Bound")
    assert bound.spec.volumeName == "v"
    assert bound.status.capacity == {"storage": "5Gi"}
    assert bound.status.accessModes == ["ReadWriteOnce"]
    assert bound.metadata.annotations == {BIND_COMPLETED: "yes", BOUND_BY_CONTROLLER: "yes"}
    its = await volume_becomes(cluster, "v", "Bound")
    assert its.spec.claimRef is not None
    assert (its.spec.claimRef.kind, its.spec.claimRef.uid) == ("PersistentVolumeClaim", made.metadata.uid)
    assert its.metadata.annotations == {BOUND_BY_CONTROLLER: "yes"}


async def test_a_claim_waits_for_a_volume(cluster: Cluster) -> None:
    await cluster.run(PersistentVolumeBinder)
    await cluster.client.create(claim())
    await told(cluster, "data", "no persistent volumes available for this claim and no storage class is set")
    assert await phase(cluster) == "Pending"
    await cluster.client.create(volume("v"))
    await becomes(cluster, "Bound")


async def test_two_claims_do_not_get_one_volume(cluster: Cluster) -> None:
    await cluster.client.create(volume("v"))
    for name in ("a", "b"):
        await cluster.client.create(claim(name))
    await cluster.run(PersistentVolumeBinder)

    async def settled() -> bool:
        return sorted([await phase(cluster, "a"), await phase(cluster, "b")]) == ["Bound", "Pending"]

    await eventually(settled)


async def test_a_claim_can_ask_for_a_volume_by_name(cluster: Cluster) -> None:
    await cluster.run(PersistentVolumeBinder)
    await cluster.client.create(volume("small"))
    await cluster.client.create(volume("mine", "9Gi"))
    await cluster.client.create(claim(volumeName="mine"))
    assert BOUND_BY_CONTROLLER not in (await becomes(cluster, "Bound")).metadata.annotations
    await cluster.client.create(claim("second", volumeName="mine"))
    await told(cluster, "second", 'volume "mine" already bound to a different claim.')
    await cluster.client.create(claim("third", "5Gi", volumeName="small"))
    await told(cluster, "third", 'Cannot bind to requested volume "small": requested PV is too small')
    assert [await phase(cluster, name) for name in ("second", "third")] == ["Pending", "Pending"]


async def test_a_volume_can_be_kept_for_a_claim(cluster: Cluster) -> None:
    await cluster.run(PersistentVolumeBinder)
    await cluster.client.create(volume("kept", claimRef={"namespace": "default", "name": "data"}))
    await cluster.client.create(claim("other"))
    await cluster.client.create(claim())
    assert (await becomes(cluster, "Bound")).spec.volumeName == "kept"
    assert await phase(cluster, "other") == "Pending"
    assert BOUND_BY_CONTROLLER not in (await volume_becomes(cluster, "kept", "Bound")).metadata.annotations


async def test_a_claim_whose_volume_is_gone_is_lost(cluster: Cluster) -> None:
    await cluster.run(PersistentVolumeBinder)
    await cluster.client.create(volume("v"))
    await cluster.client.create(claim())
    await becomes(cluster, "Bound")
    await cluster.client.delete(PersistentVolume, "v")
    assert (await becomes(cluster, "Lost")).status.capacity == {}
    await told(cluster, "data", "Bound claim has lost its PersistentVolume. Data on the volume is lost!")


async def test_a_retained_volume_is_not_given_to_the_next_claim(cluster: Cluster) -> None:
    await cluster.run(PersistentVolumeBinder)
    await cluster.client.create(volume("v"))
    await cluster.client.create(claim())
    await becomes(cluster, "Bound")
    await cluster.client.delete(PersistentVolumeClaim, "data", "default")
    await volume_becomes(cluster, "v", "Released")
    await cluster.client.create(claim())
    await told(cluster, "data", "no persistent volumes available for this claim and no storage class is set")
    assert await phase(cluster) == "Pending"


async def test_the_claim_of_a_released_volume_is_not_asked_for_again(cluster: Cluster) -> None:
    await cluster.run(PersistentVolumeBinder)
    await cluster.client.create(volume("v"))
    await cluster.client.create(claim())
    await becomes(cluster, "Bound")
    await cluster.client.delete(PersistentVolumeClaim, "data", "default")
    await volume_becomes(cluster, "v", "Released")
    [binder] = cluster.controllers

    async def looked_at(label: str) -> int:
        """How often the claim has been asked for when the volume has been looked at once more."""
        await cluster.settled()
        seen = binder.reconciles
        await cluster.client.patch(PersistentVolume, "v", "", {"metadata": {"labels": {"x": label}}})
        await cluster.settled()
        assert binder.reconciles > seen
        return sum("GET /api/v1/namespaces/default/persistentvolumeclaims/" in each for each in cluster.server.requests)

    before = await looked_at("a")
    assert await looked_at("b") == before


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("Recycle", "No recycler plugin found for the volume!"),
        ("Delete", "host_path deleter only supports /tmp/hostpath_pv/.+ but received provided /nowhere"),
    ],
)
async def test_a_volume_that_cannot_be_reclaimed_fails(cluster: Cluster, policy: str, message: str) -> None:
    await cluster.run(PersistentVolumeBinder)
    await cluster.client.create(volume("v", persistentVolumeReclaimPolicy=policy))
    await cluster.client.create(claim())
    await becomes(cluster, "Bound")
    await cluster.client.delete(PersistentVolumeClaim, "data", "default")
    assert (await volume_becomes(cluster, "v", "Failed")).status.message == message
    await told(cluster, "v", message)


# --- provisioning ----------------------------------------------------------------------------------


@pytest.fixture
def binder(tmp_path: Path) -> Any:
    return partial(PersistentVolumeBinder, plugin=HostPathPlugin(tmp_path / "volumes", provisions=True))


async def test_a_volume_is_made_for_a_claim_and_goes_with_it(cluster: Cluster, binder: Any, tmp_path: Path) -> None:
    await cluster.run(binder)
    await cluster.client.create(storage_class("standard"))
    made = await cluster.client.create(claim(storageClassName="standard"))
    name = f"pvc-{made.metadata.uid}"
    bound = await becomes(cluster, "Bound")
    assert bound.spec.volumeName == name
    assert bound.metadata.annotations["volume.kubernetes.io/storage-provisioner"] == HOST_PATH
    its = await volume_becomes(cluster, name, "Bound")
    assert (its.spec.storageClassName, its.spec.persistentVolumeReclaimPolicy) == ("standard", "Delete")
    assert its.metadata.annotations[PROVISIONED_BY] == HOST_PATH
    folder = tmp_path / "volumes" / name
    assert folder.stat().st_mode & 0o777 == 0o777
    (folder / "file").write_text("x")
    await told(cluster, "data", f"Successfully provisioned volume {name} using {HOST_PATH}")
    await cluster.client.delete(PersistentVolumeClaim, "data", "default")
    await eventually(lambda: vanished(cluster, name))
    assert not folder.exists()


async def test_a_volume_that_was_made_is_not_deleted_before_what_it_holds(
    cluster: Cluster, binder: Any, tmp_path: Path
) -> None:
    await cluster.run(binder)
    await cluster.client.create(storage_class("standard"))
    await cluster.client.create(claim(storageClassName="standard"))
    name = (await becomes(cluster, "Bound")).spec.volumeName
    await cluster.client.delete(PersistentVolume, name)
    assert (await cluster.client.get(PersistentVolume, name)).metadata.deletionTimestamp is not None
    await cluster.client.delete(PersistentVolumeClaim, "data", "default")
    await eventually(lambda: vanished(cluster, name))
    assert not (tmp_path / "volumes" / name).exists()


async def test_what_is_to_be_retained_stays_when_the_volume_goes(cluster: Cluster, binder: Any, tmp_path: Path) -> None:
    await cluster.run(binder)
    await cluster.client.create(storage_class("standard"))
    await cluster.client.create(claim(storageClassName="standard"))
    name = (await becomes(cluster, "Bound")).spec.volumeName
    await cluster.client.patch(PersistentVolume, name, "", {"spec": {"persistentVolumeReclaimPolicy": "Retain"}})
    await cluster.client.delete(PersistentVolumeClaim, "data", "default")
    await volume_becomes(cluster, name, "Released")
    await cluster.client.delete(PersistentVolume, name)
    await eventually(lambda: vanished(cluster, name))
    assert (tmp_path / "volumes" / name).is_dir()


async def test_a_claim_without_a_class_gets_the_default_one_when_there_is_one(cluster: Cluster, binder: Any) -> None:
    await cluster.run(binder)
    await cluster.client.create(claim(storageClassName=None))
    await told(cluster, "data", "no persistent volumes available for this claim and no storage class is set")
    await cluster.client.create(storage_class("standard", default=True))
    assert (await becomes(cluster, "Bound")).spec.storageClassName == "standard"


async def test_binding_waits_for_the_first_consumer(cluster: Cluster, binder: Any) -> None:
    await cluster.run(binder)
    await cluster.client.create(storage_class("late", volumeBindingMode="WaitForFirstConsumer"))
    await cluster.client.create(volume("free", storageClassName="late"))
    await cluster.client.create(claim(storageClassName="late"))
    await told(cluster, "data", "waiting for first consumer to be created before binding")
    pod = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}], "containers": []}
    await cluster.client.create(Pod.from_dict({"metadata": {"name": "p", "namespace": "default"}, "spec": pod}))
    looks = itertools.count()

    async def looked_at_again() -> bool:
        """The claim is, for whatever reason: the pod may be heard of later than the first change."""
        body = {"metadata": {"labels": {"look": str(next(looks))}}}
        await cluster.client.patch(PersistentVolumeClaim, "data", "default", body)
        return "waiting for pod p to be scheduled" in await cluster.event_messages("data")

    await eventually(looked_at_again)
    assert await phase(cluster) == "Pending"
    selected = {"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "n"}}}
    await cluster.client.patch(PersistentVolumeClaim, "data", "default", selected)
    assert (await becomes(cluster, "Bound")).spec.volumeName.startswith("pvc-")


async def test_an_external_provisioner_is_waited_for(cluster: Cluster, binder: Any) -> None:
    await cluster.run(binder)
    await cluster.client.create(storage_class("csi", "disk.example.com"))
    made = await cluster.client.create(claim(storageClassName="csi"))
    await told(
        cluster,
        "data",
        "Waiting for a volume to be created either by the external provisioner 'disk.example.com' or manually by the "
        "system administrator. If volume creation is delayed, please verify that the provisioner is running and "
        "correctly registered.",
    )
    asked = await cluster.client.get(PersistentVolumeClaim, "data", "default")
    assert asked.metadata.annotations["volume.beta.kubernetes.io/storage-provisioner"] == "disk.example.com"
    reference = {"namespace": "default", "name": "data", "uid": made.metadata.uid}
    theirs = volume(
        "theirs",
        storageClassName="csi",
        claimRef=reference,
        annotations={PROVISIONED_BY: "disk.example.com"},
        persistentVolumeReclaimPolicy="Delete",
    )
    await cluster.client.create(theirs)
    assert (await becomes(cluster, "Bound")).spec.volumeName == "theirs"
    await cluster.client.delete(PersistentVolumeClaim, "data", "default")
    assert (await volume_becomes(cluster, "theirs", "Released")).metadata.deletionTimestamp is None


@pytest.mark.parametrize(
    ("provisioner", "spec", "message"),
    [
        ("kubernetes.io/no-provisioner", {}, "no volume plugin matched name: kubernetes.io/no-provisioner"),
        ("", {}, 'storageclass.storage.k8s.io "c" not found'),
        (
            HOST_PATH,
            {"volumeMode": "Block"},
            f'Failed to provision volume with StorageClass "c": {HOST_PATH} does not support block volume provisioning',
        ),
    ],
)
async def test_why_no_volume_is_made(
    cluster: Cluster, binder: Any, provisioner: str, spec: dict[str, Any], message: str
) -> None:
    await cluster.run(binder)
    if provisioner:
        await cluster.client.create(storage_class("c", provisioner))
    await cluster.client.create(claim(storageClassName="c", **spec))
    await told(cluster, "data", message)
    assert await phase(cluster) == "Pending"


async def test_a_claim_that_asks_for_more_gets_it(cluster: Cluster, binder: Any) -> None:
    await cluster.run(binder, ExpandController)
    await cluster.client.create(storage_class("standard"))
    await cluster.client.create(claim(storageClassName="standard"))
    bound = await becomes(cluster, "Bound")
    more = {"spec": {"resources": {"requests": {"storage": "3Gi"}}}}
    await cluster.client.patch(PersistentVolumeClaim, "data", "default", more)
    await told(cluster, "data", "ExpandVolume succeeded for volume default/data")
    grown = await cluster.client.get(PersistentVolumeClaim, "data", "default")
    assert grown.status.capacity == {"storage": "3Gi"}
    assert (await cluster.client.get(PersistentVolume, bound.spec.volumeName)).spec.capacity == {"storage": "3Gi"}


async def test_a_claim_that_is_heard_of_before_its_volume_grows_all_the_same(cluster: Cluster) -> None:
    (expander,) = await cluster.run(ExpandController)
    wish = claim(size="3Gi", volumeName="v")
    wish.status.phase, wish.status.capacity = "Bound", {"storage": "1Gi"}
    made = await cluster.client.create(wish)
    await eventually(lambda: expander.reconciles and expander.queue.idle)
    reference = {"namespace": "default", "name": "data", "uid": made.metadata.uid}
    await cluster.client.create(volume("v", claimRef=reference, annotations={PROVISIONED_BY: HOST_PATH}))
    await told(cluster, "data", "ExpandVolume succeeded for volume default/data")


async def test_other_volumes_are_for_others_to_grow(cluster: Cluster) -> None:
    await cluster.run(PersistentVolumeBinder, ExpandController)
    await cluster.client.create(volume("v"))
    await cluster.client.create(claim())
    await becomes(cluster, "Bound")
    more = {"spec": {"resources": {"requests": {"storage": "3Gi"}}}}
    await cluster.client.patch(PersistentVolumeClaim, "data", "default", more)
    await told(cluster, "data", "waiting for an external controller to expand this PVC")
    assert (await cluster.client.get(PersistentVolumeClaim, "data", "default")).status.capacity == {"storage": "1Gi"}


@pytest.mark.parametrize("seed", range(5))
async def test_a_controller_that_is_killed_again_and_again_comes_to_the_same(
    cluster: Cluster, binder: Any, tmp_path: Path, seed: int
) -> None:
    """Every request may be the last one of a controller; the next one goes on."""
    dice, client = random.Random(seed), cluster.client
    await client.create(storage_class("standard"))
    names = [f"made-{number}" for number in range(6)]
    for name in names:
        await client.create(claim(name, storageClassName="standard"))
    for number in range(3):
        await client.create(volume(f"v-{number}", f"{number + 1}Gi"))
        await client.create(claim(f"found-{number}", f"{number + 1}Gi"))
    everyone = [*names, *(f"found-{number}" for number in range(3))]
    dead = asyncio.Event()

    def refuse(method: str, path: str) -> StatusError | None:
        if method not in ("POST", "PUT"):
            return None
        if "events" not in path and dice.random() < 0.4:
            dead.set()
        return InternalError("killed") if dead.is_set() else None

    async def all_bound() -> bool:
        return [await phase(cluster, name) for name in everyone] == ["Bound"] * len(everyone)

    async def is_over() -> bool:
        return dead.is_set() or await all_bound()

    for _ in range(100):
        dead.clear()
        cluster.server.refuse = refuse
        await cluster.run(binder)
        await eventually(is_over)
        for task in cluster.tasks:
            task.cancel()
        await asyncio.gather(*cluster.tasks, return_exceptions=True)
        cluster.tasks.clear()
        cluster.server.refuse = lambda method, path: None
        if await all_bound():
            break
    assert await all_bound()
    volumes = (await client.list(PersistentVolume)).items
    assert len(volumes) == len(everyone)
    assert len([*(tmp_path / "volumes").iterdir()]) == len(names)
    bound = {wish.spec.volumeName for wish in (await client.list(PersistentVolumeClaim, "default")).items}
    assert bound == {each.metadata.name for each in volumes}
