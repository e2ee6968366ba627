"""NodeDeclaredFeatures: pods that need a feature of the kubelet go where it is declared (KEP-5328)."""

from __future__ import annotations

from typing import Any

import pytest

from api.core_v1 import Node, Pod
from scheduler.plugins.node_declared_features import required_features
from tests.scheduler.world import World, make_node, make_pod

RESTART_ALL = "RestartAllContainersOnContainerExits"


def pod_that_restarts(action: str, where: str = "containers") -> Pod:
    rules = [{"action": action, "exitCodes": {"operator": "In", "values": [42]}}]
    document: dict[str, Any] = make_pod().to_dict()
    container = {"name": "r", "image": "app", "restartPolicyRules": rules}
    document["spec"][where] = [*document["spec"].get(where, []), container]
    return Pod.from_dict(document)


def declaring(name: str, *features: str) -> Node:
    node = make_node(name)
    node.status.declaredFeatures = list(features)
    return node


@pytest.mark.parametrize("where", ["containers", "initContainers"])
def test_only_the_restart_of_all_containers_has_to_be_declared(where: str) -> None:
    assert required_features(pod_that_restarts("RestartAllContainers", where)) == {RESTART_ALL}
    assert not required_features(pod_that_restarts("Restart", where))


async def test_a_pod_goes_where_what_it_needs_is_declared() -> None:
    world = World(declaring("a"), declaring("b", "Other", RESTART_ALL))
    assert await world.schedule(pod_that_restarts("RestartAllContainers"), make_pod()) == ["b", "a"]


async def test_a_pod_waits_for_a_node_that_declares_it() -> None:
    world = World(declaring("a"))
    pod = pod_that_restarts("RestartAllContainers")
    assert "1 node(s) didn't match Pod's required features" in await world.why(pod)
    await world.clock.advance(2)
    newer = declaring("a")
    newer.metadata.labels = {"more": "labels"}
    world.watching.node(declaring("a"), newer)
    await world.run()
    assert not world.bindings
    world.watching.node(newer, declaring("a", RESTART_ALL))
    await world.run()
    assert list(world.bindings.values()) == ["a"]
