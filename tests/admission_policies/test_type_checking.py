"""What the status of a policy says about expressions that do not fit the objects they are about."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.admission_policies.conftest import ROOT, Policies
from tests.custom_resources.conftest import DEFINITIONS, definition, holds, until, version

MERGE = {"Content-Type": "application/merge-patch+json"}


def rule(group: str, *resources: str, version: str = "v1") -> dict[str, Any]:
    return {"apiGroups": [group], "apiVersions": [version], "operations": ["*"], "resources": list(resources)}


def checked(admin: httpx.Client, policies: Policies, rules: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    """The warnings about a policy, by field."""
    name = policies.namespace
    policies.create("validatingadmissionpolicies", name, {"matchConstraints": {"resourceRules": rules}, **spec})
    return warnings(admin, name, 1)


def warnings(admin: httpx.Client, name: str, generation: int) -> dict[str, Any]:
    def status() -> Any:
        found = admin.get(f"{ROOT}/validatingadmissionpolicies/{name}").json()["status"]
        return found if found.get("observedGeneration") == generation else None

    checking = until(status)["typeChecking"]
    return {each["fieldRef"]: each["warning"] for each in checking.get("expressionWarnings", ())}


def test_a_field_that_objects_do_not_have(admin: httpx.Client, policies: Policies) -> None:
    validation = {"expression": "object.replicas > 1", "messageExpression": "'got ' + string(object.nothing)"}
    found = checked(admin, policies, [rule("apps", "deployments")], validations=[validation])
    assert found == {
        "spec.validations[0].expression": (
            "apps/v1, Kind=Deployment: ERROR: <input>:1:7: undefined field 'replicas'\n"
            " | object.replicas > 1\n | ......^\n"
        ),
        "spec.validations[0].messageExpression": (
            "apps/v1, Kind=Deployment: ERROR: <input>:1:23: undefined field 'nothing'\n"
            " | 'got ' + string(object.nothing)\n | ......................^\n"
        ),
    }
    change = {"spec": {"validations": [{"expression": "object.spec.replicas > 1"}]}}
    path = f"{ROOT}/validatingadmissionpolicies/{policies.namespace}"
    admin.patch(path, json=change, headers=MERGE).raise_for_status()
    assert warnings(admin, policies.namespace, 2) == {}


def test_several_kinds_in_order(admin: httpx.Client, policies: Policies) -> None:
    rules = [rule("apps", "deployments", "replicasets/status", "nothings"), rule("", "pods", "configmaps")]
    [warning] = checked(admin, policies, rules, validations=[{"expression": "object.spec.replicas > 1"}]).values()
    kinds = [line.partition(": ERROR")[0] for line in warning.split("\n") if "ERROR" in line]
    assert kinds == ["/v1, Kind=ConfigMap", "/v1, Kind=Pod"]
    assert warning.count("\n\n") == 1


@pytest.mark.parametrize(
    "expression",
    [
        "object.metadata.creationTimestamp > timestamp('2020-01-01T00:00:00Z')",
        "object.metadata.labels['a'].startsWith('b') && oldObject.metadata.generation > 1",
        "object.spec.template.spec.containers.all(c, c.ports.all(p, p.containerPort > 80))",
        "object.spec.strategy.rollingUpdate.maxSurge == 1 || object.spec.strategy.rollingUpdate.maxSurge == '10%'",
        "object.spec.template.spec.containers.all(c, quantity(c.resources.limits['cpu']).isLessThan(quantity('1')))",
        "variables.containers.exists(c, c.name == 'x') && variables.spec.whatever == 1",
        "authorizer.requestResource.check('update').allowed() && request.userInfo.username != ''",
        "namespaceObject.metadata.labels['a'] == 'b'",
    ],
)
def test_what_fits(admin: httpx.Client, policies: Policies, expression: str) -> None:
    variables = [
        {"name": "spec", "expression": "object.spec"},
        {"name": "containers", "expression": "variables.spec.template.spec.containers"},
    ]
    validations = [{"expression": expression}]
    assert checked(admin, policies, [rule("apps", "deployments")], validations=validations, variables=variables) == {}


@pytest.mark.parametrize("wild", [rule("*", "pods"), rule("", "pods", version="*"), rule("", "*", "pods/status")])
def test_wildcards_are_not_looked_at(admin: httpx.Client, policies: Policies, wild: dict[str, Any]) -> None:
    assert checked(admin, policies, [wild], validations=[{"expression": "object.none == 1"}]) == {}


def test_parameters(admin: httpx.Client, policies: Policies) -> None:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    validations = [{"expression": "params.data.max == 'x'"}, {"expression": "params.spec.max == 'x'"}]
    found = checked(admin, policies, [rule("", "pods")], validations=validations, paramKind=kind)
    assert list(found) == ["spec.validations[1].expression"]
    assert "undefined field 'spec'" in found["spec.validations[1].expression"]


def test_parameters_of_a_kind_that_nobody_knows(admin: httpx.Client, policies: Policies) -> None:
    kind = {"apiVersion": "example.com/v1", "kind": "None"}
    validations = [{"expression": "params.max == 'x'"}]
    [warning] = checked(admin, policies, [rule("", "pods")], validations=validations, paramKind=kind).values()
    assert "undeclared reference to 'params' (in container '')" in warning


def test_custom_objects(admin: httpx.Client, policies: Policies) -> None:
    group = "types.example.com"
    path = f"{DEFINITIONS}/widgets.{group}"
    admin.post(DEFINITIONS, json=definition(group, version())).raise_for_status()
    try:
        until(lambda: holds(admin.get(path).json(), "Established") == "True")
        fits = "object.spec.size > 1 && object.metadata.labels['a'] == 'b' && object.kind == 'Widget'"
        validations = [{"expression": fits}, {"expression": "object.spec.weight > 1"}]
        found = checked(admin, policies, [rule(group, "widgets")], validations=validations)
    finally:
        admin.delete(path).raise_for_status()
    assert list(found) == ["spec.validations[1].expression"]
    [warning] = found.values()
    assert warning.startswith(f"{group}/v1, Kind=Widget: ERROR: <input>:1:12: undefined field 'weight'")
