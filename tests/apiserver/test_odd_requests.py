"""Names, paths, parameters and versions that hardly any client sends, answered as Kubernetes answers them."""

from __future__ import annotations

import base64
import json

import httpx
import pytest


@pytest.fixture
def maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    ("name", "complaint"),
    [("%25", """"%": may not contain '%'"""), ("a%25b", """"a%b": may not contain '%'""")],
)
def test_names_that_no_object_can_have(admin: httpx.Client, maps: str, method: str, name: str, complaint: str) -> None:
    headers = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
    answer = admin.request(method, f"{maps}/{name}", json={}, headers=headers)
    assert (answer.status_code, answer.json()["message"]) == (400, f"Name parameter invalid: {complaint}")


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("//api/v1/pods", 404, "404 page not found\n"),
        ("/api//v1", 404, "the server could not find the requested resource"),
        ("/api/v1//namespaces", 404, "the server could not find the requested resource"),
        ("/api/v1/namespaces/default//pods", 404, "the server could not find the requested resource"),
        ("/api/v1/namespaces//pods", 200, "PodList"),
        ("/api/v1/namespaces/default/pods//", 200, "PodList"),
    ],
)
def test_doubled_slashes(admin: httpx.Client, path: str, status: int, text: str) -> None:
    answer = admin.get(httpx.URL(str(admin.base_url).rstrip("/") + path))
    assert (answer.status_code, text in answer.text) == (status, True)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("limit=", 'strconv.ParseInt: parsing "": invalid syntax'),
        ("limit=1_0", 'strconv.ParseInt: parsing "1_0": invalid syntax'),
        ("limit=9223372036854775808", 'strconv.ParseInt: parsing "9223372036854775808": value out of range'),
        ("limit=x&timeoutSeconds=y&labelSelector=!", 'strconv.ParseInt: parsing "y": invalid syntax'),
    ],
)
def test_numbers_are_read_before_selectors_and_in_order(
    admin: httpx.Client, maps: str, query: str, problem: str
) -> None:
    assert admin.get(f"{maps}?{query}").json()["message"] == problem


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        (b"i\xb7", "invalid character 'i' looking for beginning of value"),
        ({"rv": "x"}, "json: cannot unmarshal string into Go struct field continueToken.rv of type int64"),
        ({}, "server does not recognize this encoded version"),
        ({"v": "meta.k8s.io/v1", "rv": 1}, "encoded start key empty (version meta.k8s.io/v1)"),
    ],
)
def test_continue_tokens_of_nobody(admin: httpx.Client, maps: str, token: object, problem: str) -> None:
    data = token if isinstance(token, bytes) else json.dumps(token).encode()
    answer = admin.get(maps, params={"continue": base64.urlsafe_b64encode(data).decode().rstrip("=")})
    assert answer.json()["message"] == f"invalid continue token: continue key is not valid: {problem}"


def test_a_version_on_an_object_to_be_created(admin: httpx.Client, maps: str) -> None:
    def create(name: str, version: str, **query: str) -> httpx.Response:
        return admin.post(maps, json={"metadata": {"name": name, "resourceVersion": version}}, params=query)

    refused = create("versioned", "5")
    assert (refused.status_code, refused.json()["message"]) == (
        400, "resourceVersion should not be set on objects to be created",
    )  # fmt: skip
    assert create("Versioned_", "5").status_code == 422, "validation comes first"
    assert create("versioned", "5", dryRun="All").status_code == 201, "a dry run stores nothing that could refuse it"
    for name, version in (("zero", "0"), ("word", "abc")):
        assert create(name, version).status_code == 201
        stored = admin.get(f"{maps}/{name}").json()["metadata"]["resourceVersion"]
        assert int(stored) > 0


def test_an_outdated_hash_of_a_schema_leads_to_the_present_one(admin: httpx.Client) -> None:
    moved = admin.get("/openapi/v3/api/v1?hash=00", follow_redirects=False)
    index = admin.get("/openapi/v3").json()
    assert (moved.status_code, moved.headers["location"]) == (301, index["paths"]["api/v1"]["serverRelativeURL"])
    kept = admin.get(moved.headers["location"])
    assert (kept.status_code, kept.headers["cache-control"]) == (200, "public, immutable")


