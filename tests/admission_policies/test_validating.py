"""Policies that refuse writes: their rules, and what the client is told."""

from __future__ import annotations

import httpx
import pytest

from tests.admission_policies.conftest import ConfigMaps, Policies, refused


def test_a_rule_that_is_not_kept(policies: Policies, config_maps: ConfigMaps) -> None:
    policy = policies.validating("object.metadata.name != 'a'")
    answer = config_maps.create()
    assert refused(answer, policy, "failed expression: object.metadata.name != 'a'")
    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")
    assert config_maps.create("b").status_code == 201


@pytest.mark.parametrize(
    ("validation", "message", "status", "reason"),
    [
        ({"message": " said "}, "said", 422, "Invalid"),
        ({"message": "said", "messageExpression": "'made of ' + object.metadata.name"}, "made of a", 422, "Invalid"),
        ({"message": "said", "messageExpression": "string(object.data.none)"}, "said", 422, "Invalid"),
        ({"message": "said", "messageExpression": "'two\\nlines'"}, "said", 422, "Invalid"),
        ({"message": "said", "messageExpression": "'  '"}, "said", 422, "Invalid"),
        ({"message": "said", "messageExpression": "'x'.replace('x', 'xxxxxxxx').replace('x', 'xxxxxxxxx')"
          ".replace('x', 'xxxxxxxxx').replace('x', 'xxxxxxxxx')"}, "said", 422, "Invalid"),
        ({"message": "said", "reason": "Forbidden"}, "said", 403, "Forbidden"),
        ({"message": "said", "reason": "RequestEntityTooLarge"}, "said", 413, "RequestEntityTooLarge"),
        ({"messageExpression": "variables.who + string(request.dryRun)"}, "admintrue", 422, "Invalid"),
    ],
)  # fmt: skip
def test_what_the_client_is_told(
    policies: Policies, config_maps: ConfigMaps, validation: dict[str, str], message: str, status: int, reason: str
) -> None:
    variables = [{"name": "who", "expression": "request.userInfo.username"}]
    policy = policies.validating({"expression": "false", **validation}, variables=variables)
    answer = config_maps.create()
    assert refused(answer, policy, message)
    said = answer.json()
    assert (answer.status_code, said["code"], said["reason"]) == (status, status, reason)
    cause = said["message"].partition(" is forbidden: ")[2]
    assert said["details"] == {"name": "a", "kind": "configmaps", "causes": [{"message": cause}]}


def test_an_update_is_compared_with_what_was(policies: Policies, config_maps: ConfigMaps) -> None:
    config_maps.create(dry=False, data={"k": "v"}).raise_for_status()
    policy = policies.validating({"expression": "oldObject == null || object.data == oldObject.data", "message": "no"})
    assert refused(config_maps.patch("a", {"data": {"k": "w"}}), policy, "no")
    assert config_maps.patch("a", {"metadata": {"labels": {"x": "y"}}}).status_code == 200


def test_deletions(policies: Policies, config_maps: ConfigMaps, admin: httpx.Client) -> None:
    config_maps.create(dry=False).raise_for_status()
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["configmaps"]}
    rules = {"expression": "object != null", "messageExpression": "oldObject.metadata.name + ' stays'"}
    policy = policies.validating(rules, matchConstraints=policies.constraints(rule))
    assert refused(admin.delete(f"{config_maps.path}/a"), policy, "a stays")
    answer = admin.delete(config_maps.path)
    assert "a stays" in answer.text


def test_an_error_denies_unless_it_may_be_ignored(policies: Policies, config_maps: ConfigMaps) -> None:
    broken, kept = "object.data.none == 'x'", {"expression": "object.metadata.name != 'no'", "message": "not so"}
    lenient = policies.validating(broken, kept, failurePolicy="Ignore")
    assert config_maps.create().status_code == 201
    assert refused(config_maps.create("no"), lenient, "not so", "no")
    strict = policies.validating(broken)
    assert refused(config_maps.create(), strict, f"expression '{broken}' resulted in error: no such key: data")


def test_conditions(policies: Policies, config_maps: ConfigMaps) -> None:
    asked = {"name": "asked", "expression": "object.metadata.name.startsWith('x')"}
    blind = {"name": "blind", "expression": "namespaceObject == null"}
    policy = policies.validating({"expression": "false", "message": "no"}, matchConditions=[asked, blind])
    assert config_maps.create("a").status_code == 201
    assert refused(config_maps.create("x"), policy, "no", "x")


def test_a_condition_that_cannot_be_evaluated(policies: Policies, config_maps: ConfigMaps) -> None:
    condition = {"name": "broken", "expression": "object.data.none == 'x'"}
    policies.validating("false", matchConditions=[condition], failurePolicy="Ignore")
    assert config_maps.create().status_code == 201
    policy = policies.validating("false", matchConditions=[condition])
    why = "expression 'object.data.none == 'x'' resulted in error: no such key: data"
    assert refused(config_maps.create(), policy, why)


