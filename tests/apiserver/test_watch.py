"""Watches as client-go's informers use them."""

from __future__ import annotations

import json

import httpx
import pytest
from websockets.sync.client import connect

from tests.apiserver.conftest import ApiServer, Watch

TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
def maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def create(client: httpx.Client, maps: str, name: str, **labels: str) -> None:
    assert client.post(maps, json={"metadata": {"name": name, "labels": labels}}).status_code == 201


def test_list_then_watch_misses_nothing(admin: httpx.Client, maps: str) -> None:
    create(admin, maps, "before")
    version = admin.get(maps).json()["metadata"]["resourceVersion"]
    create(admin, maps, "after")
    watch = Watch(admin, maps, resourceVersion=version)
    admin.delete(f"{maps}/after")
    events = [(event["type"], event["object"]["metadata"]["name"]) for event in watch.take(2)]
    watch.close()
    assert events == [("ADDED", "after"), ("DELETED", "after")]


def test_events_carry_kind_and_growing_versions(admin: httpx.Client, maps: str) -> None:
    watch = Watch(admin, maps)
    create(admin, maps, "a")
    admin.patch(f"{maps}/a", json={"data": {"k": "v"}}, headers=MERGE)
    events = watch.take(2)
    watch.close()
    assert [event["object"]["kind"] for event in events] == ["ConfigMap", "ConfigMap"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(versions)


def test_object_that_leaves_the_selector_is_deleted_for_the_watcher(admin: httpx.Client, maps: str) -> None:
    create(admin, maps, "a", team="x")
    watch = Watch(admin, maps, labelSelector="team=x")
    admin.patch(f"{maps}/a", json={"metadata": {"labels": {"team": "y"}}}, headers=MERGE)
    admin.patch(f"{maps}/a", json={"metadata": {"labels": {"team": "x"}}}, headers=MERGE)
    kinds = [event["type"] for event in watch.take(3)]
    watch.close()
    assert kinds == ["ADDED", "DELETED", "ADDED"]


def test_initial_events_end_with_their_bookmark(admin: httpx.Client, maps: str) -> None:
    create(admin, maps, "a")
    parameters = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    watch = Watch(admin, maps, **parameters)
    first, second = watch.take(2)
    watch.close()
    assert first["type"] == "ADDED"
    assert second["type"] == "BOOKMARK"
    assert second["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_watch_ends_after_its_timeout(admin: httpx.Client, maps: str) -> None:
    answer = admin.get(maps, params={"watch": "1", "timeoutSeconds": "1"})
    assert (answer.status_code, answer.text) == (200, "")


def test_watch_as_table(admin: httpx.Client, maps: str) -> None:
    create(admin, maps, "a")
    with admin.stream("GET", maps, params={"watch": "1"}, headers=TABLE) as stream:
        event = json.loads(next(stream.iter_lines()))
    assert event["object"]["kind"] == "Table"
    assert event["object"]["rows"][0]["cells"][0] == "a"


def test_watch_over_websocket(server: ApiServer, admin: httpx.Client, maps: str) -> None:
    create(admin, maps, "a")
    url = f"wss://127.0.0.1:{server.port}{maps}?watch=1"
    headers = {"Authorization": "Bearer admintoken"}
    with connect(url, ssl=server.trust(), additional_headers=headers, open_timeout=60) as socket:
        event = json.loads(socket.recv(timeout=60))
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "a")


def test_both_groups_of_events_show_the_same_objects(admin: httpx.Client, namespace: str) -> None:
    old, new = f"/api/v1/namespaces/{namespace}/events", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
    body = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": namespace},
        "message": "hello",
        "reason": "Because",
        "type": "Normal",
    }
    assert admin.post(old, json=body).status_code == 201
    shown = admin.get(f"{new}/e").json()
    assert (shown["note"], shown["regarding"]["name"], shown["apiVersion"]) == ("hello", "p", "events.k8s.io/v1")
    watch = Watch(admin, new)
    assert watch.next()["object"]["note"] == "hello"
    watch.close()
