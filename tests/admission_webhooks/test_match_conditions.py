"""Conditions in CEL on the writes that a webhook is asked about."""

from __future__ import annotations

import httpx
import pytest

from tests.admission_webhooks.conftest import Configurations
from tests.webhook_server import WebhookServer


def create(admin: httpx.Client, namespace: str, name: str = "a") -> httpx.Response:
    return admin.post(f"/api/v1/namespaces/{namespace}/configmaps", json={"metadata": {"name": name}})


def conditions(*expressions: str) -> list[dict[str, str]]:
    return [{"name": f"c{index}", "expression": text} for index, text in enumerate(expressions)]


@pytest.mark.parametrize("kind", ["mutating", "validating"])
@pytest.mark.parametrize(
    ("expressions", "asked"),
    [
        (["true"], True),
        (["object.metadata.name == 'a'", "request.operation == 'CREATE' && oldObject == null"], True),
        (["true", "false"], False),
        (["object.metadata.name != 'a'"], False),
        (["request.userInfo.username == 'admin' && 'system:masters' in request.userInfo.groups"], True),
        (["request.resource.resource == 'configmaps' && !has(request.subResource)"], True),
        (["request.options.kind == 'CreateOptions' && !request.dryRun"], True),
        (["authorizer.group('').resource('pods').namespace('x').check('create').allowed()"], True),
        (["authorizer.requestResource.check('delete').allowed()"], True),
        (["object.data.missing == 'x'", "false"], False),
    ],
)
def test_conditions(
    admin: httpx.Client,
    namespace: str,
    webhook: WebhookServer,
    configurations: Configurations,
    kind: str,
    expressions: list[str],
    asked: bool,
) -> None:
    getattr(configurations, kind)(configurations.hook(matchConditions=conditions(*expressions)))
    assert create(admin, namespace).status_code == 201
    assert bool(webhook.asked) == asked


def test_one_that_cannot_be_evaluated(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    expression = "object.data.missing == 'x'"
    configurations.validating(configurations.hook(matchConditions=conditions("true", expression)))
    answer = create(admin, namespace)
    assert answer.status_code == 403
    why = f"expression '{expression}' resulted in error: no such key: data"
    assert answer.json()["message"] == f'configmaps "a" is forbidden: {why}'
    assert not webhook.asked


def test_one_that_cannot_be_evaluated_and_may_fail(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    hook = configurations.hook(matchConditions=conditions("object.data.missing == 'x'"), failurePolicy="Ignore")
    configurations.validating(hook)
    assert create(admin, namespace).status_code == 201
    assert not webhook.asked


def test_one_that_costs_too_much(
    admin: httpx.Client, namespace: str, webhook: WebhookServer, configurations: Configurations
) -> None:
    numbers = f"[{','.join(map(str, range(200)))}]"
    slow = f"{numbers}.all(a, {numbers}.all(b, {numbers}.all(c, a + b + c >= 0)))"
    configurations.validating(configurations.hook(matchConditions=conditions(slow)))
    answer = create(admin, namespace)
    assert answer.status_code == 403
    assert "actual cost limit exceeded" in answer.json()["message"]
