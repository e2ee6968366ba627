"""Pods whose volumes decide where they can run."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from api.core_v1 import PersistentVolume, PersistentVolumeClaim, Pod
from api.errors import Conflict
from api.storage_v1 import CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment
from scheduler.queue import BACKOFF, UNSCHEDULABLE
from scheduler.storage import BIND_COMPLETED, SELECTED_NODE
from tests.client.waiting import eventually
from tests.scheduler.world import World, make_node, make_pod

ZONE = "topology.kubernetes.io/zone"


def claim(name: str = "data", *, size: str = "1Gi", mode: str = "ReadWriteOnce", **more: Any) -> PersistentVolumeClaim:
    """volume= makes it bound to that one; delayed classes are called "late"."""
    volume = more.pop("volume", "")
    metadata = {"name": name, "namespace": "default", "uid": f"claim-{name}", **more.pop("metadata", {})}
    if volume:
        metadata["annotations"] = {BIND_COMPLETED: "yes"}
    spec = {"accessModes": [mode], "resources": {"requests": {"storage": size}}, "volumeName": volume, **more}
    spec.setdefault("storageClassName", "late")
    phase = {"status": {"phase": "Bound" if volume else "Pending"}}
    return PersistentVolumeClaim.from_dict({"metadata": metadata, "spec": spec, **phase})


def volume(name: str, *nodes: str, size: str = "1Gi", **more: Any) -> PersistentVolume:
    """One that these nodes reach; all when none is named."""
    hosts = {"key": "kubernetes.io/hostname", "operator": "In", "values": list(nodes)}
    affinity = {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [hosts]}]}}} if nodes else {}
    metadata = {"name": name, **more.pop("metadata", {})}
    status = {"status": {"phase": "Bound" if "claimRef" in more else "Available"}}
    spec = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "storageClassName": "late", **affinity}
    return PersistentVolume.from_dict({"metadata": metadata, "spec": spec | more, **status})


def storage_class(name: str = "late", provisioner: str = "example.com/disks", **more: Any) -> StorageClass:
    mode = {"volumeBindingMode": "WaitForFirstConsumer", **more}
    return StorageClass.from_dict({"metadata": {"name": name}, "provisioner": provisioner, **mode})


def pod_with(*claims: str, **more: Any) -> Pod:
    return make_pod(volumes=[{"name": n, "persistentVolumeClaim": {"claimName": n}} for n in claims], **more)


async def why(world: World, pod: Pod) -> str:
    """Without what comes of trying to make room."""
    return re.sub("( no new claims to deallocate, preemption:.*| not found)$", "", await world.why(pod))


async def test_a_pod_goes_where_its_bound_volume_is() -> None:
    world = World(make_node("a"), make_node("b"))
    world.store(storage_class(), volume("pv", "b"), claim(volume="pv"))
    assert await world.schedule(pod_with("data")) == ["b"]
    world.store(volume("pv2", "c"), claim("other", volume="pv2"), claim("lost", volume="gone"))
    assert await why(world, pod_with("other")) == (
        "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity."
    )
    assert await why(world, pod_with("lost")) == '0/2 nodes are available: persistentvolume "gone" not found.'


async def test_nobody_makes_room_for_a_pod_that_no_node_was_asked_about() -> None:
    """In the words of Kubernetes 1.34 to 1.36: the plugin of devices finds nothing that it had looked at."""
    assert await World(make_node("a")).why(pod_with("data")) == (
        '0/1 nodes are available: persistentvolumeclaim "data" not found. not found'
    )


async def test_claims_that_are_missing_going_or_waiting() -> None:
    world = World(make_node("a"))
    world.store(
        storage_class("now", volumeBindingMode="Immediate"),
        volume("pv"),
        claim("unbound", storageClassName="now"),
        claim("going", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
    )
    pod = pod_with("absent")
    assert await why(world, pod) == '0/1 nodes are available: persistentvolumeclaim "absent" not found.'
    assert await why(world, pod_with("unbound")) == (
        "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    )
    assert await why(world, pod_with("going")) == (
        '0/1 nodes are available: persistentvolumeclaim "going" is being deleted.'
    )
    own = make_pod("mine", volumes=[{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}])
    assert await why(world, own) == (
        "0/1 nodes are available: waiting for ephemeral volume controller to create the "
        'persistentvolumeclaim "mine-scratch".'
    )
    assert world.queue.counts()[UNSCHEDULABLE] == 4
    world.store(claim("absent", volume="pv"))
    assert world.queue.counts()[BACKOFF] == 1  # only the pod that names the claim
    await world.run()
    assert world.bindings[f"default/{pod.metadata.name}"] == "a"


async def test_the_smallest_volume_in_reach_is_bound_with_the_pod() -> None:
    world = World(make_node("a"), make_node("b", unschedulable=True))
    wanted = claim(size="2Gi")
    world.store(
        storage_class(),
        wanted,
        volume("large", "a", size="9Gi"),
        volume("fits", "a", size="3Gi"),
        volume("small", "a", size="1Gi"),
        volume("far", "b", size="2Gi"),
    )
    pod = pod_with("data")
    world.add(pod)
    running = asyncio.create_task(world.run())
    await eventually(lambda: world.written)
    (written,) = world.written
    assert written.metadata.name == "fits"
    assert written.spec.claimRef is not None
    assert written.spec.claimRef.uid == wanted.metadata.uid
    assert written.metadata.annotations == {"pv.kubernetes.io/bound-by-controller": "yes"}
    assert not world.bindings  # not before the binder has done its part
    world.store(written)
    world.store(claim(size="2Gi", volume="fits"))
    await running
    assert world.bindings == {f"default/{pod.metadata.name}": "a"}


async def test_two_pods_do_not_get_the_same_free_volume() -> None:
    world = World(make_node("a"))
    none = storage_class(provisioner="kubernetes.io/no-provisioner")
    world.store(none, volume("only", "a"), claim("one"), claim("two"))
    world.add(pod_with("one"), pod_with("two"))
    for _ in range(2):
        queued = world.queue.pop_now()
        assert queued is not None
        await world.scheduler.schedule_one(queued)
    (message,) = [m for _, reason, m in world.events if reason == "FailedScheduling"]
    assert message.startswith("0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind.")
    world.store(*world.written, claim("one", volume="only"))
    await world.scheduler.settle()
    assert len(world.bindings) == 1


async def test_the_provisioner_is_told_the_node() -> None:
    topology = [{"matchLabelExpressions": [{"key": ZONE, "values": ["z2"]}]}]
    world = World(make_node("a", labels={ZONE: "z1"}), make_node("b", labels={ZONE: "z2"}))
    world.store(storage_class(allowedTopologies=topology), claim())
    pod = pod_with("data")
    world.add(pod)
    running = asyncio.create_task(world.run())
    await eventually(lambda: world.written)
    assert [written.metadata.annotations for written in world.written] == [{SELECTED_NODE: "b"}]
    assert [patch for _, patch in world.patches] == [{"nominatedNodeName": "b"}]  # others see where it will go
    world.store(world.written[0])
    done = claim(volume="made")
    done.metadata.annotations[SELECTED_NODE] = "b"
    world.store(volume("made", "b"), done)
    await running
    assert world.bindings == {f"default/{pod.metadata.name}": "b"}


async def test_a_provisioner_that_gives_up_sends_the_pod_back() -> None:
    world = World(make_node("a"))
    world.store(storage_class(), claim())
    world.add(pod_with("data"))
    running = asyncio.create_task(world.run())
    await eventually(lambda: world.written)
    world.store(world.written[0])
    world.store(claim())  # the annotation is taken off: no room there
    await running
    messages = [m for _, reason, m in world.events if reason == "FailedScheduling"]
    assert messages == [
        'running PreBind plugin "VolumeBinding": binding volumes: selectedNode annotation reset for PVC "data"'
    ]
    assert not world.bindings
    assert world.cache.nodes["a"].pods == {}


async def test_binding_volumes_takes_no_longer_than_it_may() -> None:
    config = {"profiles": [{"pluginConfig": [{"name": "VolumeBinding", "args": {"bindTimeoutSeconds": 20}}]}]}
    world = World(make_node("a"), config=config)
    world.store(storage_class(), claim())
    world.add(pod_with("data"))
    running = asyncio.create_task(world.run())
    await eventually(lambda: world.written)
    await asyncio.sleep(0)
    await world.clock.advance(19)
    assert not running.done()
    await world.clock.advance(2)
    await running
    (message,) = [m for _, reason, m in world.events if reason == "FailedScheduling"]
    assert message == 'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded'


async def test_a_volume_that_changed_meanwhile_is_given_back() -> None:
    world = World(make_node("a"))
    world.store(storage_class(provisioner="kubernetes.io/no-provisioner"), volume("pv"), claim())
    world.refuse = Conflict("the object has been modified")
    world.add(pod_with("data"))
    await world.run()
    assert not world.bindings
    known = world.handle.storage.volumes.get("pv")
    assert known is not None
    assert known.spec.claimRef is None


async def test_drivers_that_know_their_room() -> None:
    world = World(make_node("a", labels={ZONE: "z1"}), make_node("b", labels={ZONE: "z2"}))
    driver = CSIDriver.from_dict({"metadata": {"name": "example.com/disks"}, "spec": {"storageCapacity": True}})
    world.store(storage_class(), claim(size="5Gi"), driver)
    pod = pod_with("data")
    assert await why(world, pod) == "0/2 nodes are available: 2 node(s) did not have enough free storage."

    def room(name: str, zone: str, most: str) -> CSIStorageCapacity:
        topology = {"matchLabels": {ZONE: zone}}
        document = {"storageClassName": "late", "capacity": "100Gi", "maximumVolumeSize": most}
        metadata = {"name": name, "namespace": "kube-system"}
        return CSIStorageCapacity.from_dict({"metadata": metadata, "nodeTopology": topology, **document})

    world.store(room("one", "z1", "4Gi"), room("two", "z2", "5Gi"))
    running = asyncio.create_task(world.run())
    await eventually(lambda: world.written)
    assert world.written[0].metadata.annotations[SELECTED_NODE] == "b"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    for task in list(world.scheduler._tasks):
        task.cancel()


async def test_a_claim_for_one_pod_is_used_by_one_pod() -> None:
    world = World(make_node("a"), make_node("b"))
    world.store(volume("pv", accessModes=["ReadWriteOncePod"]), claim(mode="ReadWriteOncePod", volume="pv"))
    first = pod_with("data")
    assert await world.schedule(first) != [None]
    second = pod_with("data")
    assert await why(world, second) == (
        "0/2 nodes are available: 2 node has pod using PersistentVolumeClaim with the same name and "
        "ReadWriteOncePod access mode."
    )
    world.confirm()
    world.remove(world.pods[first.metadata.uid])
    await world.run()
    assert f"default/{second.metadata.name}" in world.bindings


async def test_more_important_pods_take_a_claim_over() -> None:
    world = World(make_node("a"))
    world.store(volume("pv", accessModes=["ReadWriteOncePod"]), claim(mode="ReadWriteOncePod", volume="pv"))
    world.add(pod_with("data", priority=1, nodeName="a"))
    holder = next(iter(world.pods.values()))
    await world.why(pod_with("data", priority=9))
    assert world.deleted == [holder.metadata.name]


async def test_disks_that_one_node_cannot_have_twice() -> None:
    world = World(make_node("a"))
    disk = {"name": "d", "gcePersistentDisk": {"pdName": "disk"}}
    assert await world.schedule(make_pod(volumes=[disk])) == ["a"]
    assert await why(world, make_pod(volumes=[disk])) == "0/1 nodes are available: 1 node(s) had no available disk."
    reading = [{"name": "r", "gcePersistentDisk": {"pdName": "shared", "readOnly": True}}]
    assert await world.schedule(make_pod(volumes=reading), make_pod(volumes=reading)) == ["a", "a"]


async def test_volumes_of_a_zone() -> None:
    world = World(make_node("a", labels={ZONE: "z1"}), make_node("b", labels={ZONE: "z2"}))
    world.store(volume("pv", metadata={"labels": {ZONE: "z2__z3"}}), claim(volume="pv"))
    assert await world.schedule(pod_with("data")) == ["b"]
    world.store(volume("pv2", metadata={"labels": {ZONE: "z9"}}), claim("far", volume="pv2"))
    assert await why(world, pod_with("far")) == "0/2 nodes are available: 2 node(s) had no available volume zone."


async def test_nodes_take_as_many_volumes_as_their_driver_says() -> None:
    world = World(make_node("a"))
    driver = {"name": "disks", "nodeID": "a", "allocatable": {"count": 2}}
    world.store(CSINode.from_dict({"metadata": {"name": "a"}, "spec": {"drivers": [driver]}}))
    for i in range(4):
        csi = {"driver": "disks", "volumeHandle": f"h{i}"}
        world.store(volume(f"pv{i}", csi=csi), claim(f"c{i}", volume=f"pv{i}"))
    attached = {"attacher": "disks", "nodeName": "a", "source": {"persistentVolumeName": "pv3"}}
    leftover = VolumeAttachment.from_dict({"metadata": {"name": "x"}, "spec": attached})
    world.store(leftover)
    assert await world.schedule(pod_with("c0"), pod_with("c0")) == ["a", "a"]  # the same one twice counts once
    waiting = pod_with("c1")
    assert await why(world, waiting) == "0/1 nodes are available: 1 node(s) exceed max volume count."
    world._storage_seen[VolumeAttachment](leftover, None)
    await world.run()
    assert world.bindings[f"default/{waiting.metadata.name}"] == "a"