def test_variables_are_composed_and_evaluated_when_used(policies: Policies, config_maps: ConfigMaps) -> None:
    variables = [
        {"name": "length", "expression": "size(object.metadata.name)"},
        {"name": "double", "expression": "variables.length * 2"},
        {"name": "broken", "expression": "object.data.none"},
    ]
    rule = {"expression": "variables.double < 4", "messageExpression": "string(variables.double)"}
    policy = policies.validating(rule, "object.metadata.name != 'b' || variables.broken == 'x'", variables=variables)
    assert config_maps.create().status_code == 201
    assert refused(config_maps.create("abc"), policy, "6", "abc")
    broken = 'composited variable "broken" fails to evaluate: no such key: data'
    why = f"expression 'object.metadata.name != 'b' || variables.broken == 'x'' resulted in error: {broken}"
    assert refused(config_maps.create("b"), policy, why, "b")


def test_the_namespace_and_the_authorizer(policies: Policies, admin: httpx.Client, namespace: str) -> None:
    policy = policies.validating(
        {"expression": f"namespaceObject.metadata.name == '{namespace}'", "message": "namespace"},
        {"expression": "namespaceObject.status.phase == 'Active'", "message": "phase"},
        {"expression": "namespaceObject.metadata.creationTimestamp > timestamp('2020-01-01T00:00:00Z') && "
         "namespaceObject.metadata.creationTimestamp.getFullYear() > 2020", "message": "time"},
        {"expression": "authorizer.group('').resource('secrets').namespace(request.namespace).check('get').allowed()",
         "message": "secrets"},
        {"expression": "authorizer.requestResource.check('create').allowed()", "message": "itself"},
    )  # fmt: skip
    assert ConfigMaps(admin, namespace).create().status_code == 201
    role = {"metadata": {"name": "w"}, "rules": [{"verbs": ["create"], "apiGroups": [""], "resources": ["configmaps"]}]}
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    admin.post(f"{rbac}/roles", json=role).raise_for_status()
    subject = {"kind": "User", "name": "somebody", "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "Role", "name": "w", "apiGroup": "rbac.authorization.k8s.io"}
    binding = {"metadata": {"name": "w"}, "roleRef": reference, "subjects": [subject]}
    admin.post(f"{rbac}/rolebindings", json=binding).raise_for_status()
    document, headers = {"metadata": {"name": "a"}}, {"Impersonate-User": "somebody"}
    answer = admin.post(f"/api/v1/namespaces/{namespace}/configmaps", json=document, headers=headers)
    assert refused(answer, policy, "secrets")


def test_connections_and_parts_of_objects(policies: Policies, admin: httpx.Client, namespace: str) -> None:
    parts = ["pods/exec", "pods/eviction", "pods/status"]
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": parts}
    said = "object.kind + ' ' + request.operation + ' ' + request.subResource + ' ' + request.name"
    policies.validating({"expression": "false", "messageExpression": said}, matchConstraints=policies.constraints(rule))
    path = f"/api/v1/namespaces/{namespace}/pods"
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    admin.post(path, json=pod).raise_for_status()
    evicted = admin.post(f"{path}/p/eviction", json={"metadata": {"name": "p"}})
    executed = admin.post(f"{path}/p/exec", params={"command": "sh", "stdout": "1"})
    headers = {"Content-Type": "application/merge-patch+json"}
    changed = admin.patch(f"{path}/p/status", json={"status": {"phase": "Running"}}, headers=headers)
    told = [answer.json()["message"].partition("denied request: ")[2] for answer in (evicted, executed, changed)]
    assert told == ["Eviction CREATE eviction p", "PodExecOptions CONNECT exec p", "Pod UPDATE status p"]


def test_policies_are_asked_by_name(policies: Policies, config_maps: ConfigMaps) -> None:
    later, first = (policies.validating({"expression": "false", "message": "no"}, name=name)
                    for name in (f"{policies.namespace}-z", f"{policies.namespace}-a"))  # fmt: skip
    assert later > first
    assert refused(config_maps.create(), first, "no")


def test_a_policy_is_not_asked_about_policies(policies: Policies, admin: httpx.Client) -> None:
    everything = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}
    body = {"expression": "false", "message": "nothing at all"}
    name = policies.validating(body, matchConstraints={"resourceRules": [everything]})
    assert admin.post("/api/v1/namespaces", json={"metadata": {"name": "x"}}).status_code == 422
    review = {"spec": {"user": "x", "nonResourceAttributes": {"path": "/", "verb": "get"}}}
    assert admin.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json=review).status_code == 201
    root = "/apis/admissionregistration.k8s.io/v1"
    webhooks = {"metadata": {"name": "w"}, "webhooks": []}
    assert admin.post(f"{root}/validatingwebhookconfigurations", json=webhooks).status_code == 422
    headers = {"Content-Type": "application/merge-patch+json"}
    change = {"metadata": {"labels": {"x": "y"}}}
    path = f"{root}/validatingadmissionpolicies/{name}"
    assert admin.patch(path, json=change, headers=headers).status_code == 200
