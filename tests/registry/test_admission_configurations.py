"""Webhook configurations and admission policies: who else has a say in writes."""

from __future__ import annotations

from typing import Any

import pytest

from api.admissionregistration_v1 import (
    MutatingAdmissionPolicy,
    MutatingAdmissionPolicyBinding,
    MutatingWebhookConfiguration,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
    ValidatingWebhookConfiguration,
)
from apiserver.registry.mutating_admission_policies import MutatingAdmissionPolicies, MutatingAdmissionPolicyBindings
from apiserver.registry.validating_admission_policies import (
    ValidatingAdmissionPolicies,
    ValidatingAdmissionPolicyBindings,
)
from apiserver.registry.webhook_configurations import MutatingWebhookConfigurations, ValidatingWebhookConfigurations
from tests.registry.builders import NOW, complaints, created, update_complaints

META = {"name": "a"}
HOOK = {
    "name": "a.b.c",
    "clientConfig": {"url": "https://x"},
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}
RULES = {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["pods"]}]}


def webhooks(*hooks: dict[str, Any]) -> ValidatingWebhookConfiguration:
    return ValidatingWebhookConfiguration.from_dict({"metadata": META, "webhooks": [HOOK | hook for hook in hooks]})


def policy(**spec: Any) -> ValidatingAdmissionPolicy:
    fields = {"matchConstraints": RULES, "validations": [{"expression": "true"}], **spec}
    return ValidatingAdmissionPolicy.from_dict({"metadata": META, "spec": fields})


def mutating_policy(**spec: Any) -> MutatingAdmissionPolicy:
    patch = {"patchType": "JSONPatch", "jsonPatch": {"expression": "[JSONPatch{op: 'remove', path: '/spec'}]"}}
    fields = {"matchConstraints": RULES, "reinvocationPolicy": "Never", "mutations": [patch], **spec}
    return MutatingAdmissionPolicy.from_dict({"metadata": META, "spec": fields})


def binding(**spec: Any) -> ValidatingAdmissionPolicyBinding:
    fields = {"policyName": "p", "validationActions": ["Deny"], **spec}
    return ValidatingAdmissionPolicyBinding.from_dict({"metadata": META, "spec": fields})


def test_what_a_webhook_does_unless_it_says_otherwise() -> None:
    given = {"name": "a.b.c", "clientConfig": {"service": {"name": "s", "namespace": "n"}}, "rules": [{}]}
    obj = MutatingWebhookConfiguration.from_dict({"metadata": META, "webhooks": [given]})
    [found] = created(MutatingWebhookConfigurations(), obj).webhooks
    assert (found.failurePolicy, found.matchPolicy, found.reinvocationPolicy) == ("Fail", "Equivalent", "Never")
    assert (found.timeoutSeconds, found.rules[0].scope, found.clientConfig.service.port) == (10, "*", 443)
    assert found.namespaceSelector is not None
    assert found.objectSelector is not None


@pytest.mark.parametrize(
    ("hook", "expected"),
    [
        ({}, []),
        (
            {"name": "short"},
            ['name: Invalid value: "short": should be a domain with at least three segments separated by dots'],
        ),
        ({"clientConfig": {}}, ["clientConfig: Required value: exactly one of url or service is required"]),
        (
            {"clientConfig": {"url": "http://u@x/?q"}},
            [
                "clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; "
                "desired format: https://host[/path]",
                'clientConfig.url: Invalid value: "u": user information is not permitted in the URL',
                'clientConfig.url: Invalid value: "q": query parameters are not permitted in the URL',
            ],
        ),
        (
            {"clientConfig": {"url": "https://a b/#c"}},
            [
                'clientConfig.url: Required value: url must be a valid URL: parse "https://a b/": '
                'invalid character " " in host name; desired format: https://host[/path]',
            ],
        ),
        (
            {"clientConfig": {"url": "a"}},
            [
                "clientConfig.url: Invalid value: \"\": 'https' is the only allowed URL scheme; "
                "desired format: https://host[/path]",
                'clientConfig.url: Invalid value: "": host must be provided; desired format: https://host[/path]',
            ],
        ),
        (
            {"clientConfig": {"service": {"name": "a", "namespace": "b", "port": 70000, "path": "/a//b"}}},
            [
                "clientConfig.service.port: Invalid value: 70000: port is not valid: "
                "must be between 1 and 65535, inclusive",
                'clientConfig.service.path: Invalid value: "/a//b": segment[1] may not be empty',
            ],
        ),
        ({"sideEffects": "Some"}, ['sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"']),
        (
            {"admissionReviewVersions": ["v9"]},
            ['admissionReviewVersions: Invalid value: ["v9"]: must include at least one of v1, v1beta1'],
        ),
        (
            {"rules": [{"apiGroups": ["*", "a"], "operations": ["LOOK"], "resources": ["*/*", "pods"]}]},
            [
                'rules[0].operations[0]: Unsupported value: "LOOK": supported values: "*", "CONNECT", "CREATE", '
                '"DELETE", "UPDATE"',
                'rules[0].apiGroups: Invalid value: ["*","a"]: if \'*\' is present, must not specify other API groups',
                "rules[0].apiVersions: Required value",
                'rules[0].resources: Invalid value: ["*/*","pods"]: '
                "if '*/*' is present, must not specify other resources",
            ],
        ),
        (
            {"timeoutSeconds": 31},
            ["timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds"],
        ),
        (
            {"matchConditions": [{"name": "a", "expression": ""}, {"name": "a", "expression": "true"}]},
            [
                "matchConditions[0].expression: Required value",
                'matchConditions[1].name: Duplicate value: "a"',
            ],
        ),
    ],
)
def test_webhook_rules(hook: dict[str, Any], expected: list[str]) -> None:
    found = complaints(ValidatingWebhookConfigurations(), webhooks(hook))
    assert found == [f"webhooks[0].{complaint}" for complaint in expected]


