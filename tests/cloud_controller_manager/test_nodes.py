"""What a provider knows of nodes is written into them; nodes without a machine go."""

from typing import Any

from api.core_v1 import Node, NodeAddress, Taint
from api.errors import NotFound
from api.meta_v1 import ObjectMeta
from cloud_controller_manager.node import UNINITIALIZED, CloudNodeController
from cloud_controller_manager.node_lifecycle import SHUTDOWN, CloudNodeLifecycleController
from cloud_controller_manager.provider import Instance, Route, Unavailable
from cloud_controller_manager.route import RouteController
from tests.controllers.cluster import Cluster, eventually


class Machines:
    """A place with machines by the names of their nodes; True for those that are shut down."""

    def __init__(self, **machines: bool) -> None:
        self.machines = machines

    async def exists(self, node: Node) -> bool:
        return node.metadata.name in self.machines

    async def is_shut_down(self, node: Node) -> bool:
        return self.machines[node.metadata.name]

    async def describe(self, node: Node) -> Instance:
        address = NodeAddress(type="InternalIP", address="192.0.2.1")
        return Instance(f"place://{node.metadata.name}", [address], "large", "east-1", "east")


async def create(cluster: Cluster, name: str, *, ready: bool, **spec: Any) -> None:
    document = {"metadata": {"name": name}, "spec": spec}
    await cluster.client.create(Node.from_dict(document))
    await report(cluster, name, ready=ready)


async def report(cluster: Cluster, name: str, *, ready: bool) -> None:
    conditions = [{"type": "Ready", "status": "True" if ready else "Unknown"}]
    await cluster.client.patch(Node, name, "", {"status": {"conditions": conditions}}, subresource="status")


async def taints(cluster: Cluster, name: str) -> list[str]:
    return [taint.key for taint in (await cluster.client.get(Node, name)).spec.taints]


async def test_a_new_node_is_described_and_then_opened_for_pods(cluster: Cluster) -> None:
    await cluster.run(lambda *common: CloudNodeController(*common, instances=Machines(n=False)))
    taint = Taint(key=UNINITIALIZED, value="true", effect="NoSchedule").to_dict()
    await create(cluster, "n", ready=True, taints=[taint])

    async def opened() -> bool:
        return await taints(cluster, "n") == []

    await eventually(opened)
    node = await cluster.client.get(Node, "n")
    assert node.spec.providerID == "place://n"
    assert [address.address for address in node.status.addresses] == ["192.0.2.1"]
    assert node.metadata.labels["topology.kubernetes.io/zone"] == "east-1"
    assert node.metadata.labels["topology.kubernetes.io/region"] == "east"
    assert node.metadata.labels["node.kubernetes.io/instance-type"] == "large"


async def test_nodes_without_a_machine_go_and_those_shut_down_are_tainted(cluster: Cluster) -> None:
    machines = Machines(well=False, stopped=True)
    for name in ("well", "stopped", "vanished"):
        await create(cluster, name, ready=name == "well")
    await cluster.run(lambda *common: CloudNodeLifecycleController(*common, instances=machines, period=0.05))

    async def gone() -> bool:
        try:
            await cluster.client.get(Node, "vanished")
        except NotFound:
            return True
        return False

    await eventually(gone)

    async def tainted() -> bool:
        return await taints(cluster, "stopped") == [SHUTDOWN]

    await eventually(tainted)
    assert await taints(cluster, "well") == []
    await report(cluster, "stopped", ready=True)

    async def free() -> bool:
        return await taints(cluster, "stopped") == []

    await eventually(free)
    assert await cluster.event_messages("vanished") == [
        "Deleting node vanished because it does not exist in the cloud provider"
    ]


class Table:
    """Routes as a list, which refuses those to one node."""

    def __init__(self, *routes: Route, refuses: str = "") -> None:
        self.routes, self.refuses = [*routes], refuses

    async def list(self) -> list[Route]:
        return [*self.routes]

    async def create(self, route: Route) -> None:
        if route.node == self.refuses:
            raise Unavailable("the table is full")
        self.routes.append(route)

    async def delete(self, route: Route) -> None:
        self.routes.remove(route)


async def test_there_is_a_route_to_every_node_and_to_no_other(cluster: Cluster) -> None:
    stale, foreign = Route("old", "10.0.9.0/24"), Route("other", "192.168.0.0/24")
    table = Table(stale, foreign, refuses="late")
    await cluster.run(lambda *common: RouteController(*common, routes=table, cluster_cidr="10.0.0.0/16"))
    await create(cluster, "n", ready=True, podCIDR="10.0.1.0/24", podCIDRs=["10.0.1.0/24"])
    await create(cluster, "late", ready=True, podCIDR="10.0.2.0/24", podCIDRs=["10.0.2.0/24"])

    async def unavailable(name: str) -> str:
        conditions = (await cluster.client.get(Node, name)).status.conditions
        return next((c.reason for c in conditions if c.type == "NetworkUnavailable"), "")

    async def told() -> bool:
        return [await unavailable(name) for name in ("n", "late")] == ["RouteCreated", "NoRouteCreated"]

    await eventually(told)
    assert set(table.routes) == {foreign, Route("n", "10.0.1.0/24")}
    table.refuses = ""

    async def all_there() -> bool:
        return await unavailable("late") == "RouteCreated"

    await eventually(all_there)
    assert Route("late", "10.0.2.0/24") in table.routes


def test_metadata_is_not_needed() -> None:
    """A node that says nothing is still described."""
    from cloud_controller_manager.node import initialized

    node = initialized(Node(metadata=ObjectMeta(name="n")), Instance("place://n"))
    assert (node.spec.providerID, node.metadata.labels) == ("place://n", {})
