"""What clients learn of groups that other servers serve."""

from __future__ import annotations

import asyncio
import copy
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.scheme import GroupVersion
from apiserver.aggregation import openapi
from apiserver.aggregation.discovery import merged_group_list
from apiserver.aggregation.openapi import merged
from apiserver.aggregation.remote import Remote
from apiserver.aggregation.swagger_conversion import converted
from tests.aggregation.conftest import SERVICES, api_service, condition, extended
from tests.aggregation.extension_server import AGGREGATED, ExtensionServer
from tests.apiserver.conftest import ApiServer
from tests.cluster.support import until
from tests.ecosystem.kubectl import Kubectl


def groups(admin: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admin.get("/apis", headers={"Accept": AGGREGATED}).json()["items"]
    return found


def versions(admin: httpx.Client, group: str) -> list[dict[str, Any]]:
    """A group's versions in the aggregated document."""
    return [version for each in groups(admin) if each["metadata"]["name"] == group for version in each["versions"]]


def fresh(admin: httpx.Client, group: str) -> bool:
    return [each["freshness"] for each in versions(admin, group)] == ["Current"]


@pytest.mark.parametrize("aggregated", [True, False])
def test_resources_are_those_that_the_server_tells(
    admin: httpx.Client, extension: ExtensionServer, aggregated: bool
) -> None:
    """In the newer form or, where it knows only that, in the older."""
    extension.aggregated = aggregated
    until(lambda: fresh(admin, extension.group))
    patch = {"Content-Type": "application/merge-patch+json"}
    name = f"v1.{extension.group}"
    admin.patch(f"{SERVICES}/{name}", json={"spec": {"versionPriority": 20 + aggregated}}, headers=patch)
    resource = until(lambda: versions(admin, extension.group)[0].get("resources", [None])[0])
    assert (resource["resource"], resource["scope"], resource["singularResource"]) == ("notes", "Namespaced", "note")
    assert resource["verbs"] == ["create", "delete", "get", "list", "watch"]
    assert admin.get(extension.root).json()["resources"][0]["name"] == "notes"


def test_a_server_that_is_away_leaves_its_group(
    server: ApiServer, admin: httpx.Client, extension: ExtensionServer, namespace: str, tmp_path: Path
) -> None:
    group = extension.group
    until(lambda: fresh(admin, group))
    assert admin.delete(f"/api/v1/namespaces/{namespace}/services/notes").status_code == 200
    until(lambda: condition(admin, f"v1.{group}")["reason"] == "ServiceNotFound")
    until(lambda: versions(admin, group) == [{"version": "v1", "freshness": "Stale"}])
    listed = [each["name"] for each in admin.get("/apis").json()["groups"]]
    assert group in listed
    only = {"groupVersion": f"{group}/v1", "version": "v1"}
    assert admin.get(f"/apis/{group}").json() == {
        "kind": "APIGroup", "apiVersion": "v1", "name": group, "versions": [only], "preferredVersion": only
    }  # fmt: skip
    shown = Kubectl(server, tmp_path, namespace)("api-resources")
    assert group not in shown
    assert "pods" in shown


def test_priorities_order_groups(admin: httpx.Client, tmp_path: Path, group: str, namespace: str) -> None:
    before = [each["metadata"]["name"] for each in groups(admin) if "example.com" not in each["metadata"]["name"]]
    with extended(admin, tmp_path, group, namespace, groupPriorityMinimum=17750):
        for found in (
            [each["metadata"]["name"] for each in groups(admin)],
            [each["name"] for each in admin.get("/apis").json()["groups"]],
        ):
            ours = [name for name in found if "example.com" not in name or name == group]
            # Of two groups of the same priority the alphabet decides.
            assert ours == [*before[:2], *sorted([group, "events.k8s.io"]), *before[3:]]
        assert f"/apis/{group}/v1" in admin.get("/").json()["paths"]


def test_priorities_order_versions() -> None:
    names = ["v1beta1", "v2", "v10", "v1alpha2", "zebra", "ape", "v1", "v1beta2", "v3"]
    remotes = [Remote(f"{v}.g", {"group": "g", "version": v}) for v in names]
    priorities = {GroupVersion("g", version): (1, 10 if version != "v3" else 5) for version in names}
    [found] = merged_group_list({"groups": []}, remotes, priorities)["groups"]
    order = [each["version"] for each in found["versions"]]
    assert order == ["v10", "v2", "v1", "v1beta2", "v1beta1", "v1alpha2", "ape", "zebra", "v3"]
    assert found["preferredVersion"]["version"] == "v10"


@pytest.fixture(params=["v3", "v2"])
def published(request: pytest.FixtureRequest, admin: httpx.Client, extension: ExtensionServer) -> str:
    """The URL of the v3 document of a server that has one, or only has one of v2."""
    extension.openapi = {"v2", request.param}
    if request.param == "v2":  # let it be asked anew
        patch = {"Content-Type": "application/merge-patch+json"}
        name = f"v1.{extension.group}"
        admin.patch(f"{SERVICES}/{name}", json={"spec": {"versionPriority": 33}}, headers=patch)
    path, converted = f"apis/{extension.group}/v1", request.param == "v2"

    def url() -> str:
        found = admin.get("/openapi/v3").json()["paths"].get(path, {}).get("serverRelativeURL", "")
        return found if found.endswith("hash=1") != converted else ""

    found: str = until(url)
    return found


def test_openapi_v3(admin: httpx.Client, extension: ExtensionServer, published: str) -> None:
    until(lambda: admin.get(published).status_code == 200)  # nobody has it while the server is asked anew
    document = admin.get(published).json()
    assert document["openapi"] == "3.0.0"
    schema = document["components"]["schemas"]["example.Note"]
    assert schema["properties"]["text"]["description"] == "what to remember"
    [item] = document["paths"].values()
    content = item["get"]["responses"]["200"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/example.Note"}


def test_a_server_publishes_nothing_for_others(admin: httpx.Client, extension: ExtensionServer) -> None:
    own, elsewhere = f"apis/{extension.group}/v1", {"serverRelativeURL": "//example.com/openapi/v3/apis"}
    index = {"paths": {"apis/apps/v1": {"serverRelativeURL": f"/openapi/v3/{own}?hash=2"}, own: elsewhere}}
    before = admin.get("/openapi/v3").json()["paths"]["apis/apps/v1"]
    extension.special["/openapi/v3"] = lambda handler: handler.reply(200, index)
    asked = len(extension.asked)
    patch = {"Content-Type": "application/merge-patch+json"}
    admin.patch(f"{SERVICES}/v1.{extension.group}", json={"spec": {"versionPriority": 34}}, headers=patch)
    until(lambda: [path for _, path, *_ in extension.asked[asked:] if path == "/openapi/v3"])
    until(lambda: own not in admin.get("/openapi/v3").json()["paths"])
    assert admin.get("/openapi/v3").json()["paths"]["apis/apps/v1"] == before
    assert admin.get(f"/openapi/v3/{own}").status_code == 404


def test_openapi_v2(admin: httpx.Client, extension: ExtensionServer) -> None:
    answer = admin.get("/openapi/v2")
    document = answer.json()
    assert f"{extension.root}/namespaces/{{namespace}}/notes" in document["paths"]
    assert "/other" not in document["paths"]
    assert "example.Unused" not in document["definitions"]
    assert "io.k8s.api.core.v1.Pod" in document["definitions"]
    again = admin.get("/openapi/v2", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    binary = {"Accept": "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"}
    assert b"what to remember" in admin.get("/openapi/v2", headers=binary).content


def test_definitions_that_differ_get_names_of_their_own() -> None:
    kind = {"x-kubernetes-group-version-kind": [{"group": "a", "kind": "Status", "version": "v1"}]}
    other = {"x-kubernetes-group-version-kind": [{"group": "b", "kind": "Status", "version": "v1"}]}
    ours = {
        "paths": {"/a": {"get": 1}},
        "definitions": {"Same": {"type": "string", **kind}, "Other": {"type": "string"}},
    }
    theirs = {
        "paths": {"/a": {"get": 2}, "/b": {"get": {"$ref": "#/definitions/Other"}}},
        "definitions": {
            "Same": {"type": "string", **other},
            "Other": {"properties": {"x": {"$ref": "#/definitions/Other"}}},
        },
    }
    before = copy.deepcopy((ours, theirs))
    found = merged(ours, [theirs, theirs])
    assert (ours, theirs) == before
    assert found["paths"] == {"/a": {"get": 1}, "/b": {"get": {"$ref": "#/definitions/Other_v2"}}}
    name = "x-kubernetes-group-version-kind"
    assert found["definitions"]["Same"][name] == [*kind[name], *other[name]]
    assert found["definitions"]["Other_v2"]["properties"]["x"] == {"$ref": "#/definitions/Other_v2"}
    assert sorted(found["definitions"]) == ["Other", "Other_v2", "Same"]


async def test_a_document_that_took_long_is_not_taken_for_a_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    later = threading.Event()

    def merge(ours: bytes, theirs: list[dict[str, Any]], protobuf: bool) -> tuple[bytes, str]:
        assert ours == b"new" or later.wait(60)
        return ours, '"tag"'

    monkeypatch.setattr(openapi, "_merge", merge)
    documents = openapi.MergedV2()
    old = asyncio.create_task(documents.body((b"old", "1"), [], False))
    await asyncio.sleep(0)
    assert (await documents.body((b"new", "2"), [], False))[0] == b"new"
    later.set()
    assert (await old)[0] == b"old"
    assert (await documents.body((b"new", "2"), [], False))[0] == b"new"


def test_a_v2_document_becomes_one_of_v3() -> None:
    body = {"name": "body", "in": "body", "required": True, "schema": {"$ref": "#/definitions/A"}}
    query = {"name": "q", "in": "query", "type": "integer", "uniqueItems": True, "description": "how many"}
    operation = {"parameters": [body, query], "consumes": ["x/y"], "responses": {"200": {"description": "OK"}}}
    found = converted({"paths": {"/a": {"post": operation}}, "definitions": {"A": {"type": "object"}}})
    assert found["paths"]["/a"]["post"] == {
        "parameters": [
            {"name": "q", "in": "query", "description": "how many", "schema": {"type": "integer", "uniqueItems": True}}
        ],
        "requestBody": {"required": True, "content": {"x/y": {"schema": {"$ref": "#/components/schemas/A"}}}},
        "responses": {"200": {"description": "OK"}},
    }
    assert found["components"]["schemas"] == {"A": {"type": "object"}}


def test_api_services_for_one_server(admin: httpx.Client, extension: ExtensionServer, namespace: str) -> None:
    """Two versions of which the server knows but one."""
    second = api_service(extension, namespace, version="v2", versionPriority=50)
    second["metadata"]["name"] = f"v2.{extension.group}"
    extension.special[f"/apis/{extension.group}/v2"] = lambda handler: handler.reply(200, {})
    assert admin.post(SERVICES, json=second).status_code == 201
    try:
        until(lambda: [each["freshness"] for each in versions(admin, extension.group)] == ["Current", "Current"])
        found = versions(admin, extension.group)
        assert [(each["version"], len(each.get("resources", ()))) for each in found] == [("v2", 0), ("v1", 1)]
    finally:
        admin.delete(f"{SERVICES}/v2.{extension.group}")


def test_a_definition_of_the_same_group_version_changes_nothing(
    admin: httpx.Client, extension: ExtensionServer
) -> None:
    """An APIService that somebody made decides, and outlives the definition."""
    names = {"plural": "tasks", "singular": "task", "kind": "Task", "listKind": "TaskList"}
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    name = f"tasks.{extension.group}"
    spec = {
        "group": extension.group,
        "names": names,
        "scope": "Cluster",
        "versions": [version, {**version, "name": "v2", "storage": False}],
    }
    assert admin.post(definitions, json={"metadata": {"name": name}, "spec": spec}).status_code == 201
    until(lambda: admin.get(f"/apis/{extension.group}/v2/tasks").status_code == 200)
    assert admin.get(f"{extension.root}/tasks").json()["kind"] == "NoteList"  # the server answers whatever it likes
    assert [each["version"] for each in admin.get(f"/apis/{extension.group}").json()["versions"]] == ["v2", "v1"]
    assert admin.delete(f"{definitions}/{name}").status_code == 200
    until(lambda: admin.get(f"/apis/{extension.group}/v2/tasks").status_code == 404)
    until(lambda: admin.get(f"{SERVICES}/v2.{extension.group}").status_code == 404)
    assert admin.get(f"{SERVICES}/v1.{extension.group}").status_code == 200
