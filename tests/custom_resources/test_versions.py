"""Several versions of one resource, and schemas that change under stored objects."""

from __future__ import annotations

import copy
from typing import Any

from tests.apiserver.conftest import Watch
from tests.custom_resources.conftest import DEFINITIONS, JSON_PATCH, MERGE, Custom, until, version


def without_color() -> dict[str, Any]:
    """A version whose schema does not know of colours."""
    other = copy.deepcopy(version("v2", storage=False))
    del other["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["color"]
    return other


def change(custom: Custom, *operations: dict[str, Any]) -> None:
    answer = custom.client.patch(f"{DEFINITIONS}/{custom.name}", json=list(operations), headers=JSON_PATCH)
    assert answer.status_code == 200, answer.text


def test_an_object_is_shown_in_every_version_that_is_served(custom: Custom) -> None:
    custom.define(version(), without_color(), version("v0", storage=False, served=False))
    created = custom.create("a", spec={"size": 1})
    assert created["spec"] == {"size": 1, "color": "red"}
    shown = custom.get("a", "v2")
    assert (shown["apiVersion"], shown["spec"]) == (f"{custom.group}/v2", {"size": 1})
    assert custom.client.get(custom.path("a", "v0")).text == "404 page not found\n"
    custom.create("b", "v2", spec={"size": 2})
    assert custom.get("b")["apiVersion"] == f"{custom.group}/v1"


def test_a_version_on_its_way_out_warns(custom: Custom) -> None:
    old = version("v1beta1", storage=False, deprecated=True)
    older = version("v1alpha1", storage=False, deprecated=True, deprecationWarning="go away")
    custom.define(version(), old, older)
    answer = custom.client.get(custom.path(version="v1beta1"))
    group = custom.group
    assert answer.headers["warning"] == f'299 - "{group}/v1beta1 Widget is deprecated; use {group}/v1 Widget"'
    assert custom.client.get(custom.path(version="v1alpha1")).headers["warning"] == '299 - "go away"'


def test_what_is_stored_is_read_under_the_present_schema(custom: Custom) -> None:
    custom.define()
    created = custom.create("a", spec={"size": 1})
    properties = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties"
    change(
        custom,
        {"op": "remove", "path": f"{properties}/color"},
        {"op": "add", "path": f"{properties}/shape", "value": {"type": "string", "default": "round"}},
    )
    found = until(lambda: custom.get("a") if "shape" in custom.get("a")["spec"] else None)
    assert found["spec"] == {"size": 1, "shape": "round"}
    assert found["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]
    [listed] = custom.client.get(custom.path()).json()["items"]
    assert listed == found
    written = custom.client.patch(custom.path("a"), json={"spec": {"size": 2}}, headers=MERGE).json()
    assert written["spec"] == {"size": 2, "shape": "round"}


def test_who_no_longer_selects_what_was_stored_under_an_older_schema_sees_it_under_the_present_one(
    custom: Custom,
) -> None:
    custom.define()
    custom.create("a", metadata={"name": "a", "labels": {"app": "x"}}, spec={"color": "red"})
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/color"
    change(custom, {"op": "remove", "path": path})
    found = until(lambda: custom.get("a") if "color" not in custom.get("a")["spec"] else None)
    since = found["metadata"]["resourceVersion"]
    watch = Watch(custom.client, custom.path(), labelSelector="app=x", resourceVersion=since)
    try:
        custom.client.patch(custom.path("a"), json={"metadata": {"labels": None}}, headers=MERGE)
        [event] = watch.take(1)
    finally:
        watch.close()
    assert (event["type"], event["object"]["spec"]) == ("DELETED", {})


def storage_hash(custom: Custom, version: str) -> str:
    """What tells clients the storage version."""
    found = custom.client.get(f"/apis/{custom.group}/{version}").json()["resources"]
    return next(str(each["storageVersionHash"]) for each in found if "/" not in each["name"])


def test_a_new_storage_version_is_noted_and_the_old_one_must_stay(custom: Custom) -> None:
    custom.define(version(), without_color())
    custom.create("a", spec={"size": 1})
    before = storage_hash(custom, "v2")
    assert before == storage_hash(custom, "v1")
    change(
        custom,
        {"op": "replace", "path": "/spec/versions/0/storage", "value": False},
        {"op": "replace", "path": "/spec/versions/1/storage", "value": True},
    )
    found = custom.client.get(f"{DEFINITIONS}/{custom.name}").json()
    assert found["status"]["storedVersions"] == ["v1", "v2"]
    dropped = [{"op": "remove", "path": "/spec/versions/0"}]
    refused = custom.client.patch(f"{DEFINITIONS}/{custom.name}", json=dropped, headers=JSON_PATCH)
    assert refused.json()["details"]["causes"][0]["field"] == "status.storedVersions[0]"
    until(lambda: storage_hash(custom, "v2") != before)  # only now is it in effect
    migrated = custom.client.patch(custom.path("a", "v2"), json={"spec": {"size": 2}}, headers=MERGE)
    assert migrated.status_code == 200
    custom.client.patch(
        f"{DEFINITIONS}/{custom.name}/status", json={"status": {"storedVersions": ["v2"]}}, headers=MERGE
    )
    change(custom, *dropped)
    until(lambda: custom.client.get(custom.path("a")).status_code == 404)
    assert custom.get("a", "v2")["spec"] == {"size": 2}


def test_an_object_in_a_version_that_is_gone_cannot_be_read(custom: Custom) -> None:
    custom.define(version("v2"), version("v1", storage=False))
    custom.create("a", "v2", spec={"size": 1})
    change(
        custom,
        {"op": "replace", "path": "/spec/versions/0/storage", "value": False},
        {"op": "replace", "path": "/spec/versions/1/storage", "value": True},
    )
    status = {"status": {"storedVersions": ["v1"]}}
    custom.client.patch(f"{DEFINITIONS}/{custom.name}/status", json=status, headers=MERGE)
    change(custom, {"op": "remove", "path": "/spec/versions/0"})
    answer = until(lambda: None if (a := custom.client.get(custom.path("a"))).status_code == 200 else a)
    assert answer.status_code == 500
    assert answer.json()["message"] == (f"request to convert CR from an invalid group/version: {custom.group}/v2")


def test_fields_that_another_version_does_not_know_end_all_ownership(custom: Custom) -> None:
    custom.define(version(), without_color())
    custom.create("a", spec={"size": 1})
    assert "managedFields" in custom.get("a")["metadata"]
    # The manager of the first write owns fields in v1; for v2, that has none, nothing is lost.
    same = custom.client.patch(custom.path("a", "v2"), json={"spec": {"size": 2}}, headers=MERGE).json()
    managers = {entry["apiVersion"] for entry in same["metadata"]["managedFields"]}
    assert managers == {f"{custom.group}/v1", f"{custom.group}/v2"}
    # One that v2 has written cannot be told in v2 once it has a colour.
    other = custom.client.patch(custom.path("a"), json={"spec": {"color": "green"}}, headers=MERGE).json()
    assert "managedFields" not in other["metadata"]
