"""Volumes of CSI drivers are attached where pods use them, and nowhere else."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import Any

import pytest

from api.clock import ManualClock
from api.core_v1 import Node, PersistentVolume, PersistentVolumeClaim, Pod
from api.errors import InternalError, NotFound, StatusError
from api.storage_v1 import CSIDriver, VolumeAttachment
from controller_manager.attach_detach.controller import AttachDetachController
from controller_manager.attach_detach.csi_volume import (
    MANAGED,
    OUT_OF_SERVICE,
    attachment_name,
    may_be_on_many_nodes,
    multi_attach_message,
    reported,
)
from tests.controllers.cluster import Cluster, eventually
from tests.controllers.cluster import cluster as run_cluster

UNIQUE = "kubernetes.io/csi/disk.example.com^handle-v"


def volume(name: str = "v", *modes: str) -> PersistentVolume:
    spec = {
        "accessModes": [*(modes or ("ReadWriteOnce",))],
        "capacity": {"storage": "1Gi"},
        "csi": {"driver": "disk.example.com", "volumeHandle": f"handle-{name}"},
        "claimRef": {"namespace": "default", "name": name, "uid": f"uid-{name}"},
    }
    return PersistentVolume.from_dict({"metadata": {"name": name}, "spec": spec, "status": {"phase": "Bound"}})


def pod(name: str, node: str, claim: str = "v") -> Pod:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    spec = {"nodeName": node, "containers": [{"name": "c"}], "volumes": volumes}
    return Pod.from_dict({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


async def bound(cluster: Cluster, *names: str, modes: tuple[str, ...] = (), driver: str = "disk.example.com") -> None:
    for name in names or ("v",):
        metadata = {"name": name, "namespace": "default"}
        made = await cluster.client.create(
            PersistentVolumeClaim.from_dict({"metadata": metadata, "spec": {"volumeName": name}})
        )
        its = volume(name, *modes)
        assert its.spec.claimRef is not None
        assert its.spec.csi is not None
        its.spec.csi.driver = driver
        its.spec.claimRef.uid = made.metadata.uid
        await cluster.client.create(its)


async def node(cluster: Cluster, name: str, *, ready: bool = True) -> None:
    conditions = [{"type": "Ready", "status": "True" if ready else "Unknown"}]
    metadata = {"name": name, "annotations": {MANAGED: "true"}}
    await cluster.client.create(Node.from_dict({"metadata": metadata, "status": {"conditions": conditions}}))


async def attachments(cluster: Cluster) -> dict[str, VolumeAttachment]:
    """By node."""
    return {a.spec.nodeName: a for a in (await cluster.client.list(VolumeAttachment)).items}


async def attached_to(cluster: Cluster, *nodes: str) -> None:
    async def reached() -> bool:
        return sorted(await attachments(cluster)) == sorted(nodes)

    await eventually(reached, f"attached to {nodes}")


async def driver_attaches(cluster: Cluster, node: str) -> None:
    """What the CSI driver's attacher does."""
    name = (await attachments(cluster))[node].metadata.name
    await cluster.client.patch(VolumeAttachment, name, "", {"status": {"attached": True}}, subresource="status")


async def node_reports(cluster: Cluster, name: str, *names: str) -> None:
    async def reached() -> bool:
        found = await cluster.client.get(Node, name)
        return [each.name for each in found.status.volumesAttached] == [*names]

    await eventually(reached, f"{name} has {names}")


async def in_use(cluster: Cluster, name: str, *names: str) -> None:
    """What the kubelet does."""
    await cluster.client.patch(Node, name, "", {"status": {"volumesInUse": [*names]}}, subresource="status")


