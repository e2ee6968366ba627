"""What nodes may read: what the pods they run name, and nothing else."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from api.core_v1 import Pod
from apiserver.authorization.bootstrap_policy import node_rules
from apiserver.authorization.node import NodeAuthorizer
from apiserver.authorization.node_graph import pod_references
from apiserver.registry.pods import Pods
from apiserver.request import RequestInfo
from tests.authorization.roles import asks, policy, who

NODE = who("system:node:n1", ["system:nodes"])
UNRELATED = "no relationship found between node 'n1' and this object"
SPEC: dict[str, Any] = {
    "nodeName": "n1",
    "serviceAccountName": "account",
    "imagePullSecrets": [{"name": "pull"}],
    "volumes": [
        {"name": "a", "secret": {"secretName": "volume"}},
        {"name": "b", "configMap": {"name": "volume"}},
        {"name": "c", "projected": {"sources": [{"secret": {"name": "projected"}}, {"configMap": {"name": "source"}}]}},
        {"name": "d", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "csi"}}},
    ],
    "containers": [
        {
            "name": "c",
            "image": "i",
            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}}],
            "envFrom": [{"configMapRef": {"name": "all"}}],
        }
    ],
}


def test_what_a_pod_names() -> None:
    Pod.from_dict({"spec": SPEC}, unknown_fields=False)  # the fields are called so
    found = set(pod_references({"metadata": {"name": "p"}, "spec": SPEC}))
    assert {name for resource, name in found if resource == "secrets"} == {"pull", "volume", "projected", "csi", "key"}
    assert {name for resource, name in found if resource == "configmaps"} == {"volume", "source", "all"}
    assert {name for resource, name in found if resource == "serviceaccounts"} == {"account"}


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (asks("get", "secrets", "a", "volume"), ""),
        (asks("watch", "configmaps", "a", "all"), ""),
        (asks("create", "serviceaccounts/token", "a", "account"), ""),
        (asks("get", "serviceaccounts", "a", "account"), ""),
        (asks("get", "secrets", "a", "other"), UNRELATED),
        (asks("get", "secrets", "b", "volume"), UNRELATED),
        (asks("create", "serviceaccounts/token", "a", "other"), UNRELATED),
        (asks("list", "secrets", "a"), "No Object name found"),
        (asks("list", "secrets"), "can only read namespaced object of this type"),
        (asks("delete", "secrets", "a", "volume"), "can only read resources of this type"),
        (asks("list", "serviceaccounts", "a"), "can only create tokens for individual service accounts"),
    ],
)
async def test_only_what_its_pods_name(request_: RequestInfo, problem: str) -> None:
    async with policy() as roles:
        roles.cache.register("/pods/", Pods().selectable_fields)
        authorizer = NodeAuthorizer(node_rules(), roles.cache)
        for node, spec in (("n1", SPEC), ("n2", {**SPEC, "nodeName": "n2", "imagePullSecrets": [{"name": "other"}]})):
            await roles.cache.create(f"/pods/a/{node}", orjson.dumps({"metadata": {"name": node}, "spec": spec}))
        assert authorizer.allows(NODE, request_) is not bool(problem)
        assert authorizer.reason(NODE, request_) == problem


async def test_everything_else_is_by_rules_and_for_nodes_alone() -> None:
    async with policy() as roles:
        authorizer = NodeAuthorizer(node_rules(), roles.cache)
        assert authorizer.allows(NODE, asks("list", "services"))
        assert not authorizer.allows(NODE, asks("create", "services"))
        assert not authorizer.allows(who("system:node:n1"), asks("list", "services"))
        assert not authorizer.allows(who("alice", ["system:nodes"]), asks("list", "services"))
        assert authorizer.reason(NODE, asks("create", "services")) == ""
