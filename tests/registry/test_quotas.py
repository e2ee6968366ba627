"""Resource quotas and limit ranges: rules, defaults, and what objects use up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from api.core_v1 import LimitRange, PersistentVolumeClaim, ResourceQuota
from api.quota_usage import applies, increase, is_tracked, unsaid, usage_of
from apiserver.registry.limit_ranges import LimitRanges
from apiserver.registry.resource_quotas import ResourceQuotas
from tests.registry.builders import complaints, created, pod, service, update_complaints

QUOTAS, RANGES = ResourceQuotas(), LimitRanges()


def quota(hard: dict[str, str], used: dict[str, str] | None = None, **spec: Any) -> ResourceQuota:
    return ResourceQuota.from_dict(
        {
            "metadata": {"name": "q", "namespace": "n"},
            "spec": {"hard": hard, **spec},
            "status": {"hard": hard, "used": used or {}},
        }
    )


def limit_range(**item: Any) -> LimitRange:
    return LimitRange.from_dict({"metadata": {"name": "l", "namespace": "n"}, "spec": {"limits": [item]}})


@pytest.mark.parametrize(
    ("hard", "spec", "expected"),
    [
        ({"pods": "1", "count/widgets.x.io": "2", "requests.nvidia.com/gpu": "1"}, {}, []),
        ({"pods": "1500m"}, {}, ['spec.hard[pods]: Invalid value: "1500m": must be an integer']),
        (
            {"storage": "1"},
            {},
            ['spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota'],
        ),
        (
            {"what": "1"},
            {},
            [
                'spec.hard[what]: Invalid value: "what": must be a standard resource type or fully qualified',
                'spec.hard[what]: Invalid value: "what": must be a standard resource for quota',
            ],
        ),
        ({"pods": "1"}, {"scopes": ["Terminating", "NotTerminating"]}, [
            'spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes'
        ]),
        ({"services": "1"}, {"scopes": ["Terminating"]}, [
            'spec.scopes: Invalid value: ["Terminating"]: unsupported scope applied to resource'
        ]),
        ({"requests.storage": "1"}, {"scopes": ["VolumeAttributesClass"]}, []),
        (
            {"secrets": "1"},
            {"scopeSelector": {"matchExpressions": [{"scopeName": "BestEffort", "operator": "Exists"}]}},
            [
                'spec.scopeSelector.matchExpressions: Invalid value: {"MatchExpressions":[{"ScopeName":"BestEffort",'
                '"Operator":"Exists","Values":null}]}: unsupported scope applied to resource'
            ],
        ),
        ({"pods": "1"}, {"scopeSelector": {"matchExpressions": [{"scopeName": "X", "operator": "Y"}]}}, [
            'spec.scopeSelector.matchExpressions.scopeName: Invalid value: "X": unsupported scope',
            'spec.scopeSelector.matchExpressions.operator: Invalid value: "Y": not a valid selector operator',
        ]),
        ({"pods": "1"}, {"scopeSelector": {"matchExpressions": [
            {"scopeName": "PriorityClass", "operator": "Exists", "values": ["a"]}
        ]}}, [
            'spec.scopeSelector.matchExpressions.values: Invalid value: ["a"]: '
            "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
        ]),
    ],
)  # fmt: skip
def test_what_a_quota_may_say(hard: dict[str, str], spec: dict[str, Any], expected: list[str]) -> None:
    assert complaints(QUOTAS, quota(hard, **spec)) == expected


def test_scopes_do_not_change() -> None:
    def change(new: ResourceQuota) -> None:
        new.spec.scopes = ["NotBestEffort"]

    assert update_complaints(QUOTAS, quota({"pods": "1"}, scopes=["BestEffort"]), change) == [
        'spec.scopes: Invalid value: ["NotBestEffort"]: field is immutable'
    ]


def test_a_quota_in_a_table() -> None:
    obj = quota({"pods": "2", "limits.cpu": "4", "requests.cpu": "2"}, {"pods": "1", "limits.cpu": "1"})
    assert QUOTAS.cells(obj, obj.metadata.creationTimestamp)[:3] == [  # type: ignore[arg-type]  # not looked at
        "q",
        "pods: 1/2, requests.cpu: 0/2",
        "limits.cpu: 1/4",
    ]


def test_defaults_of_containers_limits() -> None:
    item = created(RANGES, limit_range(type="Container", max={"cpu": "2"}, min={"memory": "1Mi"})).spec.limits[0]
    assert (item.default, item.defaultRequest) == ({"cpu": "2"}, {"cpu": "2", "memory": "1Mi"})
    assert created(RANGES, limit_range(type="Pod", max={"cpu": "2"})).spec.limits[0].default == {}


def test_a_limit_range_without_limits_says_null() -> None:
    assert LimitRange.from_dict({"metadata": {"name": "l"}}).to_dict()["spec"] == {"limits": None}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"type": "Pod", "max": {"storage": "1"}}, [
            'spec.limits[0].max[storage]: Invalid value: "storage": must be a standard resource for containers'
        ]),
        ({"type": "PersistentVolumeClaim", "max": {"storage": "1"}}, []),
        ({"type": "Container", "min": {"cpu": "0"}, "max": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "9"}}, []),
        ({"type": "Pod", "min": {"cpu": "1"}, "max": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "3"}}, [
            'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000'
        ]),
    ],
)  # fmt: skip
def test_what_a_limit_range_may_say(item: dict[str, Any], expected: list[str]) -> None:
    assert complaints(RANGES, limit_range(**item)) == expected


def test_what_a_pod_uses() -> None:
    containers = [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "500m", "x.io/gpu": "1"}}}] * 2
    found = usage_of("pods", pod(containers=containers, overhead={"cpu": "100m", "memory": "1Mi"}))
    assert found == {
        "count/pods": "1", "pods": "1", "cpu": "1100m", "requests.cpu": "1100m", "memory": "1Mi",
        "requests.memory": "1Mi", "requests.x.io/gpu": "2",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "ports", "balancers"),
    [
        ({"type": "ClusterIP"}, "0", "0"),
        ({"type": "NodePort"}, "1", "0"),
        ({"type": "LoadBalancer"}, "1", "1"),
        ({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False}, "0", "1"),
    ],
)
def test_what_a_service_uses(spec: dict[str, Any], ports: str, balancers: str) -> None:
    found = usage_of("services", service(**spec))
    assert (found["services.nodeports"], found["services.loadbalancers"]) == (ports, balancers)


def test_what_a_claim_uses() -> None:
    claim = PersistentVolumeClaim.from_dict(
        {
            "spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "1Gi"}}},
            "status": {"allocatedResources": {"storage": "2Gi"}},
        }
    )
    assert usage_of("persistentvolumeclaims", claim) == {
        "count/persistentvolumeclaims": "1",
        "persistentvolumeclaims": "1",
        "requests.storage": "2Gi",
        "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
        "gold.storageclass.storage.k8s.io/requests.storage": "2Gi",
    }
    assert is_tracked("persistentvolumeclaims", "gold.storageclass.storage.k8s.io/requests.storage")
    assert not is_tracked("pods", "requests.storage")


def test_what_a_claim_of_devices_uses() -> None:
    def wish(name: str, count: int = 1, mode: str = "ExactCount") -> SimpleNamespace:
        return SimpleNamespace(deviceClassName=name, count=count, allocationMode=mode)

    requests = [
        SimpleNamespace(exactly=wish("a", 2), firstAvailable=[]),
        SimpleNamespace(exactly=None, firstAvailable=[wish("a", 3), wish("b"), wish("a", mode="All")]),
    ]
    claim = SimpleNamespace(spec=SimpleNamespace(devices=SimpleNamespace(requests=requests)))
    assert usage_of("resourceclaims.resource.k8s.io", claim) == {
        "count/resourceclaims.resource.k8s.io": "1",
        "a.deviceclass.resource.k8s.io/devices": "34",
        "b.deviceclass.resource.k8s.io/devices": "1",
    }
    assert is_tracked("resourceclaims.resource.k8s.io", "a.deviceclass.resource.k8s.io/devices")


def test_other_objects_are_counted() -> None:
    assert usage_of("secrets", object()) == {"count/secrets": "1", "secrets": "1"}
    assert usage_of("deployments.apps", object()) == {"count/deployments.apps": "1"}
    assert is_tracked("secrets", "secrets")
    assert not is_tracked("deployments.apps", "deployments.apps")


@pytest.mark.parametrize(
    ("scope", "spec", "counts"),
    [
        ({"scopeName": "Terminating", "operator": "Exists"}, {"activeDeadlineSeconds": 1}, True),
        ({"scopeName": "NotTerminating", "operator": "Exists"}, {"activeDeadlineSeconds": 1}, False),
        ({"scopeName": "BestEffort", "operator": "Exists"}, {}, True),
        ({"scopeName": "PriorityClass", "operator": "Exists"}, {}, False),
        ({"scopeName": "PriorityClass", "operator": "NotIn", "values": ["a"]}, {"priorityClassName": "b"}, True),
        ({"scopeName": "PriorityClass", "operator": "DoesNotExist"}, {"priorityClassName": "b"}, False),
        ({"scopeName": "VolumeAttributesClass", "operator": "Exists"}, {}, False),
        (
            {"scopeName": "CrossNamespacePodAffinity", "operator": "Exists"},
            {
                "affinity": {
                    "podAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "t", "namespaces": ["x"]}]
                    }
                }
            },
            True,
        ),
    ],
)
def test_scopes(scope: dict[str, Any], spec: dict[str, Any], counts: bool) -> None:
    obj = quota({"pods": "1"}, scopeSelector={"matchExpressions": [scope]})
    assert applies(obj, "pods", pod(**spec)) is counts
    assert not applies(obj, "secrets", object())


def test_what_is_limited_must_be_said() -> None:
    said = {"resources": {"requests": {"cpu": "1"}}}
    obj = pod(containers=[{"name": "b", "image": "i", **said}, {"name": "a", "image": "i"}])
    assert unsaid(obj, ["pods", "cpu", "limits.memory"]) == "must specify cpu for: a; limits.memory for: a,b"
    assert unsaid(obj, ["pods", "requests.ephemeral-storage"]) == ""


def test_only_growth_is_charged() -> None:
    assert increase({"a": "2", "b": "1", "c": "3Gi"}, {"a": "3", "b": "1", "c": "1Gi"}) == {"c": "2Gi"}
