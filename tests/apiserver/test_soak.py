"""The server's memory does not grow with what has come and gone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx

from tests.apiserver.conftest import ApiServer, Watch

ROUNDS = 6
EACH = 150
_ALLOWED = 6 * 1024
"""kB that the last rounds may add: the allocator's own holes."""


def resident(server: ApiServer) -> int:
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1])


def one_round(client: httpx.Client, number: int) -> None:
    """Objects, watches, lists and refusals that come and go."""
    space = f"round-{number}"
    assert client.post("/api/v1/namespaces", json={"metadata": {"name": space}}).status_code == 201
    account = {"metadata": {"name": "default"}}
    assert client.post(f"/api/v1/namespaces/{space}/serviceaccounts", json=account).status_code == 201
    pods = f"/api/v1/namespaces/{space}/pods"
    watch = Watch(client, pods)
    for index in range(EACH):
        made = client.post(pods, json=pod(f"p-{index}", number))
        assert made.status_code == 201, made.text
        patched = client.patch(
            f"{pods}/p-{index}",
            content=b'{"metadata":{"labels":{"round":"%d"}}}' % number,
            headers={"Content-Type": "application/merge-patch+json"},
        )
        assert patched.status_code == 200
        assert client.get(f"{pods}/absent-{number}-{index}").status_code == 404
        assert client.post(pods, content=b"{" * index).status_code == 400
    listed = client.get(pods, params={"labelSelector": f"round={number}"}).json()
    assert len(listed["items"]) == EACH
    assert client.get(pods, params={"limit": "7"}).json()["metadata"]["continue"]
    assert len(watch.take(2 * EACH)) == 2 * EACH
    watch.close()
    assert client.delete(pods, params={"gracePeriodSeconds": "0"}).status_code == 200
    assert client.get(pods).json()["items"] == []


def pod(name: str, number: int) -> dict[str, Any]:
    container = {"name": "c", "image": f"image:{number}", "env": [{"name": "N", "value": str(number)}]}
    return {"metadata": {"name": name, "annotations": {"n": str(number)}}, "spec": {"containers": [container]}}


def test_memory_does_not_grow_with_what_comes_and_goes(own_server: ApiServer) -> None:
    sizes = []
    with own_server.client() as client:
        for number in range(ROUNDS):
            one_round(client, number)
            sizes.append(resident(own_server))
    # What is kept on purpose (recent events, remembered shapes) is there after the first rounds.
    assert sizes[-1] - sizes[ROUNDS // 2] < _ALLOWED, sizes