async def test_a_volume_follows_its_pod(cluster: Cluster) -> None:
    await cluster.run(AttachDetachController)
    await node(cluster, "a")
    await bound(cluster)
    await cluster.client.create(pod("web", "a"))
    await attached_to(cluster, "a")
    made = (await attachments(cluster))["a"]
    assert made.metadata.name == attachment_name(volume(), "a")
    assert (made.spec.attacher, made.spec.source.persistentVolumeName) == ("disk.example.com", "v")
    await node_reports(cluster, "a")
    await driver_attaches(cluster, "a")
    await node_reports(cluster, "a", UNIQUE)

    async def told() -> bool:
        return await cluster.event_messages("web") == ['AttachVolume.Attach succeeded for volume "v" ']

    await eventually(told)
    await in_use(cluster, "a", UNIQUE)
    await cluster.client.delete(Pod, "web", "default", grace_period=0)
    await cluster.settled()
    assert (await attachments(cluster))["a"].metadata.deletionTimestamp is None
    await in_use(cluster, "a")
    await attached_to(cluster)
    await node_reports(cluster, "a")


async def test_a_volume_is_attached_also_if_it_is_seen_after_its_pod(cluster: Cluster) -> None:
    await cluster.run(AttachDetachController)
    await node(cluster, "a")
    await cluster.client.create(pod("web", "a"))
    await cluster.settled()
    await bound(cluster)
    await attached_to(cluster, "a")


