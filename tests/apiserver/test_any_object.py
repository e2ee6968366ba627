"""Whatever a client sends as an object, the server has an answer to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.scheme import RESOURCES, Resource
from tests.apiserver.conftest import ApiServer
from tests.openapi.published_objects import PublishedObjects

STORED_ONLY_IN_THOUGHT = {"admissionregistration.k8s.io", "apiregistration.k8s.io", "flowcontrol.apiserver.k8s.io"}
"""Groups whose objects decide how requests are answered: those here are only written as a dry run."""

CONTAINERS = {"containers": [{"name": "c", "image": "i"}]}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": CONTAINERS}
JOB = {"template": {"spec": {**CONTAINERS, "restartPolicy": "Never"}}}
WORKLOAD = {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
REPORTING = ("reportingComponent", "reportingController", "reportingInstance")
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
ROLE = {"apiGroup": "rbac.authorization.k8s.io", "name": "view"}
SOUND: dict[str, dict[str, Any]] = {
    "CSIStorageCapacity": {"storageClassName": "s"},
    "ClusterRoleBinding": {"roleRef": {**ROLE, "kind": "ClusterRole"}},
    "ControllerRevision": {"data": {"a": 1}, "revision": 1},
    "CronJob": {"spec": {"schedule": "@daily", "jobTemplate": {"spec": JOB}}},
    "DaemonSet": WORKLOAD,
    "Deployment": WORKLOAD,
    "EndpointSlice": {"addressType": "IPv4", "endpoints": []},
    "Event": {
        "eventTime": "2026-01-02T03:04:05.000000Z",
        **{name: {"namespace": "any"} for name in ("involvedObject", "regarding")},
        **dict.fromkeys(("type", "reason", "action", *REPORTING), "Normal"),
    },
    "HorizontalPodAutoscaler": {"spec": {"maxReplicas": 3, "scaleTargetRef": TARGET}},
    "Job": {"spec": JOB},
    "PersistentVolume": {
        "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/v"}}
    },
    "PersistentVolumeClaim": {"spec": CLAIM},
    "Pod": {"spec": CONTAINERS},
    "PodTemplate": {"template": TEMPLATE},
    "ReplicaSet": WORKLOAD,
    "ReplicationController": {"spec": {"selector": {"a": "b"}, "template": TEMPLATE}},
    "RoleBinding": {"roleRef": {**ROLE, "kind": "Role"}},
    "RuntimeClass": {"handler": "h"},
    "Service": {"spec": {"ports": [{"port": 80}]}},
    "StatefulSet": WORKLOAD,
    "StorageClass": {"provisioner": "p"},
    "VolumeAttachment": {"spec": {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "v"}}},
    "VolumeAttributesClass": {"driverName": "d", "parameters": {"a": "b"}},
}
"""What the objects of some kinds at least consist of."""


@pytest.fixture(scope="module")
def objects() -> PublishedObjects:
    return PublishedObjects()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server that nobody else needs."""
    server = ApiServer(tmp_path_factory.mktemp("any"))
    server.start()
    with server.client() as client:
        client.post("/api/v1/namespaces", json={"metadata": {"name": "any"}})
        client.post("/api/v1/namespaces/any/serviceaccounts", json={"metadata": {"name": "default"}})
        yield client
    assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.group_resource)
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(random=st.randoms(use_true_random=True))
def test_every_request_is_answered(
    client: httpx.Client, objects: PublishedObjects, resource: Resource, random: Random
) -> None:
    query = {"dryRun": "All"} if resource.group in STORED_ONLY_IN_THOUGHT else {}
    metadata = {"name": "any", "namespace": "any"} if resource.namespaced else {"name": "any"}

    def drawn() -> dict[str, Any]:
        return {**objects.any(resource, random), "metadata": metadata}

    def ask(method: str, url: str, body: Any, media_type: str = "application/json") -> int:
        headers = {"Content-Type": media_type}
        answer = client.request(method, url, params=query, content=json.dumps(body), headers=headers)
        assert answer.status_code < 500, f"{method} {url} {body}: {answer.text}"
        return answer.status_code

    collection, url = resource.path("any"), resource.path("any", "any")
    ask("POST", collection, drawn())
    if resource.is_stored:
        ask("POST", collection, {**SOUND.get(resource.kind, {}), "metadata": metadata})
        for part in ("", *(part.name for part in resource.parts if part.is_view)):
            where = f"{url}/{part}" if part else url
            ask("PUT", where, drawn())
            ask("PATCH", where, drawn(), "application/merge-patch+json")
        ask("DELETE", url, {"gracePeriodSeconds": 0})
