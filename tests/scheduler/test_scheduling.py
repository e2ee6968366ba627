"""The loop: assuming, binding, reporting, making room, plugins of one's own."""

from __future__ import annotations

import asyncio

from api.errors import NotFound
from scheduler.cache import Cache
from scheduler.framework import CycleState, Status, unschedulable
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo
from tests.scheduler.world import World, make_node, make_pod


async def test_a_scheduled_pod_gets_an_event() -> None:
    world = World(make_node("a"))
    pod = make_pod("web")
    await world.schedule(pod)
    assert world.events == [("web", "Scheduled", "Successfully assigned default/web to a")]


async def test_why_a_pod_waits_is_in_its_status_once() -> None:
    world = World(make_node("a", cpu="1"))
    pod = make_pod("web", cpu="2")
    message = await world.why(pod)
    ((key, patch),) = world.patches
    assert key == "default/web"
    assert patch["conditions"] == [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
            "observedGeneration": 1,
        }
    ]


async def test_decisions_count_before_they_are_confirmed() -> None:
    world = World(make_node("a", cpu="1"), make_node("b", cpu="1"))
    pods = [make_pod(cpu="1") for _ in range(3)]
    places = await world.schedule(*pods)
    assert sorted(p or "" for p in places) == ["", "a", "b"]
    world.confirm()
    assert world.cache.nodes["a"].cpu == world.cache.nodes["b"].cpu == 1000


async def test_a_refused_binding_gives_the_room_back() -> None:
    world = World(make_node("a", cpu="1"))
    world.refuse = NotFound("gone")
    pod = make_pod(cpu="1")
    await world.schedule(pod)
    assert world.cache.nodes["a"].cpu == 0
    world.remove(pod)
    world.refuse = None
    assert await world.schedule(make_pod(cpu="1")) == ["a"]


async def test_a_binding_that_is_never_seen_expires() -> None:
    world = World(make_node("a", cpu="1"))
    await world.schedule(make_pod(cpu="1"))
    assert world.cache.nodes["a"].cpu == 1000
    await world.clock.advance(31)
    assert [p.cpu for p in world.cache.expire_assumed()] == [1000]
    assert world.cache.nodes["a"].cpu == 0


async def test_bindings_go_on_while_others_are_decided() -> None:
    world = World(make_node("a"))
    gate = asyncio.Event()
    under_way = 0

    async def slow(binding: object) -> None:
        nonlocal under_way
        under_way += 1
        await gate.wait()

    world.framework._bind[0][1]._bind = slow  # type: ignore[attr-defined]
    world.add(*(make_pod() for _ in range(10)))
    while (queued := world.queue.pop_now()) is not None:
        await world.scheduler.schedule_one(queued)
    await asyncio.sleep(0)
    assert under_way == 10
    gate.set()
    await world.scheduler.settle()


async def test_more_important_pods_make_room() -> None:
    world = World(make_node("a", cpu="2"), make_node("b", cpu="2"), make_node("c", cpu="1"))
    world.add(
        make_pod("cheap", cpu="2", priority=1, nodeName="a"),
        make_pod("dear", cpu="2", priority=5, nodeName="b"),
    )
    pod = make_pod("urgent", cpu="2", priority=10)
    message = await world.why(pod)
    assert message == "0/3 nodes are available: 3 Insufficient cpu."
    assert world.deleted == ["cheap"]
    assert world.patches[0][1]["nominatedNodeName"] == "a"
    assert await world.schedule(make_pod("other", cpu="1", priority=1)) == ["c"]
    world.remove(next(p for p in world.pods.values() if p.metadata.name == "cheap"))
    # The room on node a is promised: a less important pod does not get it, the urgent one does.
    assert await world.schedule(make_pod("greedy", cpu="1", priority=1)) == [None]
    assert world.bindings["default/urgent"] == "a"


async def test_preemption_removes_no_more_than_it_must() -> None:
    world = World(make_node("a", cpu="3"))
    world.add(*(make_pod(f"p{i}", cpu="1", priority=i, nodeName="a") for i in range(3)))
    await world.why(make_pod(cpu="2", priority=10))
    assert world.deleted == ["p1", "p0"]


async def test_when_victims_cannot_be_deleted_it_is_tried_again() -> None:
    world = World(make_node("a", cpu="1"))
    world.add(make_pod("cheap", cpu="1", nodeName="a"))
    world.refuse = ConnectionError("the server is away")
    pod = make_pod("urgent", cpu="1", priority=10)
    await world.why(pod)
    assert world.deleted == []
    assert not world.nominations.node_of(pod.metadata.uid)
    world.refuse = None
    await world.clock.advance(1)
    await world.run()
    assert world.deleted == ["cheap"]


