"""`/scale`: a replica count with its owners, its warnings and its table."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

APPLY = {"Content-Type": "application/apply-patch+yaml"}
MERGE = {"Content-Type": "application/merge-patch+json"}


def deployment(**spec: Any) -> dict[str, Any]:
    pods = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": pods, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


def scale(replicas: int) -> dict[str, Any]:
    return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d"}, "spec": {"replicas": replicas}}


@pytest.fixture
def path(admin: httpx.Client, namespace: str) -> str:
    """A deployment whose replicas its applier owns."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/d"
    created = admin.patch(path, params={"fieldManager": "owner"}, json=deployment(replicas=2), headers=APPLY)
    assert created.status_code == 201, created.text
    return path


def owners(admin: httpx.Client, path: str) -> list[tuple[str, str, str]]:
    entries = admin.get(path).json()["metadata"]["managedFields"]
    return [
        (entry["manager"], entry["operation"], entry.get("subresource", ""))
        for entry in entries
        if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
    ]


def test_an_apply_conflicts_with_who_owns_the_count(admin: httpx.Client, path: str) -> None:
    refused = admin.patch(f"{path}/scale", params={"fieldManager": "hpa"}, json=scale(5), headers=APPLY)
    assert refused.status_code == 409
    assert refused.json()["message"] == 'Apply failed with 1 conflict: conflict with "owner": .spec.replicas'
    assert owners(admin, path) == [("owner", "Apply", "")]
    forced = {"fieldManager": "hpa", "force": "true"}
    taken = admin.patch(f"{path}/scale", params=forced, json=scale(5), headers=APPLY)
    assert taken.json()["spec"] == {"replicas": 5}
    assert owners(admin, path) == [("hpa", "Apply", "scale")]


def test_an_update_takes_the_count(admin: httpx.Client, path: str) -> None:
    assert admin.put(f"{path}/scale", params={"fieldManager": "me"}, json=scale(3)).json()["spec"] == {"replicas": 3}
    assert owners(admin, path) == [("me", "Update", "scale")]


def test_what_a_scale_does_not_know(admin: httpx.Client, path: str) -> None:
    patch = {"spec": {"bogus": 1}}
    warned = admin.patch(f"{path}/scale", json=patch, headers=MERGE)
    assert warned.headers["warning"] == '299 - "unknown field \\"spec.bogus\\""'
    strict = admin.patch(f"{path}/scale", params={"fieldValidation": "Strict"}, json=patch, headers=MERGE)
    assert strict.status_code == 422


def test_names_and_uids_must_be_the_objects_own(admin: httpx.Client, path: str) -> None:
    nameless = {**scale(1), "metadata": {}}
    assert "name must be provided" in admin.put(f"{path}/scale", json=nameless).json()["message"]
    other = {**scale(1), "metadata": {"name": "other"}}
    assert "does not match the name on the URL (d)" in admin.put(f"{path}/scale", json=other).json()["message"]
    uid = {**scale(1), "metadata": {"name": "d", "uid": "another"}}
    assert admin.put(f"{path}/scale", json=uid).json()["details"]["kind"] == "deployments/scale"


def test_a_table(admin: httpx.Client, path: str) -> None:
    table = admin.get(f"{path}/scale", headers={"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}).json()
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
    assert table["rows"][0]["cells"][:3] == ["d", 2, 0]
