"""The Node object and its Lease."""

from __future__ import annotations

from dataclasses import replace

from api.clock import ManualClock
from api.coordination_v1 import Lease
from api.core_v1 import Node
from kubelet.machine import Pressure
from tests.kubelet.fake_api import FakeApi, forbidden
from tests.kubelet.support import NODE, TestNode, running, settle, until


async def test_a_node_registers_ready_with_what_it_has() -> None:
    clock = ManualClock()
    async with running(TestNode(clock, FakeApi(clock))) as node:
        found = node.node()
        assert found.metadata.labels["kubernetes.io/hostname"] == NODE
        assert found.metadata.labels["kubernetes.io/os"] == "linux"
        assert found.spec.podCIDR == "10.9.0.0/24"
        assert [(a.type, a.address) for a in found.status.addresses] == [
            ("InternalIP", "192.168.7.1"),
            ("Hostname", NODE),
        ]
        assert {c.type: c.status for c in found.status.conditions} == {
            "MemoryPressure": "False",
            "DiskPressure": "False",
            "PIDPressure": "False",
            "Ready": "True",
        }
        assert found.status.nodeInfo.kubeletVersion.startswith("v1.36.")
        assert found.status.nodeInfo.containerRuntimeVersion.startswith("sim://")
        assert found.status.daemonEndpoints.kubeletEndpoint.Port == 10250


async def test_the_lease_is_renewed_and_the_status_left_alone() -> None:
    clock = ManualClock()
    async with running(TestNode(clock, FakeApi(clock))) as node:
        lease = await until(lambda: node.api.objects.get((Lease, "kube-node-lease", NODE)))
        assert lease.spec.holderIdentity == NODE
        assert lease.metadata.ownerReferences[0].uid == node.node().metadata.uid
        await settle()
        node.api.writes.clear()
        for _ in range(6):
            await clock.advance(10)
            await settle()
        assert node.api.writes == [("update", "Lease", NODE)] * 6
        for _ in range(30):
            await clock.advance(10)
            await settle()
        assert node.api.writes.count(("patch", "Node", NODE)) == 1


async def test_pressure_is_told_at_the_next_look() -> None:
    clock = ManualClock()
    async with running(TestNode(clock, FakeApi(clock))) as node:
        node.pressure = Pressure(True, False, False)
        await until(lambda: node.node().status.conditions[0].status == "True", clock=clock)
        condition = node.node().status.conditions[0]
        assert (condition.type, condition.reason) == ("MemoryPressure", "KubeletHasInsufficientMemory")


async def test_a_node_that_exists_is_brought_up_to_date() -> None:
    clock = ManualClock()
    api = FakeApi(clock)
    api.add(
        Node.from_dict(
            {
                "metadata": {"name": NODE, "labels": {"mine": "1"}},
                "spec": {"unschedulable": True},
                "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]},
            }
        )
    )
    async with running(TestNode(clock, api)) as node:
        found = await until(lambda: (now := node.node()) and "kubernetes.io/hostname" in now.metadata.labels and now)
        assert found.metadata.labels["mine"] == "1"
        assert found.spec.unschedulable
        await until(lambda: {c.type: c.status for c in node.node().status.conditions}["Ready"] == "True")


async def test_registration_is_tried_until_it_works() -> None:
    clock = ManualClock()
    api = FakeApi(clock)
    api.fail = [forbidden(), forbidden(), forbidden()]
    import asyncio

    node = TestNode(clock, api)
    task = asyncio.create_task(node.run())
    await until(node.node, clock=clock)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await settle()


async def test_what_others_write_about_the_node_is_set_right() -> None:
    clock = ManualClock()
    async with running(TestNode(clock, FakeApi(clock))) as node:
        changed = node.node().copy_deep()
        changed.status.conditions[3].status = "Unknown"
        node.api.change(changed)
        await until(lambda: node.node().status.conditions[3].status == "True")


async def test_a_range_of_addresses_may_come_later() -> None:
    clock = ManualClock()
    subject = TestNode(clock, FakeApi(clock))
    told: list[str] = []

    async def update(cidr: str) -> None:
        told.append(cidr)

    subject.kubelet.node.facts = replace(subject.kubelet.node.facts, pod_cidr="")
    subject.runtime.update_pod_cidr = update  # type: ignore[method-assign]
    async with running(subject) as node:
        await settle()
        assert told == []
        changed = node.node().copy_deep()
        changed.spec.podCIDR = "10.7.0.0/24"
        node.api.change(changed)
        await until(lambda: told == ["10.7.0.0/24"])
