"""Making room: whom it hits, whom it spares, what becomes of promises; against a slow and obvious reference too."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.core_v1 import Pod
from api.policy_v1 import PodDisruptionBudget
from scheduler.plugins.default_preemption import importance
from scheduler.pod_info import PodInfo
from tests.scheduler.world import World, make_node, make_pod


def budget(app: str, allowed: int, going: tuple[str, ...] = ()) -> PodDisruptionBudget:
    disrupted = dict.fromkeys(going, "2026-01-01T00:00:00Z")
    return PodDisruptionBudget.from_dict(
        {
            "metadata": {"name": app, "namespace": "default"},
            "spec": {"selector": {"matchLabels": {"app": app}}},
            "status": {"disruptionsAllowed": allowed, "disruptedPods": disrupted},
        }
    )


def started(second: int) -> dict[str, Any]:
    return {"startTime": f"2026-01-01T00:00:{second:02}Z", "phase": "Running"}


async def test_pods_of_spent_budgets_are_spared() -> None:
    """ "[sig-scheduling] SchedulerPreemption [Serial] validates basic preemption works [Conformance]" """
    world = World(make_node("a", cpu="1"), make_node("b", cpu="1"))
    world.handle.budgets.set(budget("web", 0))
    world.add(
        make_pod("kept", labels={"app": "web"}, cpu="1", priority=1, nodeName="a"),
        make_pod("free", labels={"app": "batch"}, cpu="1", priority=5, nodeName="b"),
    )
    await world.why(make_pod("urgent", cpu="1", priority=10))
    assert world.deleted == ["free"]


async def test_a_budget_is_exceeded_when_nothing_else_helps() -> None:
    world = World(make_node("a", cpu="1"))
    world.handle.budgets.set(budget("web", 0))
    world.add(make_pod("kept", labels={"app": "web"}, cpu="1", priority=1, nodeName="a"))
    await world.why(make_pod("urgent", cpu="1", priority=10))
    assert world.deleted == ["kept"]


async def test_budgets_are_counted_down_over_the_victims() -> None:
    world = World(make_node("a", cpu="4"))
    world.handle.budgets.set(budget("web", 1))
    names = [f"web-{i}" for i in range(2)]
    world.add(*(make_pod(name, labels={"app": "web"}, cpu="1", priority=1, nodeName="a") for name in names))
    world.add(*(make_pod(f"batch-{i}", cpu="1", priority=5, nodeName="a") for i in range(2)))
    await world.why(make_pod("urgent", cpu="2", priority=10))
    assert len(world.deleted) == 2
    assert sum(name in names for name in world.deleted) == 1  # one may go; the other would be one too many


async def test_pods_that_a_budget_has_let_go_already_do_not_count_again() -> None:
    world = World()
    world.handle.budgets.set(budget("web", 0, going=("one",)))
    pods = [PodInfo(make_pod(name, labels={"app": "web"})) for name in ("one", "two")]
    exceeding, bearable = world.handle.budgets.split(pods)
    assert [p.name for p in exceeding] == ["two"]
    assert [p.name for p in bearable] == ["one"]
    world.handle.budgets.remove("default", "web")
    assert world.handle.budgets.split(pods) == ([], pods)


async def test_the_pod_that_runs_for_a_shorter_time_goes() -> None:
    world = World(make_node("a", cpu="1"), make_node("b", cpu="1"))
    world.add(
        make_pod("old", cpu="1", nodeName="a", status=started(1)),
        make_pod("new", cpu="1", nodeName="b", status=started(9)),
    )
    await world.why(make_pod(cpu="1", priority=10))
    assert world.deleted == ["new"]


async def test_critical_pods_make_room() -> None:
    """ "[sig-scheduling] SchedulerPreemption [Serial] validates lower priority pod preemption by critical pod
    [Conformance]" """
    world = World(make_node("a", cpu="1"))
    world.add(make_pod("cheap", cpu="1", priority=100, nodeName="a"))
    await world.why(make_pod("critical", namespace="kube-system", cpu="1", priority=2_000_000_000))
    assert world.deleted == ["cheap"]


async def test_levels_of_priority_each_make_room_for_the_next() -> None:
    """ "[sig-scheduling] SchedulerPreemption [Serial] PreemptionExecutionPath runs ReplicaSets to verify preemption
    running path [Conformance]" """
    world = World(make_node("a", resources={"example.com/fake": "10"}))

    def level(priority: int, size: int, count: int) -> list[Pod]:
        wants = {"example.com/fake": str(size)}
        return [make_pod(f"rs{priority}-{i}", requests=wants, priority=priority) for i in range(count)]

    first, second, third = level(1, 1, 5), level(2, 2, 1), level(3, 3, 1)
    assert await world.schedule(*first, *second, *third) == ["a"] * 7
    world.confirm()
    (top,) = level(4, 6, 1)
    assert await world.schedule(top) == [None]
    assert {name.split("-")[0] for name in world.deleted} <= {"rs1", "rs2"}
    for pod in list(world.pods.values()):
        if pod.metadata.name in world.deleted:
            world.remove(pod)
    await world.clock.advance(1)
    await world.run()
    assert world.bindings["default/rs4-0"] == "a"
    assert world.cache.nodes["a"].scalars["example.com/fake"] <= 10


