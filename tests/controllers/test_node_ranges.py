"""What nodes are told of addresses and of the cluster's size."""

import ipaddress

import pytest

from api.core_v1 import Node, NodeSpec
from api.meta_v1 import ObjectMeta
from controller_manager.node_ipam import NodeIPAMController, RangePool
from controller_manager.ttl import ANNOTATION, TTLController, step
from tests.controllers.cluster import Cluster, eventually


def node(name: str, *ranges: str) -> Node:
    spec = NodeSpec(podCIDR=ranges[0] if ranges else "", podCIDRs=[*ranges])
    return Node(metadata=ObjectMeta(name=name), spec=spec)


def allocator(*pools: RangePool) -> object:
    return lambda *common: NodeIPAMController(*common, pools=pools)


async def ranges(cluster: Cluster) -> dict[str, list[str]]:
    return {each.metadata.name: each.spec.podCIDRs for each in (await cluster.client.list(Node)).items}


async def all_have(cluster: Cluster) -> bool:
    return all((await ranges(cluster)).values())


def test_pieces_are_given_once_and_anew_only_when_all_were_given() -> None:
    pool = RangePool("10.0.0.0/22", 24, excluded=["10.0.1.128/25", "fd00::/64"])
    given = []
    while (found := pool.free()) is not None:
        pool.occupy(found)
        given.append(str(found))
        if len(given) == 1:
            pool.release(found)
    assert given == ["10.0.0.0/24", "10.0.2.0/24", "10.0.3.0/24", "10.0.0.0/24"]
    pool.release(ipaddress.ip_network("10.0.2.0/23"))
    assert str(pool.free()) == "10.0.2.0/24"
    assert str(RangePool("fd00::/56", 64).free()) == "fd00::/64"


@pytest.mark.parametrize(("whole", "length"), [("10.0.0.0/16", 8), ("fd00::/32", 64), ("10.0.0.0/16", 33)])
def test_pieces_that_do_not_fit(whole: str, length: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        RangePool(whole, length)


async def test_every_node_gets_a_range_of_each_family_that_no_other_has(cluster: Cluster) -> None:
    await cluster.client.create(node("old", "10.244.0.0/24", "fd00::/64"))
    await cluster.client.create(node("new"))
    await cluster.run(allocator(RangePool("10.244.0.0/16", 24), RangePool("fd00::/56", 64)))
    await eventually(lambda: all_have(cluster))
    assert (await ranges(cluster))["new"] == ["10.244.1.0/24", "fd00:0:0:1::/64"]
    assert (await cluster.client.get(Node, "new")).spec.podCIDR == "10.244.1.0/24"


async def test_a_range_comes_free_with_its_node_and_people_are_told_when_none_is(cluster: Cluster) -> None:
    await cluster.run(allocator(RangePool("10.0.0.0/23", 24)))
    for name in ("a", "b", "c"):
        await cluster.client.create(node(name))

    async def told() -> str | None:
        without = [name for name, held in (await ranges(cluster)).items() if not held]
        if len(without) != 1:
            return None
        wanted = f"Node {without[0]} status is now: CIDRNotAvailable"
        return without[0] if wanted in await cluster.event_messages(without[0]) else None

    last = await eventually(told)
    await cluster.client.delete(Node, "a" if last != "a" else "b")
    await eventually(lambda: all_have(cluster))
    held = [each for found in (await ranges(cluster)).values() for each in found]
    assert len(held) == len(set(held)) == 2


async def test_a_restart_gives_nothing_twice(cluster: Cluster) -> None:
    for number in range(20):
        await cluster.client.create(node(f"n{number}"))
        if number in (5, 10):
            await cluster.settled()  # what is on its way when a controller ends, the next one may not see
            await cluster.stop()
            cluster.informers = type(cluster.informers)(cluster.client, cluster.clock)
        if number in (0, 5, 10):
            await cluster.run(allocator(RangePool("10.0.0.0/16", 24)))
    await eventually(lambda: all_have(cluster))
    held = [each for found in (await ranges(cluster)).values() for each in found]
    assert len(set(held)) == 20


def test_how_long_kubelets_may_keep_things_follows_the_size_with_some_play() -> None:
    assert [step(0, nodes) for nodes in (0, 100, 101, 501, 2001, 20000)] == [0, 0, 1, 2, 4, 5]
    assert [step(1, nodes) for nodes in (95, 90, 89)] == [1, 1, 0]


async def test_every_node_says_how_long_things_may_be_kept(cluster: Cluster) -> None:
    await cluster.client.create(node("n"))
    await cluster.run(allocator())  # so that the nodes are known already
    await cluster.run(TTLController)

    async def said(wanted: str) -> bool:
        return (await cluster.client.get(Node, "n")).metadata.annotations.get(ANNOTATION) == wanted

    await eventually(lambda: said("0"))
    await cluster.client.patch(Node, "n", "", {"metadata": {"annotations": {ANNOTATION: "7"}}})
    await eventually(lambda: said("0"))
