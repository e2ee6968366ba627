"""Garbage collection: background, foreground, orphan, and owners that never were."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from api.apiregistration_v1 import APIService
from api.clock import ManualClock
from api.coordination_v1 import Lease
from api.core_v1 import ConfigMap, Node
from api.errors import ServiceUnavailable, StatusError
from api.meta_v1 import ObjectMeta, OwnerReference
from api.scheme import resource_of
from controller_manager.garbage_collector.controller import GarbageCollector
from controller_manager.garbage_collector.graph import Graph, GraphNode
from tests.controllers.cluster import Cluster, eventually
from tests.controllers.cluster import cluster as run_cluster


def owned(name: str, owners: Iterable[ConfigMap] = (), *, blocking: bool = False) -> ConfigMap:
    references = [
        OwnerReference(
            apiVersion="v1",
            kind="ConfigMap",
            name=owner.metadata.name,
            uid=owner.metadata.uid,
            blockOwnerDeletion=blocking or None,
        )
        for owner in owners
    ]
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default", ownerReferences=references))


async def left(cluster: Cluster) -> set[str]:
    return {o.metadata.name for o in (await cluster.client.list(ConfigMap, "default")).items}


async def until_left(cluster: Cluster, *names: str) -> None:
    async def only() -> bool:
        return await left(cluster) == set(names)

    await eventually(only)


async def family(cluster: Cluster, *, blocking: bool = False) -> ConfigMap:
    """A parent with two children and a grandchild, and somebody unrelated."""
    parent = await cluster.client.create(owned("parent"))
    child = await cluster.client.create(owned("child", [parent], blocking=blocking))
    await cluster.client.create(owned("second", [parent], blocking=blocking))
    await cluster.client.create(owned("grandchild", [child], blocking=blocking))
    await cluster.client.create(owned("unrelated"))
    return parent


async def running(cluster: Cluster) -> GarbageCollector:
    (collector,) = await cluster.run(GarbageCollector)
    await eventually(lambda: collector._watched and cluster.informers.have_synced)
    found: GarbageCollector = collector
    return found


async def test_dependents_go_after_their_owner(cluster: Cluster) -> None:
    """Conformance: "Garbage collector should delete pods created by rc when not orphaning"."""
    await running(cluster)
    await family(cluster)
    await cluster.client.delete(ConfigMap, "parent", "default", propagation="Background")
    await until_left(cluster, "unrelated")


async def test_dependents_go_before_their_owner(cluster: Cluster) -> None:
    """Conformance: "Garbage collector should keep the rc around until all its pods are deleted if the deleteOptions
    says so"."""
    await running(cluster)
    await family(cluster, blocking=True)
    await cluster.client.delete(ConfigMap, "parent", "default", propagation="Foreground")
    await until_left(cluster, "unrelated")
    gone = [key[2] for _, kind, key, _ in cluster.server.log if kind == "DELETED"]
    assert gone.index("grandchild") < gone.index("child") < gone.index("parent")
    assert gone.index("second") < gone.index("parent")


async def test_orphans_stay_without_their_reference(cluster: Cluster) -> None:
    """Conformance: "Garbage collector should orphan pods created by rc if delete options say so"."""
    await running(cluster)
    await family(cluster)
    await cluster.client.delete(ConfigMap, "parent", "default", propagation="Orphan")
    await until_left(cluster, "child", "second", "grandchild", "unrelated")
    assert (await cluster.client.get(ConfigMap, "child", "default")).metadata.ownerReferences == []
    assert (await cluster.client.get(ConfigMap, "grandchild", "default")).metadata.ownerReferences


async def test_one_of_two_owners_is_enough(cluster: Cluster) -> None:
    await running(cluster)
    first = await cluster.client.create(owned("first"))
    second = await cluster.client.create(owned("second"))
    await cluster.client.create(owned("shared", [first, second]))
    await cluster.client.delete(ConfigMap, "first", "default")

    async def released() -> bool:
        references = (await cluster.client.get(ConfigMap, "shared", "default")).metadata.ownerReferences
        return [r.name for r in references] == ["second"]

    await eventually(released)
    await cluster.client.delete(ConfigMap, "second", "default")
    await until_left(cluster)


