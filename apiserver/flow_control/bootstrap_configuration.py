"""The built-in flow schemas and priority levels: mandatory ones, and those that Kubernetes suggests.

See https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#defaults.
"""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


def _reject(shares: int) -> Document:
    return _limited(shares, {"type": "Reject"}, 0)


def _queue(shares: int, queues: int, hand_size: int, lendable: int) -> Document:
    queuing = {"queues": queues, "handSize": hand_size, "queueLengthLimit": 50}
    return _limited(shares, {"type": "Queue", "queuing": queuing}, lendable)


def _limited(shares: int, response: Document, lendable: int) -> Document:
    limited = {"nominalConcurrencyShares": shares, "limitResponse": response, "lendablePercent": lendable}
    return {"type": "Limited", "limited": limited}


def _groups(*names: str) -> list[Document]:
    return [{"kind": "Group", "group": {"name": name}} for name in names]


def _users(*names: str) -> list[Document]:
    return [{"kind": "User", "user": {"name": name}} for name in names]


def _resources(verbs: list[str], group: str, resources: list[str], **more: Any) -> Document:
    return {"verbs": verbs, "apiGroups": [group], "resources": resources, "namespaces": ["*"], **more}


def _paths(verb: str, *paths: str) -> list[Document]:
    return [{"verbs": [verb], "nonResourceURLs": list(paths)}]


_EVERYTHING = {
    "resourceRules": [_resources(["*"], "*", ["*"], clusterScope=True)],
    "nonResourceRules": _paths("*", "*"),
}
_EVERYBODY = _groups("system:unauthenticated", "system:authenticated")
_SYSTEM_ACCOUNTS = [{"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": "*"}}]
_CONTROLLERS, _SCHEDULER = "system:kube-controller-manager", "system:kube-scheduler"


def _schema(level: str, precedence: int, by: str, subjects: list[Document], rules: Document = _EVERYTHING) -> Document:
    spec: Document = {"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence}
    if by:
        spec["distinguisherMethod"] = {"type": by}
    return {**spec, "rules": [{"subjects": subjects, **rules}]}


MANDATORY_LEVELS: dict[str, Document] = {
    "exempt": {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}},
    "catch-all": _reject(5),
}
"""Specs by name; these may not be changed."""

LEVELS: dict[str, Document] = {
    **MANDATORY_LEVELS,
    "system": _queue(30, 64, 6, 33),
    "node-high": _queue(40, 64, 6, 25),
    "leader-election": _queue(10, 16, 4, 0),
    "workload-high": _queue(40, 128, 6, 50),
    "workload-low": _queue(100, 128, 6, 90),
    "global-default": _queue(20, 128, 6, 50),
}

MANDATORY_SCHEMAS: dict[str, Document] = {
    "exempt": _schema("exempt", 1, "", _groups("system:masters")),
    "catch-all": _schema("catch-all", 10_000, "ByUser", _EVERYBODY),
}

SCHEMAS: dict[str, Document] = {
    **MANDATORY_SCHEMAS,
    "probes": _schema(
        "exempt", 2, "", _EVERYBODY, {"nonResourceRules": _paths("get", "/healthz", "/readyz", "/livez")}
    ),
    "system-leader-election": _schema(
        "leader-election", 100, "ByUser", [*_users(_CONTROLLERS, _SCHEDULER), *_SYSTEM_ACCOUNTS],
        {"resourceRules": [_resources(["get", "create", "update"], "coordination.k8s.io", ["leases"])]},
    ),
    "system-node-high": _schema(
        "node-high", 400, "ByUser", _groups("system:nodes"),
        {
            "resourceRules": [
                _resources(["*"], "", ["nodes", "nodes/status"], clusterScope=True),
                _resources(["*"], "coordination.k8s.io", ["leases"]),
            ]
        },
    ),
    "system-nodes": _schema("system", 500, "ByUser", _groups("system:nodes")),
    "kube-controller-manager": _schema("workload-high", 800, "ByNamespace", _users(_CONTROLLERS)),
    "kube-scheduler": _schema("workload-high", 800, "ByNamespace", _users(_SCHEDULER)),
    "kube-system-service-accounts": _schema("workload-high", 900, "ByNamespace", _SYSTEM_ACCOUNTS),
    "service-accounts": _schema("workload-low", 9000, "ByUser", _groups("system:serviceaccounts")),
    "global-default": _schema("global-default", 9900, "ByUser", _EVERYBODY),
}  # fmt: skip