def test_webhooks_have_names_of_their_own() -> None:
    assert complaints(ValidatingWebhookConfigurations(), webhooks({}, {})) == [
        'webhooks[1].name: Duplicate value: "a.b.c"'
    ]
    assert ValidatingWebhookConfigurations().cells(webhooks({}, {}), NOW)[:2] == ["a", 2]


def test_what_an_old_webhook_had_it_may_keep() -> None:
    def change(new: ValidatingWebhookConfiguration) -> None:
        new.webhooks[0].timeoutSeconds = 5

    assert update_complaints(ValidatingWebhookConfigurations(), webhooks({"sideEffects": "Some"}), change) == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        (
            {"validations": []},
            [
                f"spec.{field}: Required value: validations or auditAnnotations must contain at least one item"
                for field in ("validations", "auditAnnotations")
            ],
        ),
        ({"matchConstraints": None}, ["spec.matchConstraints: Required value"]),
        (
            {"validations": [{"expression": " "}]},
            ["spec.validations[0].expression: Required value: expression is not specified"],
        ),
        (
            {"validations": [{"expression": "true", "reason": "Tired"}]},
            [
                'spec.validations[0].reason: Unsupported value: "Tired": supported values: "Forbidden", "Invalid", '
                '"RequestEntityTooLarge"'
            ],
        ),
        (
            {"variables": [{"name": "1", "expression": ""}]},
            [
                'spec.variables[0].name: Invalid value: "1": must be a valid CEL identifier',
                "spec.variables[0].expression: Required value: expression is not specified",
            ],
        ),
        (
            {"failurePolicy": "Never"},
            ['spec.failurePolicy: Unsupported value: "Never": supported values: "Fail", "Ignore"'],
        ),
    ],
)
def test_policy_rules(spec: dict[str, Any], expected: list[str]) -> None:
    assert complaints(ValidatingAdmissionPolicies(), policy(**spec)) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"mutations": []}, ["spec.mutations: Required value: mutations must contain at least one item"]),
        (
            {"mutations": [{"patchType": "JSONPatch"}]},
            ["spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch"],
        ),
        (
            {"mutations": [{"patchType": "Magic"}]},
            [
                'spec.mutations[0].patchType: Unsupported value: "Magic": supported values: "ApplyConfiguration", '
                '"JSONPatch"'
            ],
        ),
        ({"reinvocationPolicy": ""}, ["spec.reinvocationPolicy: Required value"]),
    ],
)
def test_mutating_policy_rules(spec: dict[str, Any], expected: list[str]) -> None:
    assert complaints(MutatingAdmissionPolicies(), mutating_policy(**spec)) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"policyName": ""}, ["spec.policyName: Required value"]),
        (
            {"validationActions": []},
            ["spec.validationActions: Required value: at least one validation action is required"],
        ),
        (
            {"validationActions": ["Audit", "Shout", "Audit"]},
            [
                'spec.validationActions[1]: Unsupported value: "Shout": supported values: "Audit", "Deny", "Warn"',
                'spec.validationActions[2]: Duplicate value: "Audit"',
            ],
        ),
        (
            {"paramRef": {"name": "a", "selector": {}, "parameterNotFoundAction": "Deny"}},
            [
                f"spec.paramRef.{field}: Forbidden: name and selector are mutually exclusive"
                for field in ("name", "selector")
            ],
        ),
    ],
)
def test_binding_rules(spec: dict[str, Any], expected: list[str]) -> None:
    assert complaints(ValidatingAdmissionPolicyBindings(), binding(**spec)) == expected


def test_their_lines() -> None:
    kind = {"kind": "K", "apiVersion": "a/v1"}
    assert ValidatingAdmissionPolicies().cells(policy(paramKind=kind), NOW)[1:3] == [1, "a/v1/K"]
    assert MutatingAdmissionPolicies().cells(mutating_policy(), NOW)[1:3] == [1, "<unset>"]
    bound = MutatingAdmissionPolicyBinding.from_dict({"metadata": META, "spec": {"policyName": "p"}})
    assert MutatingAdmissionPolicyBindings().cells(bound, NOW)[1:3] == ["p", "<unset>"]
    reference = {"name": "x", "namespace": "n", "parameterNotFoundAction": "Deny"}
    assert ValidatingAdmissionPolicyBindings().cells(binding(paramRef=reference), NOW)[1:3] == ["p", "n/x"]