async def test_an_owner_that_comes_at_the_last_moment_is_enough(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the collector hears of it after it has judged the owners, and before it looks at the object."""
    collector = await running(cluster)
    first = await cluster.client.create(owned("first"))
    second = await cluster.client.create(owned("second"))
    await cluster.client.create(owned("shared", [first]))
    look = collector._live

    async def adopted_before(node: GraphNode) -> ObjectMeta | None:
        if node.name == "shared" and len(node.owners) == 1:
            await cluster.client.patch(ConfigMap, "shared", "default", owned("shared", [first, second]).to_dict())
            await eventually(lambda: len(node.owners) == 2)
        return await look(node)

    monkeypatch.setattr(collector, "_live", adopted_before)
    await cluster.client.delete(ConfigMap, "first", "default")

    async def released() -> bool:
        references = (await cluster.client.get(ConfigMap, "shared", "default")).metadata.ownerReferences
        return [r.name for r in references] == ["second"]

    await eventually(released)


@pytest.mark.parametrize("uid", ["", "somebody-else"])
async def test_an_owner_that_does_not_exist_is_as_good_as_gone(cluster: Cluster, uid: str) -> None:
    """Also when another object bears its name now."""
    await running(cluster)
    present = await cluster.client.create(owned("present"))
    made = owned("child", [present])
    reference = made.metadata.ownerReferences[0]
    reference.uid = uid or "nobody"
    reference.name = "present" if uid else "absent"
    await cluster.client.create(made)
    await until_left(cluster, "present")


async def test_what_was_lost_while_nobody_looked_is_found_at_the_start(cluster: Cluster) -> None:
    await family(cluster)
    await cluster.client.delete(ConfigMap, "parent", "default", propagation="Background")
    assert "child" in await left(cluster)
    await running(cluster)
    await until_left(cluster, "unrelated")


async def test_cluster_wide_owners_count_in_every_namespace(cluster: Cluster) -> None:
    await running(cluster)
    node = await cluster.client.create(Node.from_dict({"metadata": {"name": "n"}}))
    made = owned("child")
    reference = OwnerReference(apiVersion="v1", kind="Node", name="n", uid=node.metadata.uid)
    made.metadata.ownerReferences = [reference]
    await cluster.client.create(made)
    await cluster.client.create(owned("stays"))
    await cluster.client.delete(Node, "n")
    await until_left(cluster, "stays")


async def test_survives_circles(cluster: Cluster) -> None:
    await running(cluster)
    one = await cluster.client.create(owned("one"))
    two = await cluster.client.create(owned("two", [one], blocking=True))
    references = [r.to_dict() for r in owned("", [two], blocking=True).metadata.ownerReferences]
    await cluster.client.patch(ConfigMap, "one", "default", {"metadata": {"ownerReferences": references}})
    await cluster.client.delete(ConfigMap, "one", "default", propagation="Foreground")
    await until_left(cluster)


def test_the_graph_forgets_what_nobody_refers_to() -> None:
    graph, where = Graph(), resource_of(ConfigMap)
    owner = OwnerReference(apiVersion="v1", kind="ConfigMap", name="o", uid="o")
    node = graph.observe(where, ObjectMeta(uid="d", name="d", namespace="n", ownerReferences=[owner]))
    virtual = graph.get("o")
    assert virtual is not None
    assert virtual.is_virtual
    assert virtual.dependents == {node}
    graph.observe(where, ObjectMeta(uid="o", name="o", namespace="n"))
    assert not virtual.is_virtual
    graph.forget("o")
    assert graph.get("o") is not None, "still referred to"
    graph.forget("d")
    assert len(graph) == 0


async def test_an_owner_in_another_namespace_is_none_and_an_event_says_so(cluster: Cluster) -> None:
    """Others whose owner it rightly is do not suffer from it."""
    await running(cluster)
    elsewhere = owned("owner")
    elsewhere.metadata.namespace = "elsewhere"
    owner = await cluster.client.create(elsewhere)
    stray = await cluster.client.create(owned("stray", [owner]))
    kept = owned("kept", [owner])
    kept.metadata.namespace = "elsewhere"
    await until_left(cluster)
    await cluster.client.create(kept)
    await cluster.client.create(owned("last", [owner]))
    await until_left(cluster)
    assert (await cluster.client.get(ConfigMap, "kept", "elsewhere")).metadata.name == "kept"
    (message,) = await cluster.event_messages("stray")
    assert message == (
        f"ownerRef [v1/ConfigMap, namespace: default, name: owner, uid: {owner.metadata.uid}] "
        'does not exist in namespace "default"'
    )
    about = next(d for k, d in cluster.server.objects.items() if k[0] == "events" and message in d["message"])
    assert (about["reason"], about["type"]) == ("OwnerRefInvalidNamespace", "Warning")
    assert about["involvedObject"]["uid"] == stray.metadata.uid


async def test_cluster_wide_objects_are_not_deleted_for_an_owner_in_a_namespace(cluster: Cluster) -> None:
    """Nobody can say in which namespace that would be."""
    collector = await running(cluster)
    owner = await cluster.client.create(owned("owner"))
    reference = OwnerReference(apiVersion="v1", kind="ConfigMap", name="owner", uid=owner.metadata.uid)
    made = Node(metadata=ObjectMeta(name="n", ownerReferences=[reference]))
    node = await cluster.client.create(made)
    await eventually(lambda: collector.graph.get(node.metadata.uid) and collector.queue.idle)
    assert (await cluster.client.get(Node, "n")).metadata.deletionTimestamp is None


async def test_a_reference_with_the_right_uid_and_a_wrong_name_is_to_nobody(cluster: Cluster) -> None:
    await running(cluster)
    owner = await cluster.client.create(owned("owner"))
    child = owned("child", [owner])
    child.metadata.ownerReferences[0].name = "another"
    await cluster.client.create(child)
    await until_left(cluster, "owner")


async def test_a_circle_of_three_goes_with_any_of_them(cluster: Cluster) -> None:
    """Conformance: "Garbage collector should not be blocked by dependency circle"."""
    await running(cluster)
    one = await cluster.client.create(owned("one"))
    two = await cluster.client.create(owned("two", [one], blocking=True))
    three = await cluster.client.create(owned("three", [two], blocking=True))
    references = [r.to_dict() for r in owned("", [three], blocking=True).metadata.ownerReferences]
    await cluster.client.patch(ConfigMap, "one", "default", {"metadata": {"ownerReferences": references}})
    await cluster.client.delete(ConfigMap, "one", "default", propagation="Foreground")
    await until_left(cluster)


async def test_dependents_with_another_valid_owner_outlive_a_foreground_deletion(cluster: Cluster) -> None:
    """Conformance: "Garbage collector should not delete dependents that have both valid owner and owner that's waiting
    for dependents to be deleted"."""
    await running(cluster)
    leaving = await cluster.client.create(owned("leaving"))
    staying = await cluster.client.create(owned("staying"))
    for number in range(10):
        owners = [leaving, staying] if number % 2 else [leaving]
        await cluster.client.create(owned(f"c{number}", owners, blocking=True))
    await cluster.client.delete(ConfigMap, "leaving", "default", propagation="Foreground")
    shared = [f"c{number}" for number in range(10) if number % 2]
    await until_left(cluster, "staying", *shared)
    for name in shared:
        meta = (await cluster.client.get(ConfigMap, name, "default")).metadata
        assert ([r.name for r in meta.ownerReferences], meta.deletionTimestamp) == (["staying"], None)


async def test_a_killed_collector_is_succeeded_by_one_that_finishes_its_work(cluster: Cluster) -> None:
    await running(cluster)
    parent = await cluster.client.create(owned("parent"))
    for number in range(20):
        await cluster.client.create(owned(f"c{number}", [parent], blocking=True))
    await cluster.client.create(owned("unrelated"))
    await cluster.client.delete(ConfigMap, "parent", "default", propagation="Foreground")
    for left_then in (15, 8):

        async def fewer(left_then: int = left_then) -> bool:
            return len(await left(cluster)) <= left_then

        await eventually(fewer)
        cluster.tasks.pop().cancel()
        await cluster.run(GarbageCollector)
    await until_left(cluster, "unrelated")


async def test_a_kind_is_found_also_if_the_server_is_away_when_it_is_announced() -> None:
    clock = ManualClock()
    async with run_cluster(clock) as cluster:
        leases = resource_of(Lease)
        cluster.server.resources.remove(leases)
        collector = await running(cluster)
        refused: list[str] = []

        def refuse(method: str, path: str) -> StatusError | None:
            if path != "/apis":
                return None
            refused.append(path)
            return ServiceUnavailable("restarting")

        cluster.server.refuse = refuse
        cluster.server.resources.append(leases)
        name = {"metadata": {"name": "v1.coordination.k8s.io"}}
        await cluster.client.create(APIService.from_dict(name))

        async def time_passes(condition: Callable[[], Any]) -> None:
            async def passed() -> bool:
                if clock.sleepers:
                    await clock.advance(0.5)
                return bool(condition())

            await eventually(passed)

        await time_passes(lambda: len(refused) >= 2)  # as often as is looked after one announcement
        cluster.server.refuse = lambda method, path: None
        await time_passes(lambda: (leases.group, leases.plural) in collector._watched)
