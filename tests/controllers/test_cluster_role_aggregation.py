"""Cluster roles that gather the rules of others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from api.meta_v1 import LabelSelector, ObjectMeta
from api.rbac_v1 import AggregationRule, ClusterRole, PolicyRule
from controller_manager.cluster_role_aggregation import ClusterRoleAggregationController, gathered
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import Cluster, eventually, real_cluster


def role(name: str, *verbs: str, gathers: tuple[str, ...] = (), **labels: str) -> ClusterRole:
    rules = [PolicyRule(verbs=[verb], apiGroups=[""], resources=["pods"]) for verb in verbs]
    selectors = [LabelSelector(matchLabels={label: "true"}) for label in gathers]
    found = ClusterRole(metadata=ObjectMeta(name=name, labels=labels), rules=rules or None)
    if gathers:
        found.aggregationRule = AggregationRule(clusterRoleSelectors=selectors)
    return found


def verbs(rules: list[PolicyRule] | None) -> list[str]:
    return [rule.verbs[0] for rule in rules or []]


def test_rules_are_gathered_by_label_once_and_in_order() -> None:
    whole = role("whole", "old", gathers=("a", "b"), a="true")
    others = [whole, role("z", "get", "list", a="true"), role("c", "list", "watch", a="true"), role("d", "eat")]
    others.append(role("y", "patch", b="true"))
    assert verbs(gathered(whole, others)) == ["list", "watch", "get", "patch"]
    assert gathered(whole, [whole]) == []


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with real_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
async def cluster(server: RealServer) -> AsyncIterator[Cluster]:
    async with real_cluster(server.config) as running:
        await running.run(ClusterRoleAggregationController)
        yield running


async def test_admin_edit_and_view_get_their_rules(cluster: Cluster) -> None:
    async def complete() -> bool:
        roles = await cluster.client.list(ClusterRole)  # made right after the server begins to serve
        rules = {role.metadata.name: len(role.rules or []) for role in roles.items}
        return 0 < rules.get("view", 0) < rules.get("edit", 0) < rules.get("admin", 0)

    await eventually(complete)


async def test_a_gathering_role_follows_the_others(cluster: Cluster) -> None:
    await cluster.client.create(role("whole", "old", gathers=("follow",)))

    async def gathered_verbs(*wanted: str) -> bool:
        return verbs((await cluster.client.get(ClusterRole, "whole")).rules) == list(wanted)

    await eventually(gathered_verbs)
    await cluster.client.create(role("part", "get", follow="true"))
    await eventually(lambda: gathered_verbs("get"))
    await cluster.client.patch(ClusterRole, "part", "", {"metadata": {"labels": {"follow": None}}})
    await eventually(gathered_verbs)
