"""Autoscalers: defaults and rules, and what the older version shows of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import autoscaling_v1, autoscaling_v2
from apiserver.registry.autoscaler_conversion import BEHAVIOR, CONDITIONS, CURRENT_METRICS, METRICS, to_v1, to_v2
from apiserver.registry.horizontal_pod_autoscalers import HorizontalPodAutoscalers, OldHorizontalPodAutoscalers
from tests.registry.builders import NOW, complaints, context, created, update_complaints

TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
OTHERS = [
    {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
    {
        "type": "ContainerResource",
        "containerResource": {
            "container": "c",
            "name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": 5},
        },
    },
    {
        "type": "Pods",
        "pods": {
            "metric": {"name": "qps", "selector": {"matchLabels": {"a": "b"}}},
            "target": {"type": "AverageValue", "averageValue": "5"},
        },
    },
    {
        "type": "Object",
        "object": {"describedObject": TARGET, "metric": {"name": "qps"}, "target": {"type": "Value", "value": "7"}},
    },
    {"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "9"}}},
]


def autoscaler(**spec: Any) -> autoscaling_v2.HorizontalPodAutoscaler:
    spec = {"maxReplicas": 3, "scaleTargetRef": TARGET, **spec}
    return autoscaling_v2.HorizontalPodAutoscaler.from_dict({"metadata": {"name": "a", "namespace": "n"}, "spec": spec})


def old(annotations: dict[str, str] | None = None, **spec: Any) -> autoscaling_v1.HorizontalPodAutoscaler:
    spec = {"maxReplicas": 3, "scaleTargetRef": TARGET, **spec}
    metadata = {"name": "a", "namespace": "n", "annotations": annotations or {}}
    return autoscaling_v1.HorizontalPodAutoscaler.from_dict({"metadata": metadata, "spec": spec})


def metric(kind: str, **members: Any) -> dict[str, Any]:
    return {"metrics": [{"type": kind, **members}]}


def test_what_is_left_out() -> None:
    found = created(HorizontalPodAutoscalers(), autoscaler(behavior={"scaleDown": {"stabilizationWindowSeconds": 5}}))
    share = {"type": "Utilization", "averageUtilization": 80}
    every_quarter = {"type": "Percent", "value": 100, "periodSeconds": 15}
    assert found.to_dict()["spec"] == {
        "minReplicas": 1,
        "maxReplicas": 3,
        "scaleTargetRef": TARGET,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": share}}],
        "behavior": {
            "scaleUp": {
                "selectPolicy": "Max",
                "stabilizationWindowSeconds": 0,
                "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, every_quarter],
            },
            "scaleDown": {"selectPolicy": "Max", "stabilizationWindowSeconds": 5, "policies": [every_quarter]},
        },
    }


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"metrics": [CPU, *OTHERS]}, []),
        (
            {"minReplicas": 0, "maxReplicas": 0},
            [
                "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
                "spec.maxReplicas: Required value: must be set and greater than 0",
                "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to "
                "zero replicas",
            ],
        ),
        (
            {"maxReplicas": -1},
            [
                "spec.maxReplicas: Invalid value: -1: must be greater than 0",
                "spec.maxReplicas: Invalid value: -1: must be greater than or equal to `minReplicas`",
            ],
        ),
        (
            {"minReplicas": 5},
            ["spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"],
        ),
        (
            {"scaleTargetRef": {"apiVersion": "a/b/c"}},
            [
                "spec.scaleTargetRef.kind: Required value",
                "spec.scaleTargetRef.name: Required value",
                'spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
            ],
        ),
        (
            {"scaleTargetRef": {**TARGET, "apiVersion": "v1"}},
            ['spec.scaleTargetRef.apiVersion: Invalid value: "v1": apiVersion must specify API group'],
        ),
        ({"scaleTargetRef": {"apiVersion": "v1", "kind": "ReplicationController", "name": "d"}}, []),
        (
            metric("Pods", resource=CPU["resource"]),
            ["spec.metrics[0].pods: Required value: must populate information for the given metric source"],
        ),
        (
            {"metrics": [CPU | {"external": OTHERS[4]["external"]}]},
            ["spec.metrics[0].external: Forbidden: must populate the given metric source only"],
        ),
        (
            metric("Resource", resource={"name": "cpu", "target": {"type": "Share"}}),
            [
                'spec.metrics[0].resource.target.type: Invalid value: "Share": must be either Utilization, Value, or '
                "AverageValue",
                "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw "
                "value or a target utilization",
            ],
        ),
        (
            metric("External", external={"metric": {"name": "a/b"}, "target": {"type": "Value", "value": "-1"}}),
            [
                "spec.metrics[0].external.metric.name: Invalid value: \"a/b\": may not contain '/'",
                'spec.metrics[0].external.target.value: Invalid value: "-1": must be positive',
            ],
        ),
        (
            {"behavior": {"scaleUp": {"policies": []}, "scaleDown": {"selectPolicy": "Least"}}},
            [
                "spec.behavior.scaleUp.policies: Required value: must specify at least one Policy",
                'spec.behavior.scaleDown.selectPolicy: Unsupported value: "Least": supported values: "Disabled", '
                '"Max", "Min"',
            ],
        ),
        (
            {"behavior": {"scaleUp": {"policies": [{"type": "Nodes", "value": 0, "periodSeconds": 1801}]}}},
            [
                f"spec.behavior.scaleUp.policies[0].{rest}"
                for rest in (
                    'type: Unsupported value: "Nodes": supported values: "Percent", "Pods"',
                    "value: Invalid value: 0: must be greater than zero",
                    "periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
                )
            ],
        ),
    ],
)
def test_rules(spec: dict[str, Any], expected: list[str]) -> None:
    assert complaints(HorizontalPodAutoscalers(), autoscaler(**spec)) == expected


def test_a_reference_that_was_wrong_before_may_stay() -> None:
    def change(obj: autoscaling_v2.HorizontalPodAutoscaler) -> None:
        obj.spec.maxReplicas = 9

    assert (
        update_complaints(HorizontalPodAutoscalers(), autoscaler(scaleTargetRef=TARGET | {"apiVersion": ""}), change)
        == []
    )


def test_the_old_version_is_held_to_the_rules_in_words_of_the_new_one() -> None:
    assert complaints(OldHorizontalPodAutoscalers(), old(targetCPUUtilizationPercentage=0)) == [
        "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0"
    ]


def test_the_old_version_carries_in_annotations_what_it_has_no_fields_for() -> None:
    stored = created(HorizontalPodAutoscalers(), autoscaler(metrics=[CPU, *OTHERS], behavior={}))
    document = stored.to_dict()
    document["metadata"]["annotations"] = {"mine": "stays"}
    condition = {"type": "AbleToScale", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z", "reason": "R"}
    current = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 30}}}
    document["status"] |= {"conditions": [condition], "currentMetrics": [current], "currentReplicas": 2}
    shown = to_v1(json.loads(json.dumps(document)))
    assert shown["spec"] == {
        "minReplicas": 1,
        "maxReplicas": 3,
        "scaleTargetRef": TARGET,
        "targetCPUUtilizationPercentage": 50,
    }
    assert shown["status"] == {
        "currentReplicas": 2,
        "desiredReplicas": 0,
        "currentCPUUtilizationPercentage": 30,
    }
    annotations = shown["metadata"]["annotations"]
    assert set(annotations) == {"mine", METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR}
    assert [metric["type"] for metric in json.loads(annotations[METRICS])] == [m["type"] for m in OTHERS]
    assert json.loads(annotations[METRICS])[2]["pods"] == {
        "metricName": "qps",
        "targetAverageValue": "5",
        "selector": {"matchLabels": {"a": "b"}},
    }
    assert json.loads(annotations[BEHAVIOR])["ScaleUp"]["Policies"][0] == {
        "Type": "Pods",
        "Value": 4,
        "PeriodSeconds": 15,
    }
    assert json.loads(annotations[CONDITIONS]) == [condition]
    back = autoscaling_v2.HorizontalPodAutoscaler.from_dict(to_v2(shown)).to_dict()
    assert back["metadata"]["annotations"] == {"mine": "stays"}
    assert back["status"]["conditions"] == [condition]
    assert back["spec"] == {**document["spec"], "metrics": [*OTHERS, CPU]}  # the share of the CPU comes last


_KEYS = st.sampled_from(["type", "resource", "name", "object", "target", "ScaleUp", "Policies", "Value"])
_CONTENT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "Resource", "-1", "ScaleUp"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
)


@given(st.sampled_from([METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR]), _CONTENT)
def test_annotations_of_any_content_are_read_or_left_out(name: str, content: Any) -> None:
    strategy = OldHorizontalPodAutoscalers()
    found = created(strategy, old({name: json.dumps(content)}))
    assert isinstance(list(strategy.validate(found)), list)
    again = found.copy_deep()
    strategy.default(again)
    assert again == found
    assert len(strategy.cells(found, NOW)) == len(strategy.columns)


def test_measures_that_lack_members_are_read_as_empty() -> None:
    status = {"currentMetrics": [{"type": "Resource", "resource": {}}]}
    found = autoscaling_v2.HorizontalPodAutoscaler.from_dict({"status": status})
    assert found.to_dict()["status"]["currentMetrics"] == [
        {"type": "Resource", "resource": {"name": "", "current": {}}}
    ]
    assert autoscaling_v2.HorizontalPodAutoscaler.from_dict({}).to_dict()["status"]["currentMetrics"] is None


def test_status_is_the_controllers_in_the_old_version_too() -> None:
    strategy = OldHorizontalPodAutoscalers()
    conditions = {CONDITIONS: '[{"type":"AbleToScale","status":"True","lastTransitionTime":null}]'}
    stored = created(strategy, old(conditions))
    assert stored.metadata.annotations == {}
    stored.metadata.annotations = dict(conditions)
    new = old({METRICS: "[]"}, maxReplicas=7)
    strategy.default(new)
    strategy.prepare_for_update(new, stored, context())
    assert new.metadata.annotations == conditions
    assert new.spec.maxReplicas == 7
    part = strategy.subresources[0]
    changed = old({BEHAVIOR: "{}"}, maxReplicas=9)
    part.prepare_for_update(changed, stored)
    assert changed.spec == stored.spec
    assert BEHAVIOR not in changed.metadata.annotations


OF_OBJECT = {"describedObject": {"kind": "Service", "name": "s"}, "metric": {"name": "m"}}


@pytest.mark.parametrize(
    ("metrics", "current", "shown"),
    [
        ([CPU], None, "cpu: <unknown>/50%"),
        (
            [CPU],
            [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 7}}}],
            "cpu: 7%/50%",
        ),
        ([OTHERS[2], OTHERS[3]], None, "<unknown>/5, <unknown>/7"),
        ([CPU, *OTHERS], None, "cpu: <unknown>/50%, memory: <unknown>/1Gi + 4 more..."),
        (
            [{"type": "Object", "object": {"target": {"type": "Value", "averageValue": "5"}, **OF_OBJECT}}, OTHERS[0]],
            [
                {"type": "Object", "object": {"current": {"averageValue": "3"}, **OF_OBJECT}},
                {"type": "Resource", "resource": {"name": "memory", "current": {"averageUtilization": 7}}},
            ],
            "3/5 (avg), memory: <nil>/1Gi",
        ),
    ],
)
def test_how_targets_are_shown(metrics: Any, current: Any, shown: str) -> None:
    found = autoscaler(metrics=metrics)
    status = {"currentMetrics": current, "desiredReplicas": 1}
    found.status = autoscaling_v2.HorizontalPodAutoscalerStatus.from_dict(status)
    assert HorizontalPodAutoscalers().cells(found, NOW)[1:6] == ["Deployment/d", shown, "<unset>", 3, 0]
