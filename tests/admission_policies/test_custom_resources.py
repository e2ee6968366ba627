"""Policies about custom objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.admission_policies.conftest import ConfigMaps, Policies, refused
from tests.apiserver.conftest import ApiServer
from tests.custom_resources.conftest import APPLY, DEFINITIONS, MERGE, definition, holds, until, version
from tests.custom_resources.test_conversion import converted, v2
from tests.webhook_server import serving

GROUP = "policies.example.com"
RULE = {"apiGroups": [GROUP], "apiVersions": ["v1"], "operations": ["*"], "resources": ["widgets"]}


@pytest.fixture(scope="module", autouse=True)
def widgets(server: ApiServer) -> Iterator[None]:
    """A kind in v1 and v2, which is served."""
    path = f"{DEFINITIONS}/widgets.{GROUP}"
    with server.client() as client:
        client.post(DEFINITIONS, json=definition(GROUP, version(), version("v2", storage=False))).raise_for_status()
        until(lambda: holds(client.get(path).json(), "Established") == "True")
        yield
        client.delete(path).raise_for_status()


def path(namespace: str, name: str = "", in_version: str = "v1") -> str:
    return f"/apis/{GROUP}/{in_version}/namespaces/{namespace}/widgets" + (f"/{name}" if name else "")


def widget(in_version: str = "v1", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/{in_version}", "kind": "Widget", "metadata": {"name": "a"}, "spec": spec}


def test_rules(policies: Policies, admin: httpx.Client, namespace: str) -> None:
    rule = {"expression": "object.spec.color != 'red'", "message": "not red"}
    policy = policies.validating(rule, matchConstraints=policies.constraints(RULE))
    answer = admin.post(path(namespace), json=widget())
    said = f"ValidatingAdmissionPolicy '{policy}' with binding '{policy}' denied request: not red"
    assert answer.json()["message"] == f'widgets.{GROUP} "a" is forbidden: {said}'
    assert answer.json()["details"]["group"] == GROUP
    assert admin.post(path(namespace), json=widget(color="green")).status_code == 201
    change = {"spec": {"color": "red"}}
    assert admin.patch(path(namespace, "a"), json=change, headers=MERGE).status_code == 422


def test_another_version(policies: Policies, admin: httpx.Client, namespace: str) -> None:
    rule = {"expression": "false", "messageExpression": "object.apiVersion + ' ' + request.requestKind.version"}
    policies.validating(rule, matchConstraints=policies.constraints(RULE))
    answer = admin.post(path(namespace, in_version="v2"), json=widget("v2"))
    assert answer.json()["message"].endswith(f"denied request: {GROUP}/v1 v2")


def test_a_kind_goes_with_its_objects_whatever_policies_say(
    policies: Policies, admin: httpx.Client, namespace: str
) -> None:
    group = f"{namespace}.example.com"
    path = f"{DEFINITIONS}/widgets.{group}"
    admin.post(DEFINITIONS, json=definition(group, version())).raise_for_status()
    until(lambda: holds(admin.get(path).json(), "Established") == "True")
    document = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "a"}}
    admin.post(f"/apis/{group}/v1/namespaces/{namespace}/widgets", json=document).raise_for_status()
    rule = {**RULE, "apiGroups": [group], "operations": ["DELETE"]}
    policies.validating("false", matchConstraints=policies.constraints(rule))
    assert admin.delete(f"/apis/{group}/v1/namespaces/{namespace}/widgets/a").status_code == 422
    admin.delete(path).raise_for_status()
    until(lambda: admin.get(path).status_code == 404)


def test_what_is_applied_merges_by_the_schema(policies: Policies, admin: httpx.Client, namespace: str) -> None:
    ports = "[Object.spec.ports{port: 1, name: 'one'}, Object.spec.ports{port: 3, name: 'new'}]"
    policies.mutating(f"Object{{spec: Object.spec{{ports: {ports}}}}}", matchConstraints=policies.constraints(RULE))
    given = widget(ports=[{"port": 1}, {"port": 2}])
    made = admin.post(path(namespace), json=given).json()
    assert made["spec"]["ports"] == [{"port": 1, "name": "one"}, {"port": 2}, {"port": 3, "name": "new"}]
    applied = admin.patch(path(namespace, "a"), json=given, headers=APPLY, params={"fieldManager": "m", "force": True})
    assert applied.json()["spec"]["ports"] == made["spec"]["ports"]


def test_what_is_patched(policies: Policies, admin: httpx.Client, namespace: str) -> None:
    patch = "[JSONPatch{op: 'add', path: '/spec/tags', value: ['x']}, JSONPatch{op: 'remove', path: '/spec/color'}]"
    policies.mutating(patch, matchConstraints=policies.constraints(RULE))
    made = admin.post(path(namespace), json=widget(size=2))
    assert made.status_code == 201, made.text
    assert made.json()["spec"] == {"size": 2, "tags": ["x"], "color": "red"}


def test_through_another_version(policies: Policies, admin: httpx.Client, namespace: str) -> None:
    change = "Object{spec: Object.spec{size: 7}}"
    policies.mutating(change, matchConstraints=policies.constraints(RULE))
    made = admin.post(path(namespace, in_version="v2"), json=widget("v2")).json()
    assert (made["apiVersion"], made["spec"]["size"]) == (f"{GROUP}/v2", 7)


def test_the_result_is_validated(policies: Policies, admin: httpx.Client, namespace: str) -> None:
    policies.mutating("Object{spec: Object.spec{size: 70}}", matchConstraints=policies.constraints(RULE))
    answer = admin.post(path(namespace), json=widget())
    assert answer.status_code == 422
    assert answer.json()["details"]["causes"][0]["field"] == "spec.size"


def test_lists_without_keys_are_not_merged(policies: Policies, admin: httpx.Client, namespace: str) -> None:
    change = "Object{spec: Object.spec{tags: ['x']}}"
    policies.mutating(change, matchConstraints=policies.constraints(RULE))
    answer = admin.post(path(namespace), json=widget())
    assert answer.json()["message"].endswith("may not mutate atomic arrays, maps or structs: .spec.tags")


@pytest.fixture
def converting(admin: httpx.Client, namespace: str, tmp_path: Path) -> Iterator[str]:
    """The group of a kind whose versions a webhook converts: `size` in v1 is `length`, a text, in v2."""
    group = f"{namespace}.example.com"
    with serving(tmp_path / "ca", converted) as running:
        client = {"url": f"{running.url}/convert", "caBundle": running.ca_bundle}
        conversion = {"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}}
        document = definition(group, version(), v2(), conversion=conversion)
        path = f"{DEFINITIONS}/widgets.{group}"
        admin.post(DEFINITIONS, json=document).raise_for_status()
        until(lambda: holds(admin.get(path).json(), "Established") == "True")
        until(lambda: admin.get(f"/apis/{group}/v2/widgets").status_code == 200)
        yield group
        admin.delete(path).raise_for_status()
        until(lambda: admin.get(path).status_code == 404)


def test_versions_that_a_webhook_converts(
    policies: Policies, admin: httpx.Client, namespace: str, converting: str
) -> None:
    constraints = policies.constraints({**RULE, "apiGroups": [converting], "apiVersions": ["v2"]})
    longer = "Object{spec: Object.spec{length: string(int(object.spec.length.replace('m', '')) + 3) + 'm'}}"
    policies.mutating(longer, longer, matchConstraints=constraints)
    policies.validating("object.spec.length == '8m'", matchConstraints=constraints)
    path = f"/apis/{converting}/v1/namespaces/{namespace}/widgets"
    document = {"apiVersion": f"{converting}/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": {"size": 2}}
    made = admin.post(path, json=document)
    assert made.status_code == 201, made.text
    assert made.json()["spec"]["size"] == 8


def test_parameters_that_a_webhook_converts(
    policies: Policies, admin: httpx.Client, namespace: str, converting: str
) -> None:
    path = f"/apis/{converting}/v1/namespaces/{namespace}/widgets"
    document = {"apiVersion": f"{converting}/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": {"size": 2}}
    admin.post(path, json=document).raise_for_status()
    kind = {"apiVersion": f"{converting}/v2", "kind": "Widget"}
    binding = {"paramRef": {"name": "a", "parameterNotFoundAction": "Deny"}}
    rule = {"expression": "false", "messageExpression": "string(params.spec.length)"}
    policy = policies.validating(rule, paramKind=kind, binding=binding)
    assert refused(ConfigMaps(admin, namespace).create(), policy, "2m")
