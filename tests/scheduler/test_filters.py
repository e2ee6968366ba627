"""Which nodes a pod may run on, and the words for why not."""

from __future__ import annotations

import pytest

from tests.scheduler.world import World, make_node, make_pod

ZONE = "topology.kubernetes.io/zone"
HOST = "kubernetes.io/hostname"
MAKING_ROOM = "no new claims to deallocate, preemption: 0/{0} nodes are available: {0} "
NO_VICTIMS = MAKING_ROOM + "No preemption victims found for incoming pod."
NOT_HELPFUL = MAKING_ROOM + "Preemption is not helpful for scheduling."


def spread(key: str = ZONE, skew: int = 1, app: str = "web", **more: object) -> dict[str, object]:
    return {
        "topologyKey": key,
        "maxSkew": skew,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": app}},
        **more,
    }


def anti(app: str = "web", key: str = HOST, **more: object) -> dict[str, object]:
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key, **more}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def near(app: str = "web", key: str = HOST, **more: object) -> dict[str, object]:
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key, **more}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


async def test_a_pod_takes_what_it_requests() -> None:
    """ "[sig-scheduling] SchedulerPredicates [Serial] validates resource limits of pods that are allowed to run
    [Conformance]" """
    world = World(make_node("a", cpu="1"))
    assert await world.schedule(make_pod(cpu="600m")) == ["a"]
    assert await world.why(make_pod(cpu="600m")) == "0/1 nodes are available: 1 Insufficient cpu. " + NO_VICTIMS.format(
        1
    )


async def test_no_nodes_at_all() -> None:
    assert await World().why(make_pod()) == "no nodes available to schedule pods"


async def test_reasons_are_counted_over_nodes_and_sorted() -> None:
    world = World(
        make_node("a", cpu="1", memory="1Gi"),
        make_node("b", taints=["dedicated=x:NoSchedule"]),
        make_node("c", taints=["dedicated=x:NoExecute"]),
    )
    message = await world.why(make_pod(cpu="2", memory="2Gi"))
    assert message == (
        "0/3 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 2 node(s) had untolerated taint(s). "
        + NOT_HELPFUL.format(3)
    )


async def test_too_many_pods_and_extended_resources() -> None:
    world = World(make_node("a", pods="1", resources={"example.com/gpu": "1"}))
    assert await world.schedule(make_pod(requests={"example.com/gpu": "1"})) == ["a"]
    assert (await world.why(make_pod(requests={"example.com/gpu": "1"}))).startswith(
        "0/1 nodes are available: 1 Insufficient example.com/gpu, 1 Too many pods. "
    )


async def test_nodes_that_are_cordoned() -> None:
    world = World(make_node("a", unschedulable=True))
    assert (await world.why(make_pod())).startswith("0/1 nodes are available: 1 node(s) were unschedulable. ")
    tolerant = make_pod(tolerations=[{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}])
    assert await world.schedule(tolerant) == ["a"]


