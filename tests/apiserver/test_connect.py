"""Connections to pods, as far as the API server answers for them itself."""

from __future__ import annotations

from typing import Any

import httpx
import pytest


@pytest.fixture
def pods(admin: httpx.Client, namespace: str) -> str:
    url = f"/api/v1/namespaces/{namespace}/pods"
    for name, containers in (("one", ["c"]), ("two", ["c", "d"])):
        spec: dict[str, Any] = {"containers": [{"name": container, "image": "i"} for container in containers]}
        if name == "two":
            spec["initContainers"] = [{"name": "i", "image": "i"}]
        assert admin.post(url, json={"metadata": {"name": name}, "spec": spec}).status_code == 201
    return url


def test_log_of_a_pod_without_a_node_is_empty(admin: httpx.Client, pods: str) -> None:
    answer = admin.get(f"{pods}/one/log")
    assert (answer.status_code, answer.text) == (204, "")


@pytest.mark.parametrize(
    ("parameters", "status", "words"),
    [
        ("tailLines=-1", 422, "must be greater than or equal to 0"),
        ("tailLines=many", 400, 'parsing "many": invalid syntax'),
        ("sinceSeconds=3&sinceTime=2024-01-01T00:00:00Z", 422, "at most one of"),
        ("stream=Stdout", 422, "stream: Forbidden: may not be specified"),
        ("sinceSeconds=0", 422, "sinceSeconds: Invalid value: 0: must be greater than 0"),
        ("limitBytes=0", 422, "limitBytes: Invalid value: 0: must be greater than 0"),
        ("container=zz", 400, "container zz is not valid for pod one"),
    ],
)
def test_log_options_that_make_no_sense(
    admin: httpx.Client, pods: str, parameters: str, status: int, words: str
) -> None:
    answer = admin.get(f"{pods}/one/log?{parameters}")
    assert answer.status_code == status
    assert words in answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("one/exec?command=ls&stdout=1", "pod one does not have a host assigned"),
        ("two/exec?command=ls&stdout=1", "a container name must be specified for pod two, choose one of: [i c d]"),
        ("one/attach?container=zz", "container zz is not valid for pod one"),
        ("one/portforward?ports=80", "pod one does not have a host assigned"),
    ],
)
def test_what_is_wrong_is_said_before_the_upgrade(admin: httpx.Client, pods: str, path: str, words: str) -> None:
    answer = admin.get(f"{pods}/{path}")
    assert (answer.status_code, answer.json()["message"]) == (400, words)


def test_logs_are_only_read(admin: httpx.Client, pods: str) -> None:
    assert admin.delete(f"{pods}/one/log").status_code == 405
