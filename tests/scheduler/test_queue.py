"""Waiting pods: order, back-off, and what wakes them."""

from __future__ import annotations

import asyncio

from api.errors import Conflict
from scheduler.queue import ACTIVE, BACKOFF, UNSCHEDULABLE
from tests.scheduler.world import World, make_node, make_pod


async def test_higher_priority_first_then_older() -> None:
    world = World(make_node("a", pods="2"))
    low, high, late = make_pod(priority=1), make_pod(priority=9), make_pod(priority=9)
    world.add(low)
    await world.clock.advance(1)
    world.add(high)
    await world.clock.advance(1)
    world.add(late)
    order = []
    while (queued := world.queue.pop_now()) is not None:
        order.append(queued.info.name)
    assert order == [high.metadata.name, late.metadata.name, low.metadata.name]


async def test_a_pod_that_fits_nowhere_waits_for_an_event_that_helps() -> None:
    world = World(make_node("a", cpu="1"))
    occupant = make_pod(cpu="1", nodeName="a")
    world.add(occupant)
    pod = make_pod(cpu="1")
    assert await world.schedule(pod) == [None]
    world.watching.node(make_node("a", cpu="1"), make_node("a", cpu="1", labels={"x": "y"}))  # labels do not help
    assert world.queue.counts()[UNSCHEDULABLE] == 1
    world.watching.node(None, make_node("tiny", cpu="100m"))  # too small to help
    assert world.queue.counts()[UNSCHEDULABLE] == 1
    world.remove(occupant)
    assert world.queue.counts()[BACKOFF] == 1
    await world.run()
    assert world.bindings[f"default/{pod.metadata.name}"] == "a"


async def test_heartbeats_of_nodes_wake_nobody() -> None:
    node = make_node("a", cpu="1")
    world = World(node)
    await world.schedule(make_pod(cpu="2"))
    document = node.to_dict()
    document["status"]["conditions"] = [
        {"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}
    ]
    world.watching.node(node, type(node).from_dict(document))
    assert world.queue.counts()[UNSCHEDULABLE] == 1


async def test_an_affinity_is_woken_by_the_pod_it_wants() -> None:
    world = World(make_node("a"), make_node("b"))
    term = {"labelSelector": {"matchLabels": {"app": "db"}}, "topologyKey": "kubernetes.io/hostname"}
    pod = make_pod(affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}})
    assert await world.schedule(pod) == [None]
    world.add(make_pod(nodeName="b", labels={"app": "other"}))
    assert world.queue.counts()[UNSCHEDULABLE] == 1
    world.add(make_pod(nodeName="b", labels={"app": "db"}))
    await world.run()
    assert world.bindings[f"default/{pod.metadata.name}"] == "b"


async def test_leftovers_are_tried_again_after_five_minutes() -> None:
    world = World(make_node("a", cpu="1"))
    await world.schedule(make_pod(cpu="2"))
    await world.clock.advance(299)
    assert world.queue.pop_now() is None
    await world.clock.advance(31)
    assert world.queue.pop_now() is not None


async def test_popping_sleeps_until_a_pod_comes() -> None:
    world = World(make_node("a"))
    popping = asyncio.ensure_future(world.queue.pop())
    await asyncio.sleep(0)
    assert not popping.done()
    pod = make_pod()
    world.add(pod)
    assert (await popping).info.uid == pod.metadata.uid


async def test_errors_back_off_and_double() -> None:
    world = World(make_node("a"))
    world.refuse = Conflict("no")
    pod = make_pod()
    assert await world.schedule(pod) == [None]
    waited = 0.0
    for expected in (1, 2, 4, 8, 10, 10):
        queued = world.queue.get(pod.metadata.uid)
        assert queued is not None
        assert queued.backoff_until - world.clock.monotonic() == expected
        await world.clock.advance(expected - 0.5)
        await world.run()
        assert world.queue.get(pod.metadata.uid) is queued
        attempts = queued.attempts
        await world.clock.advance(0.5)
        await world.run()
        assert queued.attempts == attempts + 1
        waited += expected
    assert world.cache.nodes["a"].cpu == 0


async def test_gated_pods_are_not_tried_until_their_gates_are_gone() -> None:
    world = World(make_node("a"))
    pod = make_pod(schedulingGates=[{"name": "x"}])
    assert await world.schedule(pod) == [None]
    assert world.queue.counts()["gated"] == 1
    assert world.events == []
    await world.clock.advance(1000)
    assert world.queue.pop_now() is None
    world.change(pod, schedulingGates=[])
    await world.run()
    assert world.bindings[f"default/{pod.metadata.name}"] == "a"


async def test_pods_of_other_schedulers_are_left_alone() -> None:
    world = World(make_node("a"))
    assert await world.schedule(make_pod(schedulerName="mine")) == [None]
    assert len(world.queue) == 0


async def test_a_status_update_alone_does_not_bring_a_pod_back() -> None:
    world = World(make_node("a", cpu="1"))
    pod = make_pod(cpu="2")
    await world.schedule(pod)
    document = pod.to_dict()
    document["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]
    world.watching.pod(pod, type(pod).from_dict(document))
    assert world.queue.counts()[UNSCHEDULABLE] == 1
    assert world.queue.counts()[ACTIVE] == 0


async def test_what_happens_while_a_pod_is_tried_is_not_missed() -> None:
    world = World(make_node("a", cpu="1"))
    occupant = make_pod(cpu="1", nodeName="a")
    waiting = make_pod(cpu="1")
    world.add(occupant, waiting)
    queued = world.queue.pop_now()
    assert queued is not None
    world.remove(occupant)  # as while an extender is asked
    world.queue.turn_down(queued, {"NodeResourcesFit"})
    assert world.queue.counts()[BACKOFF] == 1
    await world.run()
    assert world.bindings[f"default/{waiting.metadata.name}"] == "a"
    assert not world.queue._events


async def test_events_are_kept_no_longer_than_the_earliest_try() -> None:
    world = World(make_node("a"))
    world.add(make_pod(), make_pod())
    first, second = world.queue.pop_now(), world.queue.pop_now()
    assert first is not None
    assert second is not None
    world.watching.node(None, make_node("b"))
    world.queue.turn_down(first, {"NodeName"})
    assert len(world.queue._events) == 1
    world.queue.delete(second.info.uid)
    assert len(world.queue._events) == 0


async def test_metrics_say_why_pods_come_to_the_queue_and_wait() -> None:
    world = World(make_node("a", cpu="1"))
    await world.schedule(make_pod(cpu="2"))
    text = world.registry.render()
    assert 'scheduler_queue_incoming_pods_total{queue="active",event="PodAdd"} 1' in text
    assert 'scheduler_queue_incoming_pods_total{queue="unschedulable",event="ScheduleAttemptFailure"} 1' in text
    assert 'scheduler_unschedulable_pods{plugin="NodeResourcesFit",profile="default-scheduler"} 1' in text
    assert 'scheduler_cache_size{type="nodes"} 1' in text
