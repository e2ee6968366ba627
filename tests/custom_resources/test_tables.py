"""What `kubectl get` shows of custom objects, and the fields that selectors can ask for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.apiserver.conftest import Watch
from tests.custom_resources.conftest import MERGE, Custom, version

TABLE = {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}
COLUMNS = [
    {"name": "Size", "type": "integer", "jsonPath": ".spec.size", "description": "How big."},
    {"name": "Tags", "type": "string", "jsonPath": ".spec.tags", "priority": 1},
    {"name": "First", "type": "string", "jsonPath": ".spec.tags[0]"},
    {"name": "Port", "type": "string", "jsonPath": '.spec.ports[?(@.name=="web")].port'},
    {"name": "Ready", "type": "boolean", "jsonPath": ".status.ready"},
    {"name": "Since", "type": "date", "jsonPath": ".status.since"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]


def cells(table: dict[str, Any]) -> list[list[Any]]:
    return [row["cells"] for row in table["rows"]]


def test_cells_are_found_by_their_paths(custom: Custom) -> None:
    custom.define(version(additionalPrinterColumns=COLUMNS))
    custom.create(
        "a",
        spec={"size": 3, "tags": ["x", "y"], "ports": [{"port": 80, "name": "web"}]},
        status={"ready": True, "since": "2001-01-01T00:00:00Z"},
    )
    custom.create("b", spec={}, status={"since": "never"})
    table = custom.client.get(custom.path(), headers=TABLE).json()
    headers = [(c["name"], c["type"], c["priority"]) for c in table["columnDefinitions"]]
    assert headers == [("Name", "string", 0), *((c["name"], c["type"], c.get("priority", 0)) for c in COLUMNS)]
    assert table["columnDefinitions"][1]["description"] == "How big."
    first, second = cells(table)
    assert first[:6] == ["a", 3, '["x","y"]', "x", "80", True]
    assert first[6].endswith("y")
    assert second[:7] == ["b", None, None, None, None, None, "<invalid>"]


def test_without_columns_there_are_name_and_age(custom: Custom) -> None:
    custom.define()
    custom.create("a")
    table = custom.client.get(custom.path("a"), headers=TABLE).json()
    assert [(c["name"], c["type"]) for c in table["columnDefinitions"]] == [("Name", "string"), ("Age", "date")]
    assert cells(table)[0][0] == "a"


def test_selectable_fields_select(custom: Custom) -> None:
    custom.define(version(selectableFields=[{"jsonPath": ".spec.color"}, {"jsonPath": ".spec.size"}]))
    custom.create("a", spec={"color": "green", "size": 1})
    custom.create("b", spec={"size": 1})

    def names(selector: str) -> list[str]:
        answer = custom.client.get(custom.path(), params={"fieldSelector": selector}).json()
        return [item["metadata"]["name"] for item in answer["items"]]

    assert names("spec.color=green") == ["a"]
    assert names("spec.color!=green,spec.size=1") == ["b"]
    refused = custom.client.get(custom.path(), params={"fieldSelector": "spec.tags=x"})
    assert refused.json()["message"] == "field label not supported: spec.tags"


def test_a_watch_follows_what_begins_and_ceases_to_match(custom: Custom) -> None:
    custom.define(version(selectableFields=[{"jsonPath": ".spec.color"}]))
    created = custom.create("a")
    watch = Watch(
        custom.client, custom.path(), fieldSelector="spec.color=green",
        resourceVersion=created["metadata"]["resourceVersion"],
    )  # fmt: skip
    try:
        for color in ("green", "red"):
            custom.client.patch(custom.path("a"), json={"spec": {"color": color}}, headers=MERGE)
        events = watch.take(2)
    finally:
        watch.close()
    assert [event["type"] for event in events] == ["ADDED", "DELETED"]
    assert events[0]["object"]["apiVersion"] == f"{custom.group}/v1"
    assert events[0]["object"]["spec"] == {"color": "green"}


@pytest.mark.parametrize("form", ["PartialObjectMetadata", "Table"])
def test_a_bookmark_is_shown_in_the_form_that_was_asked_for(custom: Custom, form: str) -> None:
    custom.define(version(additionalPrinterColumns=COLUMNS))
    created = custom.create("a")
    parameters = {"watch": "1", "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    accept = {"Accept": f"application/json;as={form};g=meta.k8s.io;v=v1"}
    with custom.client.stream(
        "GET", custom.path(), params={**parameters, "allowWatchBookmarks": "true"}, headers=accept
    ) as stream:
        lines = stream.iter_lines()
        events = [json.loads(next(lines)) for _ in range(2)]
    assert [event["type"] for event in events] == ["ADDED", "BOOKMARK"]
    assert [event["object"]["kind"] for event in events] == [form, form]
    assert int(events[1]["object"]["metadata"]["resourceVersion"]) >= int(created["metadata"]["resourceVersion"])
