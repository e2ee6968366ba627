"""KubeSchedulerConfiguration: profiles, plugins at extension points, weights, arguments, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.core_v1 import Service
from scheduler.configuration import KIND, ConfigurationError, parse, read
from scheduler.framework import CycleState, Status, unschedulable
from scheduler.node_info import NodeInfo
from scheduler.plugin_args import API_VERSION
from scheduler.pod_info import PodInfo
from scheduler.resource_scores import on_shape
from tests.scheduler.world import World, make_node, make_pod

ZONE = "topology.kubernetes.io/zone"


def profile(name: str = "default-scheduler", args: dict[str, Any] | None = None, **plugins: Any) -> dict[str, Any]:
    """`args` are by plugin name; the rest are plugin sets by extension point."""
    config = [{"name": plugin, "args": given} for plugin, given in (args or {}).items()]
    return {"schedulerName": name, "plugins": plugins, "pluginConfig": config}


def enabled(*names: str, disabled: tuple[str, ...] = (), weight: int | None = None) -> dict[str, Any]:
    more = {} if weight is None else {"weight": weight}
    return {"enabled": [{"name": n, **more} for n in names], "disabled": [{"name": n} for n in disabled]}


def names(world: World, point: str) -> list[str]:
    return [w.plugin.name for w in world.framework._at(point)]


class Own:
    name = "Own"

    def __init__(self, args: Any = None, handle: Any = None) -> None:
        self.args = args or {}

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        return None if node.name == self.args.get("node") else unschedulable("node(s) are not mine")

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        return 100


async def test_every_profile_schedules_its_own_pods_in_its_own_way() -> None:
    packed = {"scoringStrategy": {"type": "MostAllocated", "resources": [{"name": "cpu", "weight": 1}]}}
    world = World(
        make_node("empty"),
        make_node("full"),
        config={"profiles": [profile(), profile("packing", {"NodeResourcesFit": packed})]},
    )
    world.add(make_pod(cpu="2", memory="4Gi", nodeName="full"))
    assert await world.schedule(make_pod(cpu="100m", memory="200Mi")) == ["empty"]
    assert await world.schedule(make_pod(cpu="100m", memory="200Mi", schedulerName="packing")) == ["full"]
    foreign = make_pod(schedulerName="somebody-else")
    world.add(foreign)
    assert world.queue.get(foreign.metadata.uid) is None
    text = world.registry.render()
    assert 'scheduler_schedule_attempts_total{result="scheduled",profile="packing"} 1' in text


async def test_plugins_are_taken_out_and_put_in_at_single_points() -> None:
    world = World(
        make_node("a", taints=["k=v:NoSchedule"]),
        config={"profiles": [profile(filter=enabled(disabled=("TaintToleration",)))]},
    )
    assert await world.schedule(make_pod()) == ["a"]
    assert "TaintToleration" not in names(world, "filter")
    assert "TaintToleration" in names(world, "score")
    world = World(config={"profiles": [profile(score=enabled("ImageLocality", disabled=("*",), weight=7))]})
    assert [(w.plugin.name, w.weight) for w in world.framework._at("score")] == [("ImageLocality", 7)]
    world = World(config={"profiles": [profile(multiPoint=enabled(disabled=("VolumeZone", "VolumeBinding")))]})
    assert not {"VolumeZone", "VolumeBinding"} & {n for p in ("filter", "preBind", "reserve") for n in names(world, p)}


async def test_multi_point_weights_and_order() -> None:
    world = World(config={"profiles": [profile(multiPoint=enabled("ImageLocality", weight=9))]})
    weights = {w.plugin.name: w.weight for w in world.framework._at("score")}
    assert weights == {
        "TaintToleration": 3,
        "NodeAffinity": 2,
        "NodeResourcesFit": 1,
        "PodTopologySpread": 2,
        "InterPodAffinity": 2,
        "DynamicResources": 2,
        "NodeResourcesBalancedAllocation": 1,
        "ImageLocality": 9,
    }
    world = World(config={"profiles": [profile(filter=enabled("NodePorts"))]})
    assert names(world, "filter")[0] == "NodePorts"  # what the point itself names goes first
    assert names(world, "filter").count("NodePorts") == 1


async def test_plugins_of_ones_own_get_their_arguments() -> None:
    config = {"profiles": [profile(args={"Own": {"node": "b"}}, multiPoint=enabled("Own"))]}
    world = World(make_node("a"), make_node("b"), config=config, own={"Own": Own})
    assert await world.schedule(make_pod()) == ["b"]


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ({"percentageOfNodesToScore": 101}, "percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]"),
        ({"parallelism": 0}, "parallelism: Invalid value: 0: should be an integer value greater than zero"),
        ({"podInitialBackoffSeconds": 0}, "podInitialBackoffSeconds: Invalid value: 0: must be greater than 0"),
        (
            {"podInitialBackoffSeconds": 5, "podMaxBackoffSeconds": 4},
            "podMaxBackoffSeconds: Invalid value: 4: must be greater than or equal to PodInitialBackoffSeconds",
        ),
        ({"profiles": [profile(""), profile("x")]}, "profiles[0].schedulerName: Required value"),
        (
            {"profiles": [profile("x"), profile("x")]},
            'profiles[1].schedulerName: Duplicate value: "profiles[0].schedulerName"',
        ),
        ({"nonsense": 1}, 'KubeSchedulerConfiguration: unknown field "nonsense"'),
        (
            {"extenders": [{"urlPrefix": "http://x", "prioritizeVerb": "p"}]},
            "extenders[0].weight: Invalid value: 0: must have a positive weight applied to it",
        ),
        (
            {"extenders": [{"managedResources": [{"name": "cpu"}]}]},
            'extenders[0].managedResources[0].name: Invalid value: "cpu": cpu is an invalid extended resource name',
        ),
        (
            {"extenders": [{"bindVerb": "b"}, {"bindVerb": "b"}]},
            'extenders: Invalid value: "found 2 extenders implementing bind": only one extender can implement bind',
        ),
    ],
)
def test_what_is_wrong_is_said(configuration: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse({"apiVersion": API_VERSION, "kind": KIND, **configuration})
    assert message in str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (profile(filter=enabled("Nothing")), "plugin 'Nothing' does not exist"),
        (profile(score=enabled("NodeName")), "plugin 'NodeName' does not extend score plugin"),
        (profile(bind=enabled(disabled=("*",))), "at least one bind plugin is needed"),
        (profile(queueSort=enabled(disabled=("*",))), "one queue sort plugin required"),
        (profile(args={"InterPodAffinity": {"hardPodAffinityWeight": 101}}), "101: not in valid range [0-100]"),
        (profile(args={"NodeResourcesFit": {"scoringStrategy": {"type": "Odd"}}}), 'Unsupported value: "Odd"'),
        (
            profile(args={"NodeResourcesFit": {"scoringStrategy": {"type": "RequestedToCapacityRatio"}}}),
            "scoringStrategy.requestedToCapacityRatio.shape: Required value: at least one point must be specified",
        ),
        (profile(args={"NodeAffinity": {"kind": "Other"}}), "have to be NodeAffinityArgs"),
        (profile(args={"NodeName": {"x": 1}}), "plugin NodeName takes no arguments"),
        (profile(args={"VolumeBinding": {"bindTimeoutSeconds": -1}}), "should not be a negative value"),
        (
            profile(args={"DefaultPreemption": {"minCandidateNodesPercentage": 0, "minCandidateNodesAbsolute": 0}}),
            "cannot be zero at the same time",
        ),
        (
            profile(args={"PodTopologySpread": {"defaultingType": "List", "defaultConstraints": [{"maxSkew": 0}]}}),
            "defaultConstraints[0].maxSkew: Invalid value: 0: not in valid range (0, inf)",
        ),
    ],
)
def test_profiles_that_cannot_be(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        World(config={"profiles": [given]})
    assert message in str(caught.value)


def test_the_file_itself(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.yaml"
    file.write_text(f"apiVersion: {API_VERSION}\nkind: {KIND}\nleaderElection: {{leaderElect: false}}\n")
    configuration = read(file)
    assert configuration.leaderElection.leaderElect is False
    assert [p.schedulerName for p in configuration.profiles] == ["default-scheduler"]
    file.write_text("apiVersion: v1\nkind: Pod\n")
    with pytest.raises(ConfigurationError, match="holds Pod of v1, and has to hold KubeSchedulerConfiguration"):
        read(file)
    with pytest.raises(ConfigurationError, match="cannot read"):
        read(tmp_path / "missing")


# --- arguments ------------------------------------------------------------------------------------------


async def test_requested_to_capacity_ratio_follows_its_shape() -> None:
    shape = [{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]
    strategy = {
        "type": "RequestedToCapacityRatio",
        "resources": [{"name": "example.com/gpu", "weight": 5}],
        "requestedToCapacityRatio": {"shape": shape},
    }
    config = {"profiles": [profile(args={"NodeResourcesFit": {"scoringStrategy": strategy}})]}
    gpus = {"example.com/gpu": "4"}
    world = World(make_node("free", resources=gpus), make_node("used", resources=gpus), config=config)
    world.add(make_pod(requests={"example.com/gpu": "2"}, nodeName="used"))
    assert await world.schedule(make_pod(requests={"example.com/gpu": "1"})) == ["used"]
    points = ((0, 100), (50, 40), (100, 0))
    assert [on_shape(points, x) for x in (0, 25, 50, 75, 100)] == [100, 70, 40, 20, 0]


async def test_resources_that_are_not_looked_at() -> None:
    ignoring = {"ignoredResources": ["example.com/foo"], "ignoredResourceGroups": ["example.org"]}
    world = World(make_node("a"), config={"profiles": [profile(args={"NodeResourcesFit": ignoring})]})
    assert await world.schedule(make_pod(requests={"example.com/foo": "1", "example.org/bar": "2"})) == ["a"]
    assert (await world.why(make_pod(requests={"example.com/bar": "1"}))).startswith(
        "0/1 nodes are available: 1 Insufficient example.com/bar."
    )


async def test_an_affinity_that_all_pods_of_a_profile_have() -> None:
    term = {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["x"]}]}
    added = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    config = {"profiles": [profile(args={"NodeAffinity": {"addedAffinity": added}})]}
    world = World(make_node("a"), make_node("b", labels={"pool": "x"}), config=config)
    assert await world.schedule(make_pod()) == ["b"]
    assert (await world.why(make_pod(cpu="100"))).startswith(
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match scheduler-enforced node affinity."
    )


async def test_default_spread_constraints_of_ones_own() -> None:
    constraint = {"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule"}
    args = {"PodTopologySpread": {"defaultingType": "List", "defaultConstraints": [constraint]}}
    world = World(
        make_node("a", labels={ZONE: "z1"}),
        make_node("b", labels={ZONE: "z2"}, pods="1"),
        config={"profiles": [profile(args=args)]},
    )
    selector = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"selector": {"app": "web"}}}
    world.watching.service(None, Service.from_dict(selector))
    places = await world.schedule(*(make_pod(labels={"app": "web"}) for _ in range(4)))
    assert sorted(place or "-" for place in places) == ["-", "a", "a", "b"]
    assert await world.schedule(make_pod(labels={"app": "other"})) == ["a"]


async def test_balance_of_other_resources() -> None:
    resources = [{"name": name} for name in ("cpu", "memory", "example.com/gpu")]
    args = {"NodeResourcesBalancedAllocation": {"resources": resources}}
    only = enabled("NodeResourcesBalancedAllocation", disabled=("*",))
    config = {"profiles": [profile(args=args, score=only)]}
    gpus = {"example.com/gpu": "4"}
    world = World(make_node("gpus-taken", resources=gpus), make_node("cpu-taken", resources=gpus), config=config)
    world.add(make_pod(requests={"example.com/gpu": "2"}, nodeName="gpus-taken"))
    world.add(make_pod(cpu="2", nodeName="cpu-taken"))
    assert await world.schedule(make_pod(requests={"example.com/gpu": "1"})) == ["cpu-taken"]