async def test_taints_and_tolerations() -> None:
    world = World(make_node("a", taints=["k=v:NoSchedule"]), make_node("b", taints=["other=:NoExecute"]))
    tolerant = make_pod(tolerations=[{"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}])
    assert await world.schedule(tolerant) == ["a"]
    assert await world.schedule(make_pod(tolerations=[{"key": "other", "operator": "Exists"}])) == ["b"]
    assert (await world.why(make_pod(tolerations=[{"key": "k", "value": "w"}]))).startswith(
        "0/2 nodes are available: 2 node(s) had untolerated taint(s). "
    )


async def test_node_selector_and_affinity() -> None:
    """ "[sig-scheduling] SchedulerPredicates [Serial] validates that NodeSelector is respected if matching
    [Conformance]",
    "[sig-scheduling] SchedulerPredicates [Serial] validates that NodeSelector is respected if not matching
    [Conformance]" """
    world = World(make_node("a", labels={"disk": "ssd", "size": "10"}), make_node("b", labels={"size": "3"}))
    assert await world.schedule(make_pod(nodeSelector={"disk": "ssd"})) == ["a"]

    def wants(key: str, operator: str, *values: str, field: str = "matchExpressions") -> dict[str, object]:
        term = {field: [{"key": key, "operator": operator, "values": list(values)}]}
        return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}

    assert await world.schedule(make_pod(affinity=wants("size", "Lt", "5"))) == ["b"]
    assert await world.schedule(make_pod(affinity=wants("disk", "DoesNotExist"))) == ["b"]
    named = wants("metadata.name", "In", "a", field="matchFields")
    assert await world.schedule(make_pod(affinity=named)) == ["a"]
    assert (await world.why(make_pod(affinity=wants("disk", "In", "hdd")))).startswith(
        "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. "
    )
    other = make_pod(affinity=named, cpu="100")
    assert (await world.why(other)).startswith(
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't satisfy plugin(s) [NodeAffinity]. "
    )


async def test_host_ports() -> None:
    """ "[sig-scheduling] SchedulerPredicates [Serial] validates that there exists conflict between pods with same
    hostPort and protocol but one using 0.0.0.0 hostIP [Conformance]" """
    world = World(make_node("a"))

    def taking(port: int, address: str = "", protocol: str = "TCP") -> list[dict[str, object]]:
        return [{"containerPort": 80, "hostPort": port, "hostIP": address, "protocol": protocol}]

    assert await world.schedule(make_pod(ports=taking(8080, "10.0.0.1"))) == ["a"]
    assert await world.schedule(make_pod(ports=taking(8080, "10.0.0.2"))) == ["a"]
    assert await world.schedule(make_pod(ports=taking(8080, protocol="UDP"))) == ["a"]
    assert (await world.why(make_pod(ports=taking(8080)))).startswith(
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. "
    )


async def test_init_containers_and_sidecars_count_by_the_larger_sum() -> None:
    world = World(make_node("a", cpu="1"))

    def container(name: str, cpu: str, **more: object) -> dict[str, object]:
        return {"name": name, "resources": {"requests": {"cpu": cpu}}, **more}

    pod = make_pod(
        cpu="200m",
        initContainers=[
            container("proxy", "300m", restartPolicy="Always"),
            container("setup", "600m"),
        ],
        overhead={"cpu": "50m"},
    )
    assert world.info(pod).cpu == 950  # the setup beside the sidecar is more than the sidecar and the app
    assert await world.schedule(pod) == ["a"]


async def test_anti_affinity_both_ways() -> None:
    world = World(make_node("a"), make_node("b"))
    first, second = await world.schedule(*(make_pod(labels={"app": "web"}, affinity=anti()) for _ in range(2)))
    assert {first, second} == {"a", "b"}
    assert (await world.why(make_pod(labels={"app": "web"}, affinity=anti()))).startswith(
        "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules. "
    )
    assert (await world.why(make_pod(labels={"app": "web"}))).startswith(
        "0/2 nodes are available: 2 node(s) didn't satisfy existing pods anti-affinity rules. "
    )
    assert None not in await world.schedule(make_pod(labels={"app": "web"}, namespace="other"))


async def test_affinity_starts_somewhere_and_then_stays_there() -> None:
    world = World(make_node("a", labels={ZONE: "1"}), make_node("b", labels={ZONE: "2"}), make_node("c"))
    places = await world.schedule(*(make_pod(labels={"app": "web"}, affinity=near(key=ZONE)) for _ in range(3)))
    assert len(set(places)) == 1
    assert places[0] in ("a", "b")
    assert (await world.why(make_pod(affinity=near("db")))).startswith(
        "0/3 nodes are available: 3 node(s) didn't match pod affinity rules. "
    )


async def test_affinity_across_namespaces_by_label() -> None:
    world = World(make_node("a"), make_node("b"))
    from api.core_v1 import Namespace

    world.watching.namespace(None, Namespace.from_dict({"metadata": {"name": "x", "labels": {"team": "blue"}}}))
    world.add(make_pod(namespace="x", labels={"app": "web"}, nodeName="b"))
    wanted = near(namespaceSelector={"matchLabels": {"team": "blue"}})
    assert await world.schedule(make_pod(affinity=wanted)) == ["b"]
    assert (await world.why(make_pod(affinity=near()))).startswith("0/2 nodes are available: 2 node(s) didn't match")
    assert await world.schedule(make_pod(affinity=near(namespaceSelector={}))) == ["b"]


async def test_match_label_keys_tell_revisions_apart() -> None:
    world = World(make_node("a"), make_node("b"))
    old = make_pod(labels={"app": "web", "rev": "1"}, nodeName="a")
    world.add(old)
    affinity = anti(matchLabelKeys=["rev"])
    places = await world.schedule(*(make_pod(labels={"app": "web", "rev": "2"}, affinity=affinity) for _ in range(2)))
    assert sorted(p or "" for p in places) == ["a", "b"]


async def test_spread_keeps_the_skew() -> None:
    world = World(*(make_node(f"n{i}", labels={ZONE: f"z{i % 2}"}) for i in range(4)))
    places = await world.schedule(
        *(make_pod(labels={"app": "web"}, topologySpreadConstraints=[spread()]) for _ in range(6))
    )
    zones = [int(str(p)[1:]) % 2 for p in places]
    assert sum(zones) == 3
    world.cache.remove_node("n1")
    world.watching.node(None, make_node("n1", labels={ZONE: "z1"}, unschedulable=True))
    world.watching.node(None, make_node("n3", labels={ZONE: "z1"}, unschedulable=True))
    pods = [make_pod(labels={"app": "web"}, topologySpreadConstraints=[spread()]) for _ in range(2)]
    first, second = await world.schedule(*pods)
    assert first in ("n0", "n2")
    assert second is None
    (message,) = [m for _, reason, m in world.events if reason == "FailedScheduling"]
    assert message.startswith(
        "0/4 nodes are available: 2 node(s) didn't match pod topology spread constraints, "
        "2 node(s) were unschedulable. "
    )


async def test_spread_needs_the_label_and_min_domains() -> None:
    world = World(make_node("a"))
    assert (await world.why(make_pod(topologySpreadConstraints=[spread()]))).startswith(
        "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label). "
    )
    constraint = spread(key=HOST, minDomains=2)
    pods = [make_pod(labels={"app": "web"}, topologySpreadConstraints=[constraint]) for _ in range(2)]
    assert await world.schedule(*pods) == ["a", None]


async def test_spread_node_policies() -> None:
    nodes = [make_node("a", labels={"pool": "x"}), make_node("b"), make_node("c", taints=["t=:NoSchedule"])]
    world = World(*nodes)

    def pod(**more: object) -> object:
        return make_pod(
            labels={"app": "web"},
            nodeSelector={"pool": "x"},
            topologySpreadConstraints=[spread(key=HOST, nodeTaintsPolicy="Honor", **more)],
        )

    assert await world.schedule(pod(), pod()) == ["a", "a"]  # only node a counts, so nothing is skewed
    assert (await world.schedule(pod(nodeAffinityPolicy="Ignore"))) == [None]  # b counts too and has none


@pytest.mark.parametrize("operator", ["Gt", "Lt"])
def test_comparing_what_is_no_number_never_holds(operator: str) -> None:
    from scheduler.selectors import holds

    assert not holds(("k", operator, frozenset(("5",))), {"k": "many"})
