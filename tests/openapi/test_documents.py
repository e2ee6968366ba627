"""The documents: complete, consistent, and made only when asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import api.admissionregistration_v1
import api.apiextensions_v1
import api.apiregistration_v1
import api.apps_v1
import api.autoscaling_v1
import api.coordination_v1
import api.core_v1
import api.discovery_v1
import api.events_v1
import api.meta_v1
import api.networking_v1
import api.resource_v1
from api.core_v1 import ConfigMap
from api.model import Model
from api.scheme import RESOURCES
from apiserver.openapi import Documents
from apiserver.openapi.descriptions import documentation


@pytest.fixture(scope="module")
def documents() -> Documents:
    return Documents(RESOURCES)


def read(documents: Documents, path: str) -> Any:
    found = documents.v3(path)
    assert found is not None
    return json.loads(found[0])


def test_the_index_names_every_document_by_its_content(documents: Documents) -> None:
    index = json.loads(documents.v3_index()[0])["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/authorization.k8s.io/v1", "apis/events.k8s.io/v1"} <= set(index)
    for name, entry in index.items():
        found = documents.v3(name)
        assert found is not None
        url, _, content = entry["serverRelativeURL"].partition("?hash=")
        assert (url, f'"{content}"') == (f"/openapi/v3/{name}", found[1])


def test_what_is_no_resource_has_documents_as_well(documents: Documents) -> None:
    index = json.loads(documents.v3_index()[0])["paths"]
    others = {"api", "apis", "apis/apps", "apis/rbac.authorization.k8s.io", "version", "openid/v1/jwks"}
    assert {*others, ".well-known/openid-configuration"} <= set(index)
    group = read(documents, "apis/apps")
    assert set(group["paths"]) == {"/apis/apps/"}
    answer = group["paths"]["/apis/apps/"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["$ref"].endswith(".APIGroup")
    assert {name.rpartition(".")[2] for name in group["components"]["schemas"]} == {
        "APIGroup",
        "GroupVersionForDiscovery",
        "ServerAddressByClientCIDR",
    }


def test_watches_are_deprecated_paths_of_their_own(documents: Documents) -> None:
    paths = read(documents, "api/v1")["paths"]
    watch = paths["/api/v1/watch/namespaces/{namespace}/pods/{name}"]["get"]
    assert watch["x-kubernetes-action"] == "watch"
    assert "Deprecated" in watch["description"]
    assert paths["/api/v1/watch/nodes"]["get"]["operationId"] == "watchCoreV1NodeList"
    assert "/api/v1/watch/bindings" not in paths
    kinds = read(documents, "api/v1")["components"]["schemas"]["io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent"][
        "x-kubernetes-group-version-kind"
    ]
    assert {"group": "apps", "kind": "WatchEvent", "version": "v1"} in kinds


def test_an_issuer_that_cannot_be_discovered_is_not_described() -> None:
    documents = Documents(RESOURCES, has_issuer=False)
    named = {*json.loads(documents.v3_index()[0])["paths"], *json.loads(documents.v2()[0])["paths"]}
    assert "version" in named
    assert not [name for name in named if "jwks" in name or "well-known" in name]
    assert documents.v3("openid/v1/jwks") is None


def test_what_is_not_there_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Documents, "_kinds", lambda _: pytest.fail("every type was loaded"))
    assert Documents(RESOURCES).v3("apis/nope/v1") is None


def test_nothing_is_where_nothing_is_served(documents: Documents) -> None:
    assert documents.v3("apis/nope/v1") is None
    assert documents.v3("") is None


def test_the_same_resources_have_the_same_documents() -> None:
    assert Documents(RESOURCES).v3("api/v1") == Documents(RESOURCES).v3("api/v1")
    assert Documents(RESOURCES).v2() == Documents(RESOURCES).v2()


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            if name == "$ref" and isinstance(member, str):  # a JSON schema's own schema has a property of this name
                yield member
            else:
                yield from references(member)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_every_reference_leads_somewhere(documents: Documents) -> None:
    for name in json.loads(documents.v3_index()[0])["paths"]:
        document = read(documents, name)
        schemas = document["components"]["schemas"]
        for reference in references(document):
            assert reference.removeprefix("#/components/schemas/") in schemas
    swagger = json.loads(documents.v2()[0])
    for reference in references(swagger):
        assert reference.removeprefix("#/definitions/") in swagger["definitions"]


def test_what_kubectl_looks_for(documents: Documents) -> None:
    document = read(documents, "apis/apps/v1")
    deployment = document["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"]
    assert deployment["x-kubernetes-group-version-kind"] == [{"group": "apps", "kind": "Deployment", "version": "v1"}]
    path = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
    assert path["patch"]["x-kubernetes-group-version-kind"]["kind"] == "Deployment"
    assert "fieldValidation" in [each["name"] for each in path["patch"]["parameters"]]
    assert [(each["name"], each["in"]) for each in path["parameters"]] == [
        ("name", "path"),
        ("namespace", "path"),
        ("pretty", "query"),
    ]
    ports = document["components"]["schemas"]["io.k8s.api.core.v1.Container"]["properties"]["ports"]
    assert ports["x-kubernetes-list-map-keys"] == ["containerPort", "protocol"]
    assert ports["x-kubernetes-patch-merge-key"] == "containerPort"


def test_v2_says_the_same_in_its_own_way(documents: Documents) -> None:
    swagger = json.loads(documents.v2()[0])
    pod = swagger["definitions"]["io.k8s.api.core.v1.Pod"]
    assert pod["properties"]["spec"]["$ref"] == "#/definitions/io.k8s.api.core.v1.PodSpec"
    assert swagger["definitions"]["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]["type"] == "string"
    create = swagger["paths"]["/api/v1/namespaces/{namespace}/pods"]["post"]
    assert create["parameters"][0] == {
        "name": "body", "in": "body", "required": True, "schema": {"$ref": "#/definitions/io.k8s.api.core.v1.Pod"},
    }  # fmt: skip
    assert {each["name"]: each["type"] for each in create["parameters"][1:]}["dryRun"] == "string"


def test_docstrings_are_the_descriptions(documents: Documents) -> None:
    about, fields = documentation(ConfigMap)
    assert about
    assert fields["data"]
    schema = read(documents, "api/v1")["components"]["schemas"]["io.k8s.api.core.v1.ConfigMap"]
    assert schema["description"] == about
    assert schema["properties"]["data"]["description"] == fields["data"]


MODULES = [
    api.admissionregistration_v1,
    api.apiextensions_v1,
    api.apiregistration_v1,
    api.meta_v1,
    api.core_v1,
    api.apps_v1,
    api.autoscaling_v1,
    api.coordination_v1,
    api.discovery_v1,
    api.events_v1,
    api.networking_v1,
    api.resource_v1,
]
MODELS = {
    each
    for module in MODULES
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, Model) and each is not Model
}


@pytest.mark.parametrize("model", sorted(MODELS, key=lambda model: model.__name__), ids=lambda model: model.__name__)
def test_no_type_and_no_field_is_without_words(model: type[Model]) -> None:
    about, fields = documentation(model)
    assert about
    assert set(fields) == {field.alias or name for name, field in model.model_fields.items()}