async def test_less_important_pods_lose_a_promise() -> None:
    world = World(make_node("a", cpu="2"))
    world.add(make_pod("victim", cpu="2", priority=1, nodeName="a"))
    modest = make_pod("modest", cpu="2", priority=5)
    await world.why(modest)
    assert world.nominations.node_of(modest.metadata.uid) == "a"
    urgent = make_pod("urgent", cpu="2", priority=9)
    await world.why(urgent)
    assert world.nominations.node_of(urgent.metadata.uid) == "a"
    assert world.nominations.node_of(modest.metadata.uid) == ""
    assert ("default/modest", {"nominatedNodeName": None}) in world.patches


async def test_a_promise_that_helps_no_more_is_taken_back() -> None:
    world = World(make_node("a", cpu="1"))
    pod = make_pod("urgent", cpu="4", priority=9, status={"nominatedNodeName": "a"})
    await world.why(pod)
    assert world.patches[0][1]["nominatedNodeName"] is None


async def test_nobody_is_removed_twice() -> None:
    world = World(make_node("a", cpu="1"))
    leaving = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    target = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    world.add(make_pod("going", cpu="1", nodeName="a", metadata=leaving, status={"conditions": [target]}))
    message = await world.why(make_pod("urgent", cpu="1", priority=9, status={"nominatedNodeName": "a"}))
    assert message.endswith("preemption: not eligible due to a terminating pod on the nominated node.")
    assert world.deleted == []


# --- the reference ------------------------------------------------------------------------------------


def reference(
    capacity: int, running: list[list[Pod]], allowed: int, wants: int, priority: int
) -> list[tuple[str, ...]]:
    """For each node whom to remove: of all choices that make room, what the rules of sparing lead to."""
    results = []
    for pods in running:
        infos = [PodInfo(pod) for pod in pods]
        lower = sorted((p for p in infos if p.priority < priority), key=importance)
        stay = sum(p.cpu for p in infos if p.priority >= priority)
        if stay + wants > capacity or not lower:
            results.append(())
            continue
        left, exceeding = allowed, []
        for pod in lower:
            if pod.labels.get("app") == "web":
                left -= 1
                if left < 0:
                    exceeding.append(pod)
        spared = 0
        gone = []
        for pod in itertools.chain(exceeding, (p for p in lower if p not in exceeding)):
            if stay + spared + pod.cpu + wants <= capacity:
                spared += pod.cpu
            else:
                gone.append(pod)
        results.append(tuple(sorted(p.name for p in gone)))
    return results


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4), st.booleans()), max_size=4), min_size=1, max_size=4
    ),
    st.integers(0, 2),
    st.integers(1, 4),
)
def test_victims_are_those_of_the_reference(
    layout: list[list[tuple[int, int, bool]]], allowed: int, wants: int
) -> None:
    asyncio.run(compare(layout, allowed, wants))


async def compare(layout: list[list[tuple[int, int, bool]]], allowed: int, wants: int) -> None:
    world = World(*(make_node(f"n{i}", cpu="4") for i in range(len(layout))))
    world.handle.budgets.set(budget("web", allowed))
    running: list[list[Pod]] = []
    for i, pods in enumerate(layout):
        made = []
        for j, (cpu, priority, web) in enumerate(pods):
            if sum(PodInfo(p).cpu for p in made) + 1000 * cpu > 4000:
                continue
            labels = {"app": "web"} if web else {}
            status = started(10 * i + j)
            made.append(
                make_pod(f"p{i}-{j}", cpu=str(cpu), priority=priority, labels=labels, nodeName=f"n{i}", status=status)
            )
        running.append(made)
        world.add(*made)
    free = [4000 - sum(PodInfo(p).cpu for p in pods) for pods in running]
    pod = make_pod("urgent", cpu=str(wants), priority=3)
    (place,) = await world.schedule(pod)
    if max(free) >= 1000 * wants:
        assert place is not None
        assert world.deleted == []
        return
    choices = reference(4000, running, allowed, 1000 * wants, 3)
    assert place is None
    if not any(choices):
        assert world.deleted == []
    else:
        assert tuple(sorted(world.deleted)) in [choice for choice in choices if choice]
        chosen = choices.index(tuple(sorted(world.deleted)))
        costs = [cost(running[i], choice, allowed) for i, choice in enumerate(choices)]
        assert costs[chosen] == min(c for c, choice in zip(costs, choices, strict=True) if choice)


def cost(pods: list[Pod], names: tuple[str, ...], allowed: int) -> tuple[Any, ...]:
    """What is compared between nodes: violations, the highest priority, the sum, the number, the start."""
    infos = sorted((PodInfo(p) for p in pods), key=importance)
    left, violations = allowed, 0
    for pod in infos:
        if pod.priority < 3 and pod.labels.get("app") == "web":
            left -= 1
            violations += left < 0 and pod.name in names
    gone = [p for p in infos if p.name in names]
    if not gone:
        return ()
    highest = max(p.priority for p in gone)
    first = min(p.pod.status.startTime for p in gone if p.priority == highest and p.pod.status.startTime)
    return violations, highest, sum(p.priority + 2**31 for p in gone), len(gone), -first.timestamp()
