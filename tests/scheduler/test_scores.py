"""Which of several nodes a pod gets."""

from __future__ import annotations

from api.core_v1 import Pod, Service
from scheduler.framework import CycleState
from scheduler.plugins.image_locality import normalized_name
from tests.scheduler.world import World, make_node, make_pod

ZONE = "topology.kubernetes.io/zone"


async def test_the_emptier_node_is_better() -> None:
    world = World(make_node("a"), make_node("b"))
    world.add(make_pod(cpu="2", memory="4Gi", nodeName="a"))
    assert await world.schedule(make_pod(cpu="100m", memory="100Mi")) == ["b"]


async def test_pods_without_requests_spread_too() -> None:
    world = World(*(make_node(f"n{i}") for i in range(4)))
    assert sorted(p or "" for p in await world.schedule(*(make_pod() for _ in range(4)))) == ["n0", "n1", "n2", "n3"]


async def test_a_pod_goes_where_it_makes_an_equally_full_node_more_even() -> None:
    world = World(make_node("cpu-heavy"), make_node("memory-heavy"))
    world.add(make_pod(cpu="2", nodeName="cpu-heavy", memory="0"))
    world.add(make_pod(cpu="0", nodeName="memory-heavy", memory="4Gi"))
    assert await world.schedule(make_pod(cpu="0", memory="1Gi")) == ["cpu-heavy"]
    assert await world.schedule(make_pod(cpu="1", memory="0")) == ["memory-heavy"]


async def test_taints_that_ask_to_stay_away_are_obeyed_if_possible() -> None:
    world = World(make_node("a", taints=["busy=:PreferNoSchedule"]), make_node("b"))
    world.add(make_pod(cpu="1", memory="1Gi", nodeName="b"))
    assert await world.schedule(make_pod(cpu="100m")) == ["b"]
    assert await world.schedule(make_pod(cpu="3500m")) == ["a"]


async def test_preferred_node_affinity() -> None:
    world = World(make_node("a"), make_node("b", labels={"disk": "ssd"}))
    world.add(make_pod(cpu="1", memory="1Gi", nodeName="b"))
    term = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
    preferred = [{"weight": 50, "preference": term}]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    assert await world.schedule(make_pod(cpu="100m", affinity=affinity)) == ["b"]


async def test_preferred_pod_affinity_and_anti_affinity() -> None:
    world = World(make_node("a"), make_node("b"))
    world.add(make_pod(labels={"app": "db"}, cpu="1", memory="2Gi", nodeName="a"))

    def preferring(kind: str) -> dict[str, object]:
        term = {"labelSelector": {"matchLabels": {"app": "db"}}, "topologyKey": "kubernetes.io/hostname"}
        return {kind: {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]}}

    assert await world.schedule(make_pod(affinity=preferring("podAffinity"))) == ["a"]
    assert await world.schedule(make_pod(affinity=preferring("podAntiAffinity"))) == ["b"]


async def test_what_existing_pods_prefer_counts_too() -> None:
    world = World(make_node("a"), make_node("b"))
    term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}
    preferred = [{"weight": 100, "podAffinityTerm": term}]
    affinity = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    world.add(make_pod(nodeName="a", affinity=affinity))
    world.add(make_pod(nodeName="b", cpu="1", memory="1Gi"))
    assert await world.schedule(make_pod(labels={"app": "web"})) == ["b"]


async def test_pods_of_a_service_spread_over_hosts_and_zones_by_default() -> None:
    world = World(*(make_node(f"n{i}", labels={ZONE: f"z{i // 2}"}, cpu=str(4 + 4 * (i == 0))) for i in range(4)))
    service = Service.from_dict(
        {"metadata": {"name": "web", "namespace": "default"}, "spec": {"selector": {"app": "web"}}}
    )
    world.watching.service(None, service)
    places = await world.schedule(*(make_pod(labels={"app": "web"}, cpu="10m") for _ in range(4)))
    assert len(set(places)) == 4
    assert {int(str(p)[1:]) // 2 for p in places[:2]} == {0, 1}


async def test_soft_spread_constraints() -> None:
    world = World(*(make_node(f"n{i}", labels={ZONE: f"z{i % 2}"}) for i in range(2)))
    world.add(make_pod(labels={"app": "web"}, nodeName="n0"))
    world.add(make_pod(cpu="1", memory="1Gi", nodeName="n1"))
    constraint = {
        "topologyKey": ZONE,
        "maxSkew": 1,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }
    assert await world.schedule(make_pod(labels={"app": "web"}, topologySpreadConstraints=[constraint])) == ["n1"]


async def test_a_node_that_has_the_image_is_better() -> None:
    image = {"names": ["app:latest"], "sizeBytes": 900 * 1024 * 1024}
    world = World(make_node("a", images=[image]), make_node("b"))
    world.add(make_pod(cpu="200m", memory="200Mi", nodeName="a"))
    assert await world.schedule(make_pod(cpu="100m", memory="100Mi")) == ["a"]
    assert normalized_name("host:5000/app") == "host:5000/app:latest"


def test_large_clusters_score_a_part_of_their_nodes() -> None:
    world = World()
    assert [world.algorithm.wanted(n) for n in (5, 99, 100, 1000, 6000)] == [5, 99, 100, 420, 300]


async def test_a_part_of_the_nodes_still_reaches_all_in_turn() -> None:
    world = World(*(make_node(f"n{i}", pods="1") for i in range(250)))
    places = await world.schedule(*(make_pod() for _ in range(250)))
    assert len(set(places)) == 250


async def test_remembered_scores_are_those_one_gets_anew() -> None:
    nodes = [make_node(f"n{i}", taints=["busy=:PreferNoSchedule"] * (i % 2), cpu=str(4 + i % 3)) for i in range(12)]
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["n1", "n2", "n3"]}]}
    affinity = {
        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 5, "preference": term}]}
    }
    world = World(*nodes)
    for number in range(40):
        pod = make_pod(cpu="300m", memory="400Mi", affinity=affinity if number % 2 else {})
        (place,) = await world.schedule(pod)
        fresh = World(*nodes)
        for bound in world.pods.values():
            if bound is not pod and (node := world.bindings.get(f"default/{bound.metadata.name}")):
                document = bound.to_dict()
                document["spec"]["nodeName"] = node
                fresh.add(type(bound).from_dict(document))
        assert await best_nodes(fresh, pod) >= {place}


async def best_nodes(world: World, pod: Pod) -> set[str]:
    """All nodes that share the highest score."""
    found = set()
    for seed in range(8):
        world.algorithm._random.seed(seed)
        found.add(world.algorithm.schedule(world.framework, CycleState(), world.info(pod)).node_name)
    return found
