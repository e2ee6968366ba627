"""What nodes may read: what the pods they run name, and nothing else."""

from __future__ import annotations

from dataclasses import replace
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


PODS_ONLY = "can only list/watch pods with spec.nodeName field selector"


@pytest.mark.parametrize(
    ("request_", "selector", "problem"),
    [
        (asks("list", "pods"), "spec.nodeName=n1", ""),
        (asks("watch", "pods"), "status.phase!=Failed,spec.nodeName==n1", ""),
        (asks("list", "pods"), "spec.nodeName=n2", PODS_ONLY),
        (asks("list", "pods"), "spec.nodeName!=n1", PODS_ONLY),
        (asks("list", "pods"), "metadata.name=a\\,spec.nodeName\\=n1", PODS_ONLY),
        (asks("list", "pods"), "", PODS_ONLY),
        (asks("get", "pods", "a", "n1"), "", ""),
        (asks("get", "pods", "a", "n2"), "", UNRELATED),
        (asks("get", "nodes", name="n1"), "", ""),
        (asks("get", "nodes", name="n2"), "", "node 'n1' cannot read 'n2', only its own Node object"),
        (asks("list", "nodes"), "", "node 'n1' cannot read all nodes, only its own Node object"),
        (asks("get", "leases", "kube-node-lease", "n1", "coordination.k8s.io"), "", ""),
        (
            asks("get", "leases", "kube-node-lease", "n2", "coordination.k8s.io"),
            "",
            "can only access node lease with the same name as the requesting node",
        ),
        (
            asks("create", "leases", "default", "", "coordination.k8s.io"),
            "",
            'can only access leases in the "kube-node-lease" system namespace',
        ),
        (
            asks("list", "csinodes", group="storage.k8s.io"),
            "",
            "can only get, create, update, patch, or delete a CSINode",
        ),
        (asks("list", "resourceslices", group="resource.k8s.io"), "spec.nodeName=n1", ""),
        (
            asks("list", "resourceslices", group="resource.k8s.io"),
            "",
            "can only list/watch/deletecollection resourceslices with nodeName field selector",
        ),
        (asks("get", "resourceslices", name="own", group="resource.k8s.io"), "", ""),
        (asks("delete", "resourceslices", name="other", group="resource.k8s.io"), "", UNRELATED),
        (asks("get", "volumeattachments", name="own", group="storage.k8s.io"), "", ""),
        (asks("get", "volumeattachments", name="gone", group="storage.k8s.io"), "", UNRELATED),
        (asks("get", "persistentvolumeclaims", "a", "data"), "", ""),
        (asks("get", "persistentvolumeclaims", "a", "n1-scratch"), "", ""),
        (asks("patch", "persistentvolumeclaims/status", "a", "data"), "", ""),
        (asks("patch", "persistentvolumeclaims", "a", "data"), "", "can only get individual resources of this type"),
        (asks("get", "persistentvolumes", name="disk"), "", ""),
        (asks("get", "persistentvolumes", name="other"), "", UNRELATED),
        (asks("get", "secrets", "drivers", "stage"), "", ""),
        (asks("get", "secrets", "drivers", "attach"), "", UNRELATED),
        (asks("get", "resourceclaims", "a", "gpu-of-n1", "resource.k8s.io"), "", ""),
        (asks("get", "secrets", "a", "of-mirror"), "", UNRELATED),
    ],
)
async def test_what_belongs_to_a_node(request_: RequestInfo, selector: str, problem: str) -> None:
    request_ = replace(request_, field_selector=selector)
    async with policy() as roles:
        roles.cache.register("/pods/", Pods().selectable_fields)
        authorizer = NodeAuthorizer(node_rules(), roles.cache)
        for key, document in CLUSTER.items():
            await roles.cache.create(key, orjson.dumps({"metadata": {"name": key.rpartition("/")[2]}} | document))
        assert authorizer.reason(NODE, request_) == problem
        assert authorizer.allows(NODE, request_) is not bool(problem)


CLUSTER: dict[str, dict[str, Any]] = {
    "/pods/a/n1": {
        "spec": {
            "nodeName": "n1",
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "scratch", "ephemeral": {}},
            ],
            "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "t"}],
        },
        "status": {"resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": "gpu-of-n1"}]},
    },
    "/pods/a/n2": {"spec": {"nodeName": "n2", "volumes": [{"name": "x", "persistentVolumeClaim": {"claimName": "x"}}]}},
    "/pods/a/mirror": {
        "metadata": {"name": "mirror", "annotations": {"kubernetes.io/config.mirror": "x"}},
        "spec": {"nodeName": "n1", "volumes": [{"name": "s", "secret": {"secretName": "of-mirror"}}]},
    },
    "/persistentvolumes/disk": {
        "spec": {
            "claimRef": {"namespace": "a", "name": "data"},
            "csi": {
                "nodeStageSecretRef": {"namespace": "drivers", "name": "stage"},
                "controllerPublishSecretRef": {"namespace": "drivers", "name": "attach"},
            },
        }
    },
    "/persistentvolumes/other": {"spec": {"claimRef": {"namespace": "a", "name": "x"}}},
    "/resourceslices.resource.k8s.io/own": {"spec": {"nodeName": "n1"}},
    "/resourceslices.resource.k8s.io/other": {"spec": {"nodeName": "n2"}},
    "/volumeattachments.storage.k8s.io/own": {"spec": {"nodeName": "n1"}},
}


async def test_the_graph_follows_what_changes() -> None:
    asked = asks("get", "secrets", "a", "volume")
    async with policy() as roles:
        cache = roles.cache
        cache.register("/pods/", Pods().selectable_fields)
        authorizer = NodeAuthorizer(node_rules(), cache)
        assert not authorizer.allows(NODE, asked)
        value = orjson.dumps({"metadata": {"name": "p"}, "spec": {**SPEC, "nodeName": ""}})
        entry = await cache.create("/pods/a/p", value)
        assert not authorizer.allows(NODE, asked)
        entry = await cache.update("/pods/a/p", orjson.dumps({"metadata": {"name": "p"}, "spec": SPEC}), entry.revision)
        twin = await cache.create("/pods/a/twin", orjson.dumps({"metadata": {"name": "twin"}, "spec": SPEC}))
        assert authorizer.allows(NODE, asked)
        await cache.delete("/pods/a/p", None, entry.revision)
        assert authorizer.allows(NODE, asked)
        await cache.delete("/pods/a/twin", None, twin.revision)
        assert not authorizer.allows(NODE, asked)


async def test_a_node_without_a_name_may_nothing() -> None:
    nameless = who("system:node:", ["system:nodes"])
    async with policy() as roles:
        authorizer = NodeAuthorizer(node_rules(), roles.cache)
        assert not authorizer.allows(nameless, asks("list", "services"))
        assert authorizer.reason(nameless, asks("list", "services")) == 'unknown node for user "system:node:"'


async def test_everything_else_is_by_rules_and_for_nodes_alone() -> None:
    async with policy() as roles:
        authorizer = NodeAuthorizer(node_rules(), roles.cache)
        assert authorizer.allows(NODE, asks("list", "services"))
        assert not authorizer.allows(NODE, asks("create", "services"))
        assert not authorizer.allows(who("system:node:n1"), asks("list", "services"))
        assert not authorizer.allows(who("alice", ["system:nodes"]), asks("list", "services"))
        assert authorizer.reason(NODE, asks("create", "services")) == ""
