"""Versions that only a webhook can turn into one another: `size` in v1 is `length`, a text, in v2."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver.conftest import Watch
from tests.custom_resources.conftest import DEFINITIONS, JSON_PATCH, MERGE, Custom, until, version
from tests.webhook_server import WebhookServer, serving

TABLE = {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}


def v2() -> dict[str, Any]:
    other = version("v2", storage=False, subresources={"status": {}})
    properties = other["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    del properties["size"]
    properties["length"] = {"type": "string"}
    return other


def converted(review: dict[str, Any]) -> dict[str, Any]:
    """What the webhook answers when it is well."""
    request = review["request"]
    objects = copy.deepcopy(request["objects"])
    for each in objects:
        each["apiVersion"] = request["desiredAPIVersion"]
        spec = each.get("spec", {})
        if each["apiVersion"].endswith("/v2"):
            if "size" in spec:
                spec["length"] = f"{spec.pop('size')}m"
        elif "length" in spec:
            spec["size"] = int(spec.pop("length").removesuffix("m"))
    response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": objects}
    return {"apiVersion": review["apiVersion"], "kind": "ConversionReview", "response": response}


def changed(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    """A webhook that is not well: `change` gets its response."""

    def answer(review: dict[str, Any]) -> dict[str, Any]:
        document = converted(review)
        change(document["response"])
        return document

    return answer


@pytest.fixture
def webhook(tmp_path: Path) -> Iterator[WebhookServer]:
    with serving(tmp_path / "ca", converted) as running:
        yield running


@pytest.fixture
def widgets(custom: Custom, webhook: WebhookServer) -> Iterator[Custom]:
    client = {"url": f"{webhook.url}/convert", "caBundle": webhook.ca_bundle}
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v9", "v1"]}}
    custom.define(version(subresources={"status": {}}), v2(), conversion=conversion)
    yield custom
    webhook.answer = converted
    custom.client.delete(f"{DEFINITIONS}/{custom.name}")
    until(lambda: custom.client.get(f"{DEFINITIONS}/{custom.name}").status_code == 404)


def test_an_object_is_read_in_the_other_version(widgets: Custom, webhook: WebhookServer) -> None:
    created = widgets.create("a", spec={"size": 3})
    assert not webhook.asked
    shown = widgets.get("a", "v2")
    assert shown["spec"] == {"length": "3m", "color": "red"}
    assert shown["metadata"] == created["metadata"]
    assert widgets.get("a", "v2") == shown
    [asked] = webhook.asked
    assert (asked.body["apiVersion"], asked.body["kind"]) == ("apiextensions.k8s.io/v1", "ConversionReview")
    assert asked.body["request"]["desiredAPIVersion"] == f"{widgets.group}/v2"
    assert asked.body["request"]["objects"] == [created]


def test_an_object_is_written_in_the_other_version(widgets: Custom) -> None:
    created = widgets.create("a", "v2", spec={"length": "4m"})
    assert created["spec"] == {"length": "4m", "color": "red"}
    assert widgets.get("a")["spec"] == {"size": 4, "color": "red"}
    changed = widgets.client.patch(widgets.path("a", "v2"), json={"spec": {"length": "5m"}}, headers=MERGE).json()
    assert (changed["spec"]["length"], changed["metadata"]["generation"]) == ("5m", 2)
    assert widgets.get("a")["spec"]["size"] == 5
    written = widgets.client.put(widgets.path("a", "v2"), json={**changed, "spec": {"length": "6m"}})
    assert written.json()["spec"] == {"length": "6m", "color": "red"}
    status = {"status": {"ready": True}}
    answer = widgets.client.patch(widgets.path("a", "v2", "status"), json=status, headers=MERGE)
    assert answer.json()["status"] == {"ready": True}
    assert widgets.client.delete(widgets.path("a", "v2")).status_code == 200


def test_lists_and_tables_ask_once(widgets: Custom, webhook: WebhookServer) -> None:
    for name in "abc":
        widgets.create(name, spec={"size": 3})
    listed = widgets.client.get(widgets.path(version="v2")).json()["items"]
    assert [item["spec"]["length"] for item in listed] == ["3m"] * 3
    assert len(webhook.asked) == 1
    table = widgets.client.get(widgets.path(version="v2"), headers=TABLE).json()
    assert [row["cells"][0] for row in table["rows"]] == ["a", "b", "c"]
    assert len(webhook.asked) == 1


def test_watchers_see_the_version_they_asked_for(widgets: Custom) -> None:
    watch = Watch(widgets.client, widgets.path(version="v2"))
    try:
        widgets.create("a", spec={"size": 3})
        event = watch.next()
    finally:
        watch.close()
    assert (event["type"], event["object"]["spec"]["length"]) == ("ADDED", "3m")


def test_objects_in_the_old_storage_version_are_converted_when_it_changes(widgets: Custom) -> None:
    widgets.create("a", spec={"size": 3})
    change = [
        {"op": "replace", "path": "/spec/versions/0/storage", "value": False},
        {"op": "replace", "path": "/spec/versions/1/storage", "value": True},
    ]
    assert widgets.client.patch(f"{DEFINITIONS}/{widgets.name}", json=change, headers=JSON_PATCH).status_code == 200
    assert widgets.get("a", "v2")["spec"]["length"] == "3m"
    widgets.create("b", spec={"size": 7})
    assert [item["spec"]["size"] for item in widgets.client.get(widgets.path()).json()["items"]] == [3, 7]


def _renamed(response: dict[str, Any]) -> None:
    response["convertedObjects"][0]["metadata"]["name"] = "other"


def _mislabelled(response: dict[str, Any]) -> None:
    response["convertedObjects"][0]["metadata"]["labels"] = {"a": "b c"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda response: response.update(uid="x"), "failed: expected response.uid="),
        (
            lambda response: response.update(result={"status": "Failure", "message": "not today"}),
            "failed: not today",
        ),
        (lambda response: response.update(result={}), "failed: response.result.status was '', not 'Success'"),
        (lambda response: response.update(convertedObjects=[]), "returned 0 objects, expected 1"),
        (
            lambda response: response["convertedObjects"][0].update(apiVersion="x/v1"),
            "returned invalid converted object at index 0: invalid groupVersion",
        ),
        (_renamed, "returned invalid converted object at index 0: must have the same name: other != a"),
        (_mislabelled, "returned invalid metadata in object at index 0: metadata.labels: Invalid value"),
    ],
)
def test_an_answer_that_is_none_is_an_error(
    widgets: Custom, webhook: WebhookServer, change: Callable[[dict[str, Any]], Any], why: str
) -> None:
    widgets.create("a", spec={"size": 3})
    webhook.answer = changed(change)
    answer = widgets.client.get(widgets.path("a", "v2"))
    assert answer.status_code == 500
    assert f"conversion webhook for {widgets.group}/v1, Kind=Widget {why}" in answer.json()["message"]
    webhook.answer = converted
    assert widgets.get("a", "v2")["spec"]["length"] == "3m"


def test_only_labels_and_annotations_may_be_changed(widgets: Custom, webhook: WebhookServer) -> None:
    def change(response: dict[str, Any]) -> None:
        metadata = response["convertedObjects"][0]["metadata"]
        metadata |= {"labels": {"x": "y"}, "finalizers": ["example.com/x"], "generation": 77}

    created = widgets.create("a", spec={"size": 3})
    webhook.answer = changed(change)
    shown = widgets.get("a", "v2")["metadata"]
    assert shown == {**created["metadata"], "labels": {"x": "y"}}