@pytest.mark.parametrize(
    ("timeout", "problem"),
    [
        ("x", 'time: invalid duration "x"'),
        ("5", 'time: missing unit in duration "5"'),
        ("5y", 'time: unknown unit "y" in duration "5y"'),
        ("9999999h", 'time: invalid duration "9999999h"'),
    ],
)
def test_a_timeout_that_is_no_duration(admin: httpx.Client, maps: str, timeout: str, problem: str) -> None:
    for path in (maps, "/version"):
        answer = admin.get(path, params={"timeout": timeout})
        assert answer.status_code == 400
        assert answer.json()["message"] == f"invalid timeout specified in the request URL - {problem}"
    assert admin.get(maps, params={"timeout": timeout, "watch": "1", "timeoutSeconds": "1"}).status_code == 200
    assert admin.get(maps, params={"timeout": "1m30s"}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_paths_of_watches_take_nothing_but_get(admin: httpx.Client, namespace: str, method: str) -> None:
    answer = admin.request(method, f"/api/v1/watch/namespaces/{namespace}/configmaps", json={})
    assert answer.status_code == 405


@pytest.mark.parametrize(
    ("path", "field", "problem"),
    [
        ("/api/v1/configmaps", "x", '"x" is not a known field selector: only "metadata.name", "metadata.namespace"'),
        ("/api/v1/pods", "x", "field label not supported: x"),
        ("/api/v1/namespaces", "name", "field label not supported: name"),
        ("/api/v1/namespaces", "metadata.namespace", "field label not supported: metadata.namespace"),
        ("/api/v1/nodes", "metadata.namespace", "field label not supported: metadata.namespace"),
        ("/apis/events.k8s.io/v1/events", "involvedObject.name", "field label not supported: involvedObject.name"),
        ("/apis/batch/v1/jobs", "x", 'field label "x" not supported for Job'),
        (
            "/apis/resource.k8s.io/v1/resourceslices", "x",
            "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: x",
        ),
    ],
)  # fmt: skip
def test_fields_that_a_kind_is_not_selected_by(admin: httpx.Client, path: str, field: str, problem: str) -> None:
    answer = admin.get(path, params={"fieldSelector": f"{field}=a"})
    assert (answer.status_code, answer.json()["message"]) == (400, problem)


def test_every_kind_without_fields_of_its_own_knows_namespaces(admin: httpx.Client) -> None:
    for path in ("/api/v1/configmaps", "/api/v1/pods", "/apis/storage.k8s.io/v1/storageclasses"):
        assert admin.get(path, params={"fieldSelector": "metadata.namespace=nowhere"}).json()["items"] == []


def test_a_binding_needs_a_name(admin: httpx.Client, namespace: str) -> None:
    nameless = admin.post(f"/api/v1/namespaces/{namespace}/bindings", json={"target": {"name": "n"}})
    assert (nameless.status_code, nameless.json()["message"]) == (400, "Name parameter required.")


def test_a_token_is_of_the_account_that_was_meant(admin: httpx.Client, namespace: str) -> None:
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/robot"
    made = admin.post(account.removesuffix("/robot"), json={"metadata": {"name": "robot"}}).json()
    uid = made["metadata"]["uid"]
    for wanted in ("", uid):
        answer = admin.post(f"{account}/token", json={"metadata": {"uid": wanted}, "spec": {}})
        assert (answer.status_code, answer.json()["metadata"]["uid"]) == (201, uid)
    other = admin.post(f"{account}/token", json={"metadata": {"uid": "x"}, "spec": {}})
    assert other.status_code == 409
    assert other.json()["message"] == (
        'Operation cannot be fulfilled on TokenRequest.authentication.k8s.io "robot": the UID in the token request (x) '
        f"does not match the UID of the service account ({uid})"
    )


def test_parameters_that_are_passed_over(admin: httpx.Client, maps: str) -> None:
    for query in ("limit=%zz", "limit=1;limit=x", "labelSelector=%", "limit=1&limit=x"):
        assert admin.get(f"{maps}?{query}").status_code == 200
    assert admin.get(f"{maps}?limit=%78").status_code == 400


def test_managers_are_measured_in_bytes_and_printable_throughout(admin: httpx.Client, maps: str) -> None:
    def complaints(manager: str) -> list[str]:
        answer = admin.post(maps, json={"metadata": {"generateName": "m-"}}, params={"fieldManager": manager})
        return [cause["message"] for cause in answer.json().get("details", {}).get("causes", [])]

    assert complaints("\u00e4" * 64) == []
    assert complaints("\u00e4" * 65) == ["Too long: may not be more than 128 bytes"]
    assert [each.partition(": invalid ")[2] for each in complaints("\u00e4\n\u00a0")] == [
        "character U+000A (at position 2)",
        "character U+00A0 (at position 3)",
    ]
