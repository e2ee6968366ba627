"""Create, read, update, patch, delete: what any client relies on."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

APPLY = {"Content-Type": "application/apply-patch+yaml"}
MERGE = {"Content-Type": "application/merge-patch+json"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}


@pytest.fixture
def maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def config_map(name: str, **data: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_created_object_carries_what_the_server_adds(admin: httpx.Client, maps: str) -> None:
    answer = admin.post(maps, json=config_map("a", k="v"))
    assert answer.status_code == 201
    metadata = answer.json()["metadata"]
    assert metadata["uid"]
    assert metadata["resourceVersion"]
    assert metadata["creationTimestamp"].endswith("Z")
    assert metadata["managedFields"][0]["operation"] == "Update"
    assert admin.get(f"{maps}/a").json() == answer.json()


def test_second_create_of_a_name_conflicts(admin: httpx.Client, maps: str) -> None:
    assert admin.post(maps, json=config_map("a")).status_code == 201
    answer = admin.post(maps, json=config_map("a"))
    assert (answer.status_code, answer.json()["reason"]) == (409, "AlreadyExists")
    assert answer.json()["message"] == 'configmaps "a" already exists'


def test_generated_names_differ(admin: httpx.Client, maps: str) -> None:
    body = {"metadata": {"generateName": "gen-"}}
    names = {admin.post(maps, json=body).json()["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("gen-") and len(name) == 9 for name in names)


def test_update_with_an_old_version_conflicts_and_changes_nothing(admin: httpx.Client, maps: str) -> None:
    first = admin.post(maps, json=config_map("a", k="1")).json()
    second = admin.put(f"{maps}/a", json={**first, "data": {"k": "2"}})
    assert second.status_code == 200
    stale = admin.put(f"{maps}/a", json={**first, "data": {"k": "3"}})
    assert (stale.status_code, stale.json()["reason"]) == (409, "Conflict")
    assert admin.get(f"{maps}/a").json()["data"] == {"k": "2"}


def test_update_that_changes_nothing_writes_nothing(admin: httpx.Client, maps: str) -> None:
    created = admin.post(maps, json=config_map("a", k="1")).json()
    again = admin.put(f"{maps}/a", json=created).json()
    assert again["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    ("headers", "patch"),
    [
        (MERGE, {"data": {"new": "x", "k": None}}),
        (STRATEGIC, {"data": {"new": "x", "k": None}}),
        (JSON_PATCH, [{"op": "remove", "path": "/data/k"}, {"op": "add", "path": "/data/new", "value": "x"}]),
    ],
    ids=["merge", "strategic", "json"],
)
def test_patch_formats(admin: httpx.Client, maps: str, headers: dict[str, str], patch: object) -> None:
    admin.post(maps, json=config_map("a", k="1"))
    answer = admin.patch(f"{maps}/a", json=patch, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"] == {"new": "x"}


def test_unknown_patch_format_is_refused(admin: httpx.Client, maps: str) -> None:
    admin.post(maps, json=config_map("a"))
    assert admin.patch(f"{maps}/a", json={}).status_code == 415


def test_apply_creates_owns_and_conflicts(admin: httpx.Client, maps: str) -> None:
    first = admin.patch(f"{maps}/a", params={"fieldManager": "one"}, json=config_map("a", k="1"), headers=APPLY)
    assert first.status_code == 201, first.text
    other = admin.patch(f"{maps}/a", params={"fieldManager": "two"}, json=config_map("a", k="2"), headers=APPLY)
    assert (other.status_code, other.json()["reason"]) == (409, "Conflict")
    forced = {"fieldManager": "two", "force": "true"}
    taken = admin.patch(f"{maps}/a", params=forced, json=config_map("a", k="2"), headers=APPLY)
    assert taken.status_code == 200
    assert taken.json()["data"] == {"k": "2"}


def test_dry_run_stores_nothing(admin: httpx.Client, maps: str) -> None:
    answer = admin.post(maps, params={"dryRun": "All"}, json=config_map("a"))
    assert answer.status_code == 201
    assert admin.get(f"{maps}/a").status_code == 404


def test_unknown_fields_warn_or_are_refused(admin: httpx.Client, maps: str) -> None:
    body = {**config_map("a"), "nope": 1}
    strict = admin.post(maps, params={"fieldValidation": "Strict"}, json=body)
    assert strict.status_code == 400
    assert 'unknown field "nope"' in strict.json()["message"]
    warned = admin.post(maps, json=body)
    assert warned.status_code == 201
    assert warned.headers["warning"] == '299 - "unknown field \\"nope\\""'


def test_delete_waits_for_finalizers(admin: httpx.Client, maps: str) -> None:
    body = config_map("a")
    body["metadata"] = {"name": "a", "finalizers": ["example.com/hold"]}
    admin.post(maps, json=body)
    assert "deletionTimestamp" in admin.delete(f"{maps}/a").json()["metadata"]
    assert admin.get(f"{maps}/a").status_code == 200
    admin.patch(f"{maps}/a", json={"metadata": {"finalizers": None}}, headers=MERGE)
    assert admin.get(f"{maps}/a").status_code == 404


def test_delete_collection_follows_the_selector(admin: httpx.Client, maps: str) -> None:
    for name, team in (("a", "x"), ("b", "x"), ("c", "y")):
        admin.post(maps, json={"metadata": {"name": name, "labels": {"team": team}}})
    assert admin.delete(maps, params={"labelSelector": "team=x"}).status_code == 200
    assert [item["metadata"]["name"] for item in admin.get(maps).json()["items"]] == ["c"]


def test_scale_changes_replicas_only(admin: httpx.Client, namespace: str) -> None:
    url = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    assert admin.post(url, json={"metadata": {"name": "d"}, "spec": spec}).status_code == 201
    scale = admin.get(f"{url}/d/scale").json()
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {"replicas": 2}, "a=b")
    scale["spec"]["replicas"] = 5
    assert admin.put(f"{url}/d/scale", json=scale).json()["spec"]["replicas"] == 5
    deployment = admin.get(f"{url}/d").json()
    assert (deployment["spec"]["replicas"], deployment["metadata"]["generation"]) == (5, 2)


def test_status_and_spec_are_written_apart(admin: httpx.Client, namespace: str) -> None:
    url = f"/api/v1/namespaces/{namespace}/pods"
    body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    pod = admin.post(url, json={**body, "status": {"phase": "Failed"}}).json()
    assert pod["status"]["phase"] == "Pending"
    pod["status"]["phase"] = "Running"
    assert admin.put(f"{url}/p", json=pod).json()["status"]["phase"] == "Pending"
    assert admin.put(f"{url}/p/status", json=pod).json()["status"]["phase"] == "Running"


def test_a_status_is_written_with_the_metadata_of_most_kinds(admin: httpx.Client, namespace: str) -> None:
    merge = {"Content-Type": "application/merge-patch+json"}
    written = {
        "labels": {"a": "b"},
        "annotations": {"a": "b"},
        "finalizers": ["example.com/held"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}],
    }
    group = "/apis/policy/v1/namespaces"
    url = f"{group}/{namespace}/poddisruptionbudgets"
    admin.post(url, json={"metadata": {"name": "b"}, "spec": {"maxUnavailable": 1}})
    found = admin.patch(f"{url}/b/status", json={"metadata": written}, headers=merge).json()["metadata"]
    assert {field: found.get(field) for field in written} == written
    removed = admin.patch(f"{url}/b/status", json={"metadata": {"finalizers": None}}, headers=merge).json()
    assert "finalizers" not in removed["metadata"]
    url = "/apis/apiregistration.k8s.io/v1/apiservices"
    found = admin.patch(f"{url}/v1.apps/status?dryRun=All", json={"metadata": written}, headers=merge).json()[
        "metadata"
    ]
    assert not written.keys() & found.keys() - {"labels"}
    assert "a" not in found["labels"]


def test_defaults_of_a_status_follow_the_spec_that_came_with_it(admin: httpx.Client, namespace: str) -> None:
    """Only an address of a load balancer is taken to be a virtual one."""
    url = f"/api/v1/namespaces/{namespace}/services"
    admin.post(url, json={"metadata": {"name": "s"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}})
    headers = {"Content-Type": "application/merge-patch+json"}
    status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    other = {"spec": {"type": "ClusterIP"}, "status": status}
    answer = admin.patch(f"{url}/s/status", json=other, headers=headers)
    assert (answer.status_code, "ingress[0].ipMode: Required value" in answer.json()["message"]) == (422, True)
    answer = admin.patch(f"{url}/s/status", json={"status": status}, headers=headers)
    assert answer.json()["status"]["loadBalancer"]["ingress"] == [{"ip": "192.0.2.1", "ipMode": "VIP"}]


def test_bind_puts_a_pod_on_a_node_once(admin: httpx.Client, namespace: str) -> None:
    url = f"/api/v1/namespaces/{namespace}/pods"
    admin.post(url, json={"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
    assert admin.post(f"{url}/p/binding", json=binding).status_code == 201
    assert admin.get(f"{url}/p").json()["spec"]["nodeName"] == "n1"
    again = admin.post(f"{url}/p/binding", json=binding)
    assert (again.status_code, "already assigned" in again.json()["message"]) == (409, True)


def test_pods_show_as_a_table(admin: httpx.Client, namespace: str) -> None:
    url = f"/api/v1/namespaces/{namespace}/pods"
    admin.post(url, json={"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    table = admin.get(url, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}).json()
    names = [column["name"] for column in table["columnDefinitions"]]
    assert names[:5] == ["Name", "Ready", "Status", "Restarts", "Age"]
    assert table["rows"][0]["cells"][:4] == ["p", "0/1", "Pending", "0"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nopes", 404),
        ("GET", "/apis/apps/v2", 404),
        ("GET", "/api/v1/pods/p", 404),
        ("GET", "/api/v1/namespaces/default/nodes", 404),
        ("DELETE", "/api/v1/pods", 405),
        ("DELETE", "/api/v1", 405),
        ("POST", "/api/v1/pods", 405),
        ("PUT", "/api/v1/namespaces/default/configmaps", 405),
    ],
)
def test_unknown_urls_and_methods(admin: httpx.Client, method: str, path: str, status: int) -> None:
    answer = admin.request(method, path, json={})
    assert answer.status_code == status
    assert answer.json()["kind"] == "Status"


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/apis/no.such.group", "/apis/no.such.group/v1", "/apis/no.such.group/v1/things", "/livez/nope"],
)
def test_paths_that_lead_nowhere(admin: httpx.Client, path: str) -> None:
    answer = admin.get(path)
    assert (answer.status_code, answer.text) == (404, "404 page not found\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_patch_that_takes_the_version_away_leaves_nothing_known(admin: httpx.Client, maps: str) -> None:
    admin.post(maps, json=config_map("a"))
    patch = [{"op": "replace", "path": "", "value": {"data": {"k": "v"}, "metadata": {"name": "a"}}}]
    answer = admin.patch(f"{maps}/a", json=patch, headers=JSON_PATCH)
    assert answer.status_code == 400
    assert answer.headers["warning"] == '299 - "unknown field \\"data\\"", 299 - "unknown field \\"metadata\\""'
    assert "name must be provided" in answer.json()["message"]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[]", b'"x"', b"", b"[" * 5000, b'{"metadata":{"name":5}}'])
def test_malformed_bodies_are_refused(admin: httpx.Client, maps: str, body: bytes) -> None:
    answer = admin.post(maps, content=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["kind"] == "Status"


def test_too_large_a_body_is_refused(admin: httpx.Client, maps: str) -> None:
    answer = admin.post(maps, json=config_map("big", k="x" * 4_000_000))
    assert answer.status_code == 413


def test_yaml_in_and_out(admin: httpx.Client, maps: str) -> None:
    text = b"metadata:\n  name: y\ndata:\n  k: 'on'\n"
    name = f"y{uuid.uuid4().hex[:4]}"
    created = admin.post(
        maps, content=text.replace(b"name: y", f"name: {name}".encode()), headers={"Content-Type": "application/yaml"}
    )
    assert created.status_code == 201, created.text
    shown = admin.get(f"{maps}/{name}", headers={"Accept": "application/yaml"})
    assert "kind: ConfigMap" in shown.text
    assert "k: 'on'" in shown.text or 'k: "on"' in shown.text


@pytest.mark.parametrize(
    ("query", "agent", "pretty"),
    [("true", "", True), ("", "curl/8.5.0", True), ("false", "curl/8.5.0", False), ("", "kubectl/v1.36.2", False)],
)
def test_people_get_indented_json(admin: httpx.Client, maps: str, query: str, agent: str, pretty: bool) -> None:
    admin.post(maps, json=config_map("a"))
    for path in (maps, f"{maps}/a", f"{maps}/missing"):
        answer = admin.get(path, params={"pretty": query}, headers={"User-Agent": agent})
        assert answer.text.startswith('{\n  "kind"') is pretty
        assert answer.text.endswith("}\n") is not pretty


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_methods_that_no_resource_answers(admin: httpx.Client, maps: str, method: str) -> None:
    assert admin.request(method, maps).status_code == 405


@pytest.mark.parametrize(
    ("plural", "body", "status"),
    [
        ("services", {"spec": {"ports": [{"port": 80}]}}, 201),
        ("endpoints", {}, 201),
        ("events", {"involvedObject": {"kind": "Pod", "name": "p"}}, 201),
        ("configmaps", {}, 404),
        ("secrets", {}, 404),
    ],
)
def test_which_kinds_a_put_creates(
    admin: httpx.Client, namespace: str, plural: str, body: dict[str, Any], status: int
) -> None:
    metadata = {"name": "new", "namespace": namespace}
    if "involvedObject" in body:
        body["involvedObject"]["namespace"] = namespace
    path = f"/api/v1/namespaces/{namespace}/{plural}/new"
    answer = admin.put(path, json={"metadata": metadata, **body})
    assert answer.status_code == status, answer.text
    assert admin.patch(f"{path}er", json={}, headers=MERGE).status_code == 404


def test_a_collection_with_an_object_that_may_not_go(admin: httpx.Client) -> None:
    """The first refusal ends the deletion and is the answer."""
    answer = admin.delete("/apis/scheduling.k8s.io/v1/priorityclasses")
    assert answer.status_code == 403
    assert "this is a system priority class and cannot be deleted" in answer.json()["message"]


def test_managers_that_a_client_writes_itself_have_proper_names(admin: httpx.Client, maps: str) -> None:
    owned = {"f:data": {"f:other": {}}}  # what the request itself sets is its own manager's
    entry = {"operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": owned}
    body = config_map("a", k="v")
    body["metadata"] = {
        "name": "a",
        "managedFields": [
            {**entry, "manager": "m" * 129},
            {**entry, "manager": "bell\a"},
            {**entry, "manager": "fine", "subresource": "s" * 257},
        ],
    }
    refused = admin.post(maps, json=body)
    assert refused.status_code == 422
    causes = [(cause["field"], cause["message"]) for cause in refused.json()["details"]["causes"]]
    assert sorted(causes) == [
        ("metadata.managedFields[0].manager", 'Invalid value: "bell\\a": invalid character U+0007 (at position 4)'),
        ("metadata.managedFields[1].subresource", "Too long: may not be more than 256 bytes"),
        ("metadata.managedFields[2].manager", "Too long: may not be more than 128 bytes"),
    ]
    body["metadata"] = {"name": "a", "managedFields": [{**entry, "manager": "m" * 128}]}
    assert admin.post(maps, json=body).status_code == 201
    body["metadata"] = {"name": "a", "managedFields": [{**entry, "manager": "m" * 129}]}
    assert admin.put(f"{maps}/a", json=body).status_code == 422
    # What another client adds afterwards is no business of those names.
    assert admin.patch(f"{maps}/a", json={"data": {"k": "w"}}, headers=MERGE).status_code == 200
