"""Parameters: objects of any kind that bindings name, by which one policy becomes many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.admission_policies.conftest import ConfigMaps, Policies, refused
from tests.apiserver.conftest import ApiServer
from tests.custom_resources.conftest import DEFINITIONS, definition, holds, until

KIND = {"apiVersion": "v1", "kind": "ConfigMap"}
RULE = {
    "expression": "size(object.metadata.name) <= int(params.data.max)",
    "messageExpression": "'more than ' + params.data.max + ' of ' + params.kind + ' ' + params.metadata.name",
}
LABELLED = [{"name": "no-params", "expression": "!object.metadata.name.startsWith('p-')"}]


def reference(action: str = "Deny", **which: Any) -> dict[str, Any]:
    return {"paramRef": {"parameterNotFoundAction": action, **which}}


def bound(policies: Policies, action: str = "Deny", **which: Any) -> str:
    """A policy whose parameters are ConfigMaps, which it leaves alone themselves."""
    binding = reference(action, **which)
    return policies.validating(RULE, paramKind=KIND, matchConditions=LABELLED, binding=binding)


def test_by_name(policies: Policies, config_maps: ConfigMaps) -> None:
    config_maps.create("p-one", dry=False, data={"max": "3"}).raise_for_status()
    policy = bound(policies, name="p-one")
    assert config_maps.create("abc").status_code == 201
    assert refused(config_maps.create("abcd"), policy, "more than 3 of ConfigMap p-one", "abcd")
    config_maps.patch("p-one", {"data": {"max": "2"}}).raise_for_status()
    assert refused(config_maps.create("abc"), policy, "more than 2 of ConfigMap p-one", "abc")


def test_of_another_namespace(policies: Policies, config_maps: ConfigMaps, admin: httpx.Client) -> None:
    shared = f"p-{policies.namespace}"
    ConfigMaps(admin, "default").create(shared, dry=False, data={"max": "3"}).raise_for_status()
    policy = bound(policies, name=shared, namespace="default")
    assert refused(config_maps.create("abcd"), policy, f"more than 3 of ConfigMap {shared}", "abcd")
    admin.delete(f"/api/v1/namespaces/default/configmaps/{shared}").raise_for_status()
    missing = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
    assert refused(config_maps.create("abc"), policy, missing, "abc")


def test_several_by_their_labels(policies: Policies, config_maps: ConfigMaps) -> None:
    for name, most in {"p-a": "5", "p-b": "3", "p-c": "1"}.items():
        labels = {} if name == "p-c" else {"limit": "yes"}
        config_maps.create(name, dry=False, data={"max": most}, labels=labels).raise_for_status()
    policy = bound(policies, selector={"matchLabels": {"limit": "yes"}})
    assert config_maps.create("abc").status_code == 201
    assert refused(config_maps.create("abcd"), policy, "more than 3 of ConfigMap p-b", "abcd")
    assert refused(config_maps.create("abcdef"), policy, "more than 5 of ConfigMap p-a", "abcdef")


def test_missing_ones_may_be_allowed(policies: Policies, config_maps: ConfigMaps) -> None:
    bound(policies, "Allow", name="p-none")
    bound(policies, "Allow", selector={})
    assert config_maps.create("abcd").status_code == 201


def test_missing_ones_of_a_policy_that_may_fail(policies: Policies, config_maps: ConfigMaps) -> None:
    policies.validating(RULE, paramKind=KIND, failurePolicy="Ignore", binding=reference(name="p-none"))
    assert config_maps.create("abcd").status_code == 201


def test_a_binding_without_parameters(policies: Policies, config_maps: ConfigMaps) -> None:
    policy = policies.validating({"expression": "params != null", "message": "none"}, paramKind=KIND)
    assert refused(config_maps.create(), policy, "none")


def test_a_kind_that_nobody_knows(policies: Policies, config_maps: ConfigMaps) -> None:
    kind = {"apiVersion": "example.com/v1", "kind": "Limit"}
    policy = policies.validating("true", paramKind=kind, binding=reference(name="x"))
    why = "failed to configure policy: failed to find resource referenced by paramKind: 'example.com/v1, Kind=Limit'"
    answer = config_maps.create()
    said = f"ValidatingAdmissionPolicy '{policy}' denied request: {why}"
    assert answer.json()["message"] == f'configmaps "a" is forbidden: {said}'


def test_a_namespace_for_a_kind_without(policies: Policies, config_maps: ConfigMaps) -> None:
    kind = {"apiVersion": "v1", "kind": "Namespace"}
    policy = policies.validating("true", paramKind=kind, binding=reference(name="default", namespace="default"))
    problem = "paramRef.namespace must not be provided for a cluster-scoped `paramKind`"
    assert refused(config_maps.create(), policy, f"failed to configure binding: {problem}")


def test_what_is_in_no_namespace_has_no_parameters_of_its_own(policies: Policies, admin: httpx.Client) -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["persistentvolumes"],
            "resourceNames": [policies.namespace]}  # fmt: skip
    constraints = {"resourceRules": [rule]}
    policies.validating("true", paramKind=KIND, matchConstraints=constraints, binding=reference(name="x"))
    path = {"hostPath": {"path": "/x"}, "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}
    volume = {"metadata": {"name": policies.namespace}, "spec": path}
    answer = admin.post("/api/v1/persistentvolumes", json=volume)
    assert "cannot use namespaced paramRef in policy binding that matches cluster-scoped" in answer.json()["message"]


GROUP = "limits.example.com"


@pytest.fixture(scope="module")
def limits(server: ApiServer) -> Iterator[str]:
    """The path of all objects of a kind that is defined for these tests."""
    names = {"plural": "limits", "kind": "Limit"}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    document = definition(GROUP, version, names=names)
    path = f"{DEFINITIONS}/limits.{GROUP}"
    with server.client() as client:
        client.post(DEFINITIONS, json=document).raise_for_status()
        until(lambda: holds(client.get(path).json(), "Established") == "True")
        yield f"/apis/{GROUP}/v1"
        client.delete(path).raise_for_status()


def test_custom_ones(
    policies: Policies, config_maps: ConfigMaps, admin: httpx.Client, namespace: str, limits: str
) -> None:
    limit = {"apiVersion": f"{GROUP}/v1", "kind": "Limit", "metadata": {"name": "x"}, "spec": {"max": 3}}
    admin.post(f"{limits}/namespaces/{namespace}/limits", json=limit).raise_for_status()
    rule = {"expression": "size(object.metadata.name) <= params.spec.max", "messageExpression": "string(params.kind)"}
    kind = {"apiVersion": f"{GROUP}/v1", "kind": "Limit"}
    policy = policies.validating(rule, paramKind=kind, binding=reference(name="x"))
    assert config_maps.create("abc").status_code == 201
    assert refused(config_maps.create("abcd"), policy, "Limit", "abcd")


def test_mutations_with_parameters(policies: Policies, config_maps: ConfigMaps) -> None:
    for name in ("p-a", "p-b"):
        config_maps.create(name, dry=False, data={"max": name}, labels={"limit": "yes"}).raise_for_status()
    change = "[JSONPatch{op: 'add', path: '/data/' + params.metadata.name, value: params.data.max}]"
    which = reference(selector={"matchLabels": {"limit": "yes"}})
    policies.mutating(change, paramKind=KIND, matchConditions=LABELLED, binding=which)
    assert config_maps.create(data={"a": "b"}).json()["data"] == {"a": "b", "p-a": "p-a", "p-b": "p-b"}