async def test_a_pod_that_never_preempts() -> None:
    world = World(make_node("a", cpu="1"))
    world.add(make_pod(cpu="1", nodeName="a"))
    message = await world.why(make_pod(cpu="1", priority=5, preemptionPolicy="Never"))
    assert message == (
        "0/1 nodes are available: 1 Insufficient cpu. "
        "no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never."
    )


class OnlyEvenNodes:
    """A plugin as a user would write it."""

    name = "OnlyEvenNodes"

    def __init__(self, cache: Cache | None = None) -> None:
        self.reserved: dict[str, str] = {}

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        return None if int(node.name[1:]) % 2 == 0 else unschedulable("node(s) had an odd number")

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        return int(node.name[1:]) * 1000

    def normalize(self, state: CycleState, pod: PodInfo, scores: list[int]) -> list[int]:
        return [score * 100 // max(scores) for score in scores]

    def reserve(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        if pod.labels.get("refuse"):
            return unschedulable("not this one")
        self.reserved[pod.uid] = node_name
        return None

    def unreserve(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        self.reserved.pop(pod.uid, None)

    async def permit(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        return unschedulable("permission denied") if pod.labels.get("deny") else None


async def test_a_plugin_of_ones_own() -> None:
    plugin = OnlyEvenNodes()
    world = World(*(make_node(f"n{i}") for i in (1, 2, 4)), extra=[plugin])
    assert await world.schedule(make_pod()) == ["n4"]
    assert [*plugin.reserved.values()] == ["n4"]
    assert await world.why(make_pod(labels={"refuse": "yes"})) == "not this one"
    assert await world.why(make_pod(labels={"deny": "yes"})) == "permission denied"
    assert [*plugin.reserved.values()] == ["n4"]
    assert world.cache.nodes["n4"].pods.keys() == {next(iter(world.pods))}
    world = World(make_node("n1"), make_node("n3"), extra=[plugin])
    assert (await world.why(make_pod())).startswith("0/2 nodes are available: 2 node(s) had an odd number. ")


class Clumsy:
    """A plugin that fails wherever it can."""

    name = "Clumsy"

    def pre_enqueue(self, pod: PodInfo) -> Status | None:
        if pod.labels.get("enqueue"):
            raise ZeroDivisionError
        return None

    def reserve(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        if pod.labels.get("reserve"):
            raise KeyError("reserve")
        return None

    def unreserve(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        raise ValueError("nothing to give back")

    async def permit(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        if pod.labels.get("permit"):
            raise RuntimeError
        return None

    def post_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        raise OSError("too late")


async def test_a_plugin_that_raises_fails_a_pod_and_nobody_else() -> None:
    plugin = OnlyEvenNodes()
    world = World(make_node("n2"), extra=[plugin, Clumsy()])
    assert await world.why(make_pod(labels={"reserve": "yes"})) == "running Reserve plugin \"Clumsy\": 'reserve'"
    assert await world.why(make_pod(labels={"permit": "yes"})) == "RuntimeError"
    assert await world.schedule(make_pod(labels={"enqueue": "yes"})) == [None]
    assert plugin.reserved == {}
    assert not world.cache.nodes["n2"].pods
    assert await world.schedule(make_pod()) == ["n2"]


async def test_metrics_carry_kubernetes_names() -> None:
    world = World(make_node("a"))
    await world.schedule(make_pod(), make_pod(cpu="100"))
    text = world.registry.render()
    assert 'scheduler_schedule_attempts_total{result="scheduled",profile="default-scheduler"} 1' in text
    for point, status, count in (
        ("PreFilter", "Success", 2),
        ("Filter", "Success", 1),
        ("Reserve", "Success", 1),
        ("Permit", "Success", 1),
        ("PreBind", "Success", 1),
        ("Bind", "Success", 1),
        ("Filter", "UnschedulableAndUnresolvable", 1),
        ("PostFilter", "Unschedulable", 1),
    ):
        labels = f'extension_point="{point}",status="{status}",profile="default-scheduler"'
        assert f"scheduler_framework_extension_point_duration_seconds_count{{{labels}}} {count}" in text
    assert 'scheduler_pending_pods{queue="unschedulable"} 1' in text
