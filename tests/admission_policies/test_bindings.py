"""Bindings: where a policy holds, and what is done where it is not kept."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest

from tests.admission_policies.conftest import CONFIG_MAPS, ROOT, ConfigMaps, Policies, refused
from tests.apiserver.conftest import ApiServer

NO = {"expression": "false", "message": "no"}


def test_a_policy_without_a_binding_does_nothing(policies: Policies, config_maps: ConfigMaps) -> None:
    spec = {"matchConstraints": policies.constraints(), "validations": [NO]}
    policies.create("validatingadmissionpolicies", policies.namespace, spec)
    assert config_maps.create().status_code == 201
    binding = {"policyName": policies.namespace, "validationActions": ["Deny"]}
    policies.create("validatingadmissionpolicybindings", policies.namespace, binding)
    assert refused(config_maps.create(), policies.namespace, "no")


def test_a_changed_policy_holds_at_once(policies: Policies, config_maps: ConfigMaps, admin: httpx.Client) -> None:
    name = policies.validating(NO)
    assert refused(config_maps.create(), name, "no")
    change = {"spec": {"validations": [{"expression": "true"}]}}
    headers = {"Content-Type": "application/merge-patch+json"}
    admin.patch(f"{ROOT}/validatingadmissionpolicies/{name}", json=change, headers=headers).raise_for_status()
    assert config_maps.create().status_code == 201


@pytest.mark.parametrize(
    ("resources", "holds"),
    [
        ({"objectSelector": {"matchLabels": {"x": "y"}}}, True),
        ({"objectSelector": {"matchLabels": {"x": "z"}}}, False),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}, False),
        ({"resourceRules": [{**CONFIG_MAPS, "resources": ["secrets"]}]}, False),
        ({"resourceRules": [{**CONFIG_MAPS, "resourceNames": ["a"]}]}, True),
        ({"resourceRules": [{**CONFIG_MAPS, "resourceNames": ["b"]}]}, False),
        ({"excludeResourceRules": [{**CONFIG_MAPS, "operations": ["CREATE"]}]}, False),
        ({"excludeResourceRules": [{**CONFIG_MAPS, "operations": ["UPDATE"]}]}, True),
    ],
)
def test_only_some_requests(
    policies: Policies, config_maps: ConfigMaps, resources: dict[str, Any], holds: bool
) -> None:
    policies.validating(NO, binding={"matchResources": resources})
    assert (config_maps.create(labels={"x": "y"}).status_code == 422) == holds


def test_exceptions_of_the_policy(policies: Policies, config_maps: ConfigMaps) -> None:
    exception = [{**CONFIG_MAPS, "resourceNames": ["free"]}]
    policies.validating(NO, matchConstraints=policies.constraints(excludeResourceRules=exception))
    assert config_maps.create().status_code == 422
    assert config_maps.create("free").status_code == 201


def test_another_version_of_the_same_objects(policies: Policies, admin: httpx.Client, namespace: str) -> None:
    rule = {"apiGroups": ["autoscaling"], "apiVersions": ["v1"], "operations": ["CREATE"],
            "resources": ["horizontalpodautoscalers"]}  # fmt: skip
    shown = "object.apiVersion + ' ' + string(object.spec.targetCPUUtilizationPercentage) + ' ' + request.kind.version"
    said = f"{shown} + ' ' + request.requestKind.version"
    constraints = policies.constraints(rule)
    policies.validating({"expression": "false", "messageExpression": said}, matchConstraints=constraints)
    resource = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    target = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}
    spec = {"maxReplicas": 2, "scaleTargetRef": target, "metrics": [{"type": "Resource", "resource": resource}]}
    path = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
    document = {"metadata": {"name": "a"}, "spec": spec}
    assert admin.post(path, json=document).json()["message"].endswith("denied request: autoscaling/v1 50 v1 v2")
    policies.remove()
    constraints["matchPolicy"] = "Exact"
    policies.validating({"expression": "false", "messageExpression": said}, matchConstraints=constraints)
    assert admin.post(path, json=document).status_code == 201


def test_warnings(policies: Policies, config_maps: ConfigMaps) -> None:
    name = policies.validating(NO, {"expression": "true"}, "1 == 2", binding={"validationActions": ["Warn"]})
    answer = config_maps.create()
    assert answer.status_code == 201
    told = f"Validation failed for ValidatingAdmissionPolicy '{name}' with binding '{name}': "
    expected = [f'299 - "{told}{why}"' for why in ("no", "failed expression: 1 == 2")]
    assert sorted(answer.headers.get_list("Warning")) == sorted(expected)


def annotations(server: ApiServer, namespace: str) -> dict[str, str]:
    """Those of the write of ConfigMap a that the audit log has."""
    deadline = time.monotonic() + 60
    while True:
        for line in (server.folder / "audit.log").read_text().splitlines(keepends=True):
            if not line.endswith("\n"):
                break  # it is being written
            event = json.loads(line)
            subject = event.get("objectRef", {})
            if subject.get("namespace") == namespace and subject.get("resource") == "configmaps":
                found: dict[str, str] = event["annotations"]
                return {key: value for key, value in found.items() if not key.startswith("authorization.k8s.io/")}
        assert time.monotonic() < deadline, "nothing in the audit log"


def test_the_audit_log(policies: Policies, config_maps: ConfigMaps, server: ApiServer, namespace: str) -> None:
    actions = ["Audit", "Warn"]
    rule = {"expression": "false", "message": "1 < 2"}
    name = policies.validating("true", rule, binding={"validationActions": actions})
    assert config_maps.create(dry=False).status_code == 201
    failure = {"message": "1 < 2", "policy": name, "binding": name, "expressionIndex": 1, "validationActions": actions}
    [(key, value)] = annotations(server, namespace).items()
    assert key == "validation.policy.admission.k8s.io/validation_failure"
    assert json.loads(value) == [failure]
    assert "\\u003c" in value


def test_annotations_of_a_policy(
    policies: Policies, config_maps: ConfigMaps, server: ApiServer, namespace: str
) -> None:
    keyed = {
        "high": "' ' + object.data.high + ' '",
        "none": "null",
        "empty": "''",
        "owner": "variables.owner",
    }
    made = [{"key": key, "valueExpression": source} for key, source in keyed.items()]
    name = policies.validating(
        auditAnnotations=made, variables=[{"name": "owner", "expression": "request.userInfo.username"}]
    )
    assert config_maps.create(dry=False, data={"high": "yes"}).status_code == 201
    assert annotations(server, namespace) == {f"{name}/high": "yes", f"{name}/owner": "admin"}


def test_an_annotation_that_cannot_be_made_denies(policies: Policies, config_maps: ConfigMaps) -> None:
    made = [{"key": "high", "valueExpression": "string(object.data.high)"}]
    policies.validating(auditAnnotations=made, failurePolicy="Ignore")
    assert config_maps.create().status_code == 201
    policy = policies.validating(auditAnnotations=made, binding={"validationActions": ["Audit"]})
    why = "expression 'string(object.data.high)' resulted in error: no such key: data"
    assert refused(config_maps.create(), policy, why)
