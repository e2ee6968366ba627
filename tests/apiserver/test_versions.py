"""Objects that two API versions show, and dependents that outlive their owner."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.apiserver.conftest import Watch

APPLY = {"Content-Type": "application/apply-patch+yaml"}
MERGE = {"Content-Type": "application/merge-patch+json"}
METRICS = "autoscaling.alpha.kubernetes.io/metrics"
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
MEMORY = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}}


def autoscalers(namespace: str, version: str) -> str:
    return f"/apis/autoscaling/{version}/namespaces/{namespace}/horizontalpodautoscalers"


def autoscaler(version: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "a"},
        "spec": {"maxReplicas": 3, "scaleTargetRef": TARGET, **spec},
    }


def test_what_one_version_writes_the_other_shows(admin: httpx.Client, namespace: str) -> None:
    old, new = autoscalers(namespace, "v1"), autoscalers(namespace, "v2")
    assert admin.post(new, json=autoscaler("v2", metrics=[MEMORY])).status_code == 201
    shown = admin.get(f"{old}/a").json()
    assert shown["apiVersion"] == "autoscaling/v1"
    assert json.loads(shown["metadata"]["annotations"][METRICS]) == [
        {"type": "Resource", "resource": {"name": "memory", "targetAverageValue": "1Gi"}}
    ]
    shown["spec"]["targetCPUUtilizationPercentage"] = 40
    assert admin.put(f"{old}/a", json=shown).status_code == 200
    kept = admin.get(f"{new}/a").json()
    share = {"type": "Utilization", "averageUtilization": 40}
    assert kept["spec"]["metrics"] == [MEMORY, {"type": "Resource", "resource": {"name": "cpu", "target": share}}]
    assert "annotations" not in kept["metadata"]
    as_metadata = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
    assert METRICS in admin.get(f"{old}/a", headers=as_metadata).json()["metadata"]["annotations"]
    assert "annotations" not in admin.get(f"{new}/a", headers=as_metadata).json()["metadata"]
    refused = admin.put(f"{old}/a", json=autoscaler("v1", targetCPUUtilizationPercentage=0)).json()
    assert refused["message"] == (
        'HorizontalPodAutoscaler.autoscaling "a" is invalid: spec.metrics[0].resource.target.averageUtilization: '
        "Invalid value: 0: must be greater than 0"
    )


def test_both_versions_are_watched(admin: httpx.Client, namespace: str) -> None:
    watches = [Watch(admin, autoscalers(namespace, version)) for version in ("v1", "v2")]
    assert admin.post(autoscalers(namespace, "v1"), json=autoscaler("v1")).status_code == 201
    seen = [watch.next()["object"] for watch in watches]
    for watch in watches:
        watch.close()
    assert [obj["apiVersion"] for obj in seen] == ["autoscaling/v1", "autoscaling/v2"]
    assert seen[0]["spec"]["targetCPUUtilizationPercentage"] == 80
    assert seen[1]["spec"]["metrics"][0]["resource"]["name"] == "cpu"


def test_ownership_is_told_in_the_version_it_was_written_in(admin: httpx.Client, namespace: str) -> None:
    old, new = autoscalers(namespace, "v1"), autoscalers(namespace, "v2")
    first = {"fieldManager": "first"}
    assert admin.post(old, params=first, json=autoscaler("v1", targetCPUUtilizationPercentage=50)).status_code == 201
    utilization = {"type": "Utilization", "averageUtilization": 60}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": utilization}}
    applied = autoscaler("v2", metrics=[metric])
    answer = admin.patch(f"{new}/a", params={"fieldManager": "second"}, headers=APPLY, json=applied)
    assert answer.status_code == 409
    assert answer.json()["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "first" using autoscaling/v1',
            "field": ".spec.targetCPUUtilizationPercentage",
        }
    ]
    forced = admin.patch(f"{new}/a", params={"fieldManager": "second", "force": "true"}, headers=APPLY, json=applied)
    owners = {entry["manager"]: entry for entry in forced.json()["metadata"]["managedFields"]}
    assert owners["first"]["apiVersion"] == "autoscaling/v1"
    assert "f:targetCPUUtilizationPercentage" not in owners["first"]["fieldsV1"]["f:spec"]
    assert "f:maxReplicas" in owners["first"]["fieldsV1"]["f:spec"]
    assert "f:metrics" in owners["second"]["fieldsV1"]["f:spec"]
    assert admin.get(f"{old}/a").json()["spec"]["targetCPUUtilizationPercentage"] == 60


def test_events_are_owned_across_their_groups(admin: httpx.Client, namespace: str) -> None:
    core = f"/api/v1/namespaces/{namespace}/events"
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": namespace},
        "message": "one",
        "type": "Normal",
        "eventTime": "2026-01-02T03:04:05.000000Z",
        "reason": "Tested",
        "action": "Testing",
        "reportingComponent": "example.com/test",
        "reportingInstance": "i",
    }
    assert admin.post(core, params={"fieldManager": "first"}, json=event).status_code == 201
    newer = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events/e"
    labels = {"metadata": {"labels": {"a": "b"}}}
    answer = admin.patch(newer, params={"fieldManager": "second"}, headers=MERGE, json=labels)
    owners = {entry["manager"]: entry for entry in answer.json()["metadata"]["managedFields"]}
    assert {name: entry["apiVersion"] for name, entry in owners.items()} == {
        "first": "v1",
        "second": "events.k8s.io/v1",
    }
    assert "f:message" in owners["first"]["fieldsV1"]


def test_an_apply_creates_what_needs_more_than_a_name(admin: httpx.Client, namespace: str) -> None:
    url = f"/apis/apps/v1/namespaces/{namespace}/controllerrevisions/r"
    body = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": "r"}, "data": {"k": 1}}
    answer = admin.patch(url, params={"fieldManager": "m"}, headers=APPLY, json={**body, "revision": 3})
    assert (answer.status_code, answer.json()["revision"], answer.json()["data"]) == (201, 3, {"k": 1})


@pytest.mark.parametrize(
    ("parameters", "left", "warned"),
    [({}, ["orphan"], True), ({"propagationPolicy": "Background"}, [], False)],
    ids=["unsaid", "background"],
)
def test_a_job_that_is_deleted_leaves_its_pods_unless_it_is_told(
    admin: httpx.Client, namespace: str, parameters: dict[str, str], left: list[str], warned: bool
) -> None:
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    template = {"spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}}
    assert admin.post(jobs, json={"metadata": {"name": "j"}, "spec": {"template": template}}).status_code == 201
    answer = admin.delete(f"{jobs}/j", params=parameters)
    assert answer.status_code == 200
    assert admin.get(f"{jobs}/j").json().get("metadata", {}).get("finalizers", []) == left
    assert ("child pods are preserved by default" in answer.headers.get("Warning", "")) is warned