async def test_a_volume_is_attached_also_if_its_pod_is_seen_before_the_node(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node comes up while the controller, which did not need them so far, begins to watch attachments."""
    (controller,) = await cluster.run(AttachDetachController)
    watch_too = controller.watch_too

    async def opened_late(*what: Any, **how: Any) -> Any:
        opened = await watch_too(*what, **how)
        if controller.nodes.get("a") is None:
            await node(cluster, "a")
            await eventually(lambda: controller.nodes.get("a"))
        return opened

    monkeypatch.setattr(controller, "watch_too", opened_late)
    await bound(cluster)
    await cluster.client.create(pod("web", "a"))
    await attached_to(cluster, "a")


async def test_a_node_that_has_just_mounted_a_volume_keeps_it(cluster: Cluster) -> None:
    """The controller may not have heard of that when the pod goes."""
    await cluster.run(AttachDetachController)
    await node(cluster, "a")
    await bound(cluster)
    await cluster.client.create(pod("web", "a"))
    await attached_to(cluster, "a")
    cluster.server.objects["nodes", "", "a"]["status"]["volumesInUse"] = [UNIQUE]  # and nobody is told
    await cluster.client.delete(Pod, "web", "default", grace_period=0)
    await eventually(lambda: "GET /api/v1/nodes/a" in cluster.server.requests)
    await cluster.client.patch(Node, "a", "", {"metadata": {"labels": {"told": "now"}}})
    await driver_attaches(cluster, "a")
    await node_reports(cluster, "a", UNIQUE)
    await in_use(cluster, "a")
    await attached_to(cluster)


async def test_a_pod_waits_until_another_node_lets_its_volume_go(cluster: Cluster) -> None:
    await cluster.run(AttachDetachController)
    for name in ("a", "b"):
        await node(cluster, name)
    await bound(cluster)
    await cluster.client.create(pod("old", "a"))
    await attached_to(cluster, "a")
    await cluster.client.create(pod("new", "b"))

    async def told() -> bool:
        return 'Multi-Attach error for volume "v" Volume is already used by pod(s) old' in (
            await cluster.event_messages("new")
        )

    await eventually(told)
    await attached_to(cluster, "a")
    await cluster.client.delete(Pod, "old", "default", grace_period=0)
    await attached_to(cluster, "b")


async def test_a_volume_is_not_attached_twice_by_a_cache_that_is_behind(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    (controller,) = await cluster.run(AttachDetachController)
    for name in ("a", "b"):
        await node(cluster, name)
    await bound(cluster, "v", "w")
    await cluster.client.create(pod("first", "b", "w"))
    await attached_to(cluster, "b")
    await cluster.settled()
    informer, late = cluster.informers.of(VolumeAttachment), list[Any]()
    with monkeypatch.context() as lagging:
        lagging.setattr(informer, "_apply", late.append)
        await cluster.client.create(pod("old", "a"))
        await attached_to(cluster, "a", "b")
        await cluster.client.create(pod("new", "b"))
        await eventually(lambda: controller.failures)
    for event in late:
        informer._apply(event)
    await cluster.settled()
    assert sorted(await attachments(cluster)) == ["a", "b"]
    assert len((await cluster.client.list(VolumeAttachment)).items) == 2


async def test_a_volume_that_can_be_shared_is_on_several_nodes(cluster: Cluster) -> None:
    await cluster.run(AttachDetachController)
    await bound(cluster, modes=("ReadWriteMany",))
    for name in ("a", "b"):
        await node(cluster, name)
        await cluster.client.create(pod(f"on-{name}", name))
    await attached_to(cluster, "a", "b")


async def test_a_driver_can_do_without_attaching(cluster: Cluster) -> None:
    spec = {"attachRequired": False}
    await cluster.client.create(CSIDriver.from_dict({"metadata": {"name": "disk.example.com"}, "spec": spec}))
    await cluster.run(AttachDetachController)
    await node(cluster, "a")
    await bound(cluster)
    await cluster.client.create(pod("web", "a"))
    await bound(cluster, "w", driver="other.example.com")
    await cluster.client.create(pod("other", "a", "w"))
    await attached_to(cluster, "a")
    await cluster.settled()
    (made,) = (await cluster.client.list(VolumeAttachment)).items
    assert made.spec.attacher == "other.example.com"


async def test_why_a_volume_cannot_be_attached_is_told(cluster: Cluster) -> None:
    await cluster.run(AttachDetachController)
    await node(cluster, "a")
    await bound(cluster)
    await cluster.client.create(pod("web", "a"))
    await attached_to(cluster, "a")
    failure = {"status": {"attachError": {"message": "no such disk", "time": None}}}
    name = attachment_name(volume(), "a")
    await cluster.client.patch(VolumeAttachment, name, "", failure, subresource="status")

    async def told() -> bool:
        return await cluster.event_messages("web") == ['AttachVolume.Attach failed for volume "v" : no such disk']

    await eventually(told)


async def test_a_node_that_is_out_of_service_loses_its_volumes_at_once(cluster: Cluster) -> None:
    await cluster.run(AttachDetachController)
    await node(cluster, "a", ready=False)
    await bound(cluster)
    await cluster.client.create(pod("web", "a"))
    await attached_to(cluster, "a")
    await in_use(cluster, "a", UNIQUE)
    await cluster.client.delete(Pod, "web", "default", grace_period=0)
    taints = [{"key": OUT_OF_SERVICE, "effect": "NoExecute"}]
    await cluster.client.patch(Node, "a", "", {"spec": {"taints": taints}})
    await attached_to(cluster)


@pytest.mark.parametrize(("ready", "force", "taken"), [(False, True, True), (True, True, False), (False, False, False)])
async def test_a_volume_is_taken_by_force_only_from_a_node_that_is_not_well(
    ready: bool, force: bool, taken: bool
) -> None:
    clock = ManualClock()
    async with run_cluster(clock) as cluster:
        await cluster.run(partial(AttachDetachController, force_detach=force))
        await node(cluster, "a", ready=ready)
        await bound(cluster)
        await cluster.client.create(pod("web", "a"))
        await attached_to(cluster, "a")
        await in_use(cluster, "a", UNIQUE)
        await cluster.client.delete(Pod, "web", "default", grace_period=0)
        await cluster.settled()
        await clock.advance(359)
        await cluster.settled()
        assert [*await attachments(cluster)] == ["a"]
        await clock.advance(2)
        await cluster.settled()
        await attached_to(cluster, *([] if taken else ["a"]))


async def test_attachments_that_others_made_are_left_alone(cluster: Cluster) -> None:
    """[sig-storage] VolumeAttachment Conformance should run through the lifecycle of a VolumeAttachment [Conformance]
    [sig-storage] VolumeAttachment Conformance should apply changes to a volumeattachment status [Conformance]

    work with attachments of volumes and nodes that there are not."""
    await bound(cluster)
    for name, source in (("unknown", "none"), ("by-hand", "v")):
        spec = {"attacher": "d", "nodeName": "nowhere", "source": {"persistentVolumeName": source}}
        await cluster.client.create(VolumeAttachment.from_dict({"metadata": {"name": name}, "spec": spec}))
    ours = VolumeAttachment.from_dict({"metadata": {"name": attachment_name(volume(), "nowhere")}, "spec": spec})
    await cluster.client.create(ours)
    await cluster.run(AttachDetachController)

    async def names() -> list[str]:
        return sorted(each.metadata.name for each in (await cluster.client.list(VolumeAttachment)).items)

    async def only_ours_is_gone() -> bool:
        return await names() == ["by-hand", "unknown"]

    await eventually(only_ours_is_gone)


async def test_a_node_that_is_gone_has_no_volumes(cluster: Cluster) -> None:
    await cluster.run(AttachDetachController)
    await node(cluster, "a")
    await bound(cluster)
    await cluster.client.create(pod("web", "a"))
    await attached_to(cluster, "a")
    await cluster.client.delete(Node, "a")
    await cluster.settled()
    await attached_to(cluster, "a")
    await cluster.client.delete(Pod, "web", "default", grace_period=0)
    await attached_to(cluster)


@pytest.mark.parametrize("seed", range(5))
async def test_a_controller_that_is_killed_again_and_again_attaches_once(cluster: Cluster, seed: int) -> None:
    """Every request may be the last one of a controller; the next one goes on."""
    dice, client = random.Random(seed), cluster.client
    dead = asyncio.Event()
    names = [f"v-{number}" for number in range(4)]
    for place in ("a", "b"):
        await node(cluster, place)
    await bound(cluster, *names)
    for number, name in enumerate(names):
        await client.create(pod(f"pod-{number}", "ab"[number % 2], name))

    def refuse(method: str, path: str) -> StatusError | None:
        if method == "GET" or "events" in path:
            return None
        if dice.random() < 0.4:
            dead.set()
        return InternalError("killed") if dead.is_set() else None

    async def live_until(done: Any) -> None:
        async def is_over() -> bool:
            return dead.is_set() or await done()

        while not await done():
            dead.clear()
            cluster.server.refuse = refuse
            await cluster.run(AttachDetachController)
            await eventually(is_over)
            for task in cluster.tasks:
                task.cancel()
            await asyncio.gather(*cluster.tasks, return_exceptions=True)
            cluster.tasks.clear()
            cluster.server.refuse = lambda method, path: None

    async def all_attached() -> bool:
        return len((await client.list(VolumeAttachment)).items) >= len(names)

    async def none_attached() -> bool:
        return not (await client.list(VolumeAttachment)).items

    await live_until(all_attached)
    found = [(a.spec.nodeName, a.spec.source.persistentVolumeName) for a in (await client.list(VolumeAttachment)).items]
    assert sorted(found) == [("a", "v-0"), ("a", "v-2"), ("b", "v-1"), ("b", "v-3")]
    for number in range(len(names)):
        await client.delete(Pod, f"pod-{number}", "default", grace_period=0)
    await live_until(none_attached)
    with pytest.raises(NotFound):
        await client.get(VolumeAttachment, attachment_name(volume("v-0"), "a"))


def test_who_may_share_a_volume() -> None:
    assert not may_be_on_many_nodes(volume("v", "ReadWriteOnce"))
    assert not may_be_on_many_nodes(volume("v", "ReadWriteOncePod"))
    assert may_be_on_many_nodes(volume("v", "ReadWriteOnce", "ReadOnlyMany"))


def test_a_pod_hears_nothing_of_other_namespaces() -> None:
    far, near = pod("far", "a"), pod("near", "a")
    far.metadata.namespace = "secret"
    start = 'Multi-Attach error for volume "v" Volume is already'
    new = pod("new", "b")
    assert multi_attach_message(volume(), new, [far]) == f"{start} used by 1 pod(s) in different namespaces"
    message = multi_attach_message(volume(), new, [far, near])
    assert message == f"{start} used by pod(s) near and 1 pod(s) in different namespaces"
    assert multi_attach_message(volume(), new, []).startswith(f"{start} exclusively attached to one node")


def test_what_others_report_is_left_alone() -> None:
    assert reported(["example.com/disk", "kubernetes.io/csi/old^x"], ["kubernetes.io/csi/d^y"]) == [
        "example.com/disk",
        "kubernetes.io/csi/d^y",
    ]
