"""Expressions about writes: of policies and match conditions."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from apiserver.authorization.authorizer import AlwaysAllow, AlwaysDeny
from apiserver.expressions.admission import admission_environment
from apiserver.expressions.authorizer import UserJudge
from apiserver.expressions.policies import PolicyExpressions, match_condition
from apiserver.request import RequestInfo, User
from cel.errors import EvaluationError
from cel.libraries.authorizer import Requester, ResourceCheck
from cel.libraries.mutation import misnamed
from cel.refusals import Refused
from cel.values import LazyMap, to_json

ANN = User("ann")
POD: dict[str, Any] = {"metadata": {"name": "a", "labels": {"app": "x"}}, "spec": {"replicas": 3}}
REQUEST = {"operation": "CREATE", "resource": {"group": "", "resource": "pods"}, "userInfo": {"username": "ann"}}


def test_match_conditions_see_the_request_and_its_objects() -> None:
    program = match_condition("object.metadata.name == 'a' && request.operation == 'CREATE' && oldObject == null")
    assert program.evaluate({"object": POD, "oldObject": None, "request": REQUEST}, 1_000_000)[0] is True
    assert admission_environment().compile("request.userInfo.username == 'ann'")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("object.name", "must evaluate to bool but got dyn"),
        ("'x'", "must evaluate to bool but got string"),
        ("params.x == 1", "undeclared reference to 'params'"),
        ("variables.x == 1", "undeclared reference to 'variables'"),
        ("request.nothing == 1", "undefined field 'nothing'"),
        ("namespaceObject.metadata.uid == 'x'", "undefined field 'uid'"),
    ],
)
def test_match_conditions_are_refused(expression: str, expected: str) -> None:
    with pytest.raises(Refused) as caught:
        match_condition(expression)
    assert expected in str(caught.value)


def test_variables_of_a_policy_are_seen_by_what_follows() -> None:
    policy = PolicyExpressions(params=True)
    policy.variable("replicas", "object.spec.replicas")
    policy.variable("many", "variables.replicas > params.most")
    program = policy.validation("!variables.many")
    asked: list[str] = []

    def compute() -> bool:
        asked.append("many")
        return False

    values = LazyMap({"many": compute})
    assert program.evaluate({"variables": values, "object": POD}, 1_000_000)[0] is True
    program.evaluate({"variables": values, "object": POD}, 1_000_000)
    assert asked == ["many"]
    with pytest.raises(Refused, match="undefined field 'none'"):
        policy.validation("variables.none")
    with pytest.raises(Refused, match="must evaluate to string but got int"):
        policy.message("1")
    with pytest.raises(Refused, match="undeclared reference to 'authorizer'"):
        policy.message("authorizer.group('').resource('pods').check('get').reason()")
    with pytest.raises(Refused, match=r"must evaluate to one of \[string null_type\] but got int"):
        policy.audit_annotation("1")


def test_mutations_are_objects_or_patches() -> None:
    policy = PolicyExpressions(params=False)
    apply = policy.apply_configuration(
        "Object{spec: Object.spec{replicas: object.spec.replicas + 1, l: [Object.spec.l{a: 1}]}}"
    )
    value, _ = apply.evaluate({"object": POD}, 1_000_000)
    assert list(misnamed(value)) == []
    assert to_json(value) == {"spec": {"replicas": 4, "l": [{"a": 1}]}}
    wrong = policy.apply_configuration("Object{spec: Object.status{}}").evaluate({}, 1_000_000)[0]
    assert list(misnamed(wrong)) == [
        'unexpected type name "Object.status", expected "Object.spec", '
        "which matches field name path from root Object type"
    ]
    patch = policy.json_patch(
        "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b~c'), value: {'x': [1]}}]"
    )
    assert to_json(patch.evaluate({}, 1_000_000)[0]) == [
        {"op": "add", "path": "/metadata/labels/a~1b~0c", "value": {"x": [1]}}
    ]
    with pytest.raises(Refused, match=r"must evaluate to list\(JSONPatch\) but got Object"):
        policy.json_patch("Object{}")
    with pytest.raises(Refused, match="undeclared reference to 'Object'"):
        policy.validation("Object{} == Object{}")


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("authorizer.path('/healthz').check('get').allowed()", True),
        ("authorizer.group('apps').resource('deploys').subresource('scale').name('a').check('get').allowed()", True),
        ("authorizer.group('').resource('pods').fieldSelector('spec.nodeName=a').check('list').allowed()", True),
        ("authorizer.requestResource.check('create').allowed()", True),
        ("authorizer.path('/x').check('get').reason() == ''", None),
        ("authorizer.path('/x').check('get').errored()", False),
    ],
)  # fmt: skip
def test_expressions_can_ask_who_may_do_what(expression: str, allowed: bool | None) -> None:
    program = match_condition(expression)
    for authorizer in (AlwaysAllow(), AlwaysDeny()):
        requester = Requester(UserJudge(ANN, authorizer))
        variables = {"authorizer": requester, "authorizer.requestResource": ResourceCheck(requester, "", "pods")}
        value = program.evaluate(variables, 1_000_000)[0]
        if allowed is not None:
            assert value is (allowed and isinstance(authorizer, AlwaysAllow))


def test_questions_name_what_they_are_about() -> None:
    asked: list[tuple[str, RequestInfo]] = []

    class Remembering(AlwaysAllow):
        def allows(self, user: User, info: RequestInfo) -> bool:
            asked.append((user.name, info))
            return True

    requester = Requester(UserJudge(ANN, Remembering()))
    source = (
        "authorizer.serviceAccount('n', 'a').group('g').resource('r').namespace('m').name('x').check('get').allowed()"
    )
    match_condition(source).evaluate({"authorizer": requester}, 1_000_000)
    [(name, info)] = asked
    assert name == "system:serviceaccount:n:a"
    assert (info.verb, info.group, info.resource, info.namespace, info.name) == ("get", "g", "r", "m", "x")
    for wrong in (
        "authorizer.path('').check('get').allowed()",
        "authorizer.serviceAccount('N', 'a').path('/').check('get').allowed()",
    ):
        with pytest.raises(EvaluationError):
            match_condition(wrong).evaluate({"authorizer": requester}, 1_000_000)


def test_who_writes_no_expressions_does_not_pay_for_them() -> None:
    source = """
import sys
import apiserver.server, apiserver.custom_resources.strategy
import apiserver.registry.custom_resource_definitions, apiserver.registry.validating_admission_policies
print([name for name in sys.modules if name.startswith(("cel", "re2", "apiserver.expressions"))])
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
