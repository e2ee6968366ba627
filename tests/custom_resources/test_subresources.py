"""`/status` and `/scale` of custom objects."""

from __future__ import annotations

import pytest

from tests.custom_resources.conftest import APPLY, MERGE, Custom, version

SCALE = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.since",
}


@pytest.fixture
def widgets(custom: Custom) -> Custom:
    custom.define(version(subresources={"status": {}, "scale": SCALE}))
    return custom


def test_status_is_written_by_itself(widgets: Custom) -> None:
    created = widgets.create("a", spec={"size": 1}, status={"ready": True})
    assert "status" not in created
    change = {"metadata": {"labels": {"x": "y"}}, "spec": {"size": 9}, "status": {"ready": True}}
    written = widgets.client.patch(widgets.path("a", part="status"), json=change, headers=MERGE).json()
    assert written["status"] == {"ready": True}
    assert written["spec"] == created["spec"]
    assert "labels" not in written["metadata"]
    assert written["metadata"]["generation"] == 1
    main = widgets.client.patch(widgets.path("a"), json={"status": {"ready": False}}, headers=MERGE).json()
    assert main["status"] == {"ready": True}


def test_a_wrong_status_is_refused(widgets: Custom) -> None:
    widgets.create("a")
    answer = widgets.client.patch(widgets.path("a", part="status"), json={"status": {"ready": 1}}, headers=MERGE)
    assert answer.status_code == 422
    assert answer.json()["details"]["causes"][0]["field"] == "status.ready"


def test_status_is_applied(widgets: Custom) -> None:
    widgets.create("a")
    body = {**widgets.widget("a"), "status": {"ready": True}}
    del body["spec"]
    answer = widgets.client.patch(
        widgets.path("a", part="status"), params={"fieldManager": "ctl"}, json=body, headers=APPLY
    )
    mine = [entry for entry in answer.json()["metadata"]["managedFields"] if entry["manager"] == "ctl"]
    assert [(entry["subresource"], entry["fieldsV1"]) for entry in mine] == [("status", {"f:status": {"f:ready": {}}})]


def test_scale_shows_and_sets_the_count(widgets: Custom) -> None:
    widgets.create("a", spec={"replicas": 2})
    status = {"status": {"replicas": 1, "since": "app=a"}}
    assert widgets.client.patch(widgets.path("a", part="status"), json=status, headers=MERGE).status_code == 200
    scale = widgets.client.get(widgets.path("a", part="scale")).json()
    assert (scale["kind"], scale["spec"]) == ("Scale", {"replicas": 2})
    assert scale["status"] == {"replicas": 1, "selector": "app=a"}
    scale["spec"]["replicas"] = 5
    assert widgets.client.put(widgets.path("a", part="scale"), json=scale).json()["spec"] == {"replicas": 5}
    assert widgets.get("a")["spec"]["replicas"] == 5
    assert widgets.client.put(widgets.path("a", part="scale"), json=scale).status_code == 409


def test_an_object_without_a_count_has_no_scale_until_one_is_set(widgets: Custom) -> None:
    widgets.create("a")
    assert widgets.client.get(widgets.path("a", part="scale")).status_code == 500
    change = {"spec": {"replicas": 3}}
    assert widgets.client.patch(widgets.path("a", part="scale"), json=change, headers=MERGE).status_code == 200
    assert widgets.get("a")["spec"]["replicas"] == 3
    negative = {"spec": {"replicas": -1}}
    answer = widgets.client.patch(widgets.path("a", part="scale"), json=negative, headers=MERGE)
    assert answer.json()["details"]["causes"][0]["field"] == ".spec.replicas"


def test_other_subresources_are_not_there(widgets: Custom) -> None:
    widgets.create("a")
    assert widgets.client.get(widgets.path("a", part="log")).json()["reason"] == "NotFound"
    assert widgets.client.delete(widgets.path("a", part="status")).status_code == 405


def test_defaults_of_status_show_at_once(custom: Custom) -> None:
    status = {"type": "object", "default": {}, "properties": {"phase": {"type": "string", "default": "New"}}}
    schema = {"type": "object", "properties": {"spec": {"type": "object"}, "status": status}}
    custom.define(version(subresources={"status": {}}, schema={"openAPIV3Schema": schema}))
    created = custom.create("a", status={"phase": "Old"})
    assert created["status"] == {"phase": "New"}
    assert custom.get("a") == created
