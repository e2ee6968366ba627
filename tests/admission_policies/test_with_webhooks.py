"""Policies and webhooks about the same writes: policies come first, and each hears of what the other has changed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.admission_policies.conftest import CONFIG_MAPS, ConfigMaps, Policies, refused
from tests.admission_webhooks.conftest import Configurations, configurations, shared_webhook, webhook
from tests.webhook_server import WebhookServer, patch

__all__ = ["configurations", "shared_webhook", "webhook"]

LABELLED = {"metadata": {"labels": {"seen": "yes"}}}


@pytest.fixture
def hook(configurations: Configurations, webhook: WebhookServer) -> WebhookServer:
    """A webhook that copies to key `hook` what key `policy` says."""

    def answer(review: dict[str, Any]) -> Any:
        data = review["request"]["object"]["data"]
        return patch(review, {"op": "add", "path": "/data/hook", "value": data.get("policy", "")})

    webhook.answer = answer
    configurations.mutating(configurations.hook(rules=[CONFIG_MAPS]))
    return webhook


def test_webhooks_see_what_policies_made(policies: Policies, config_maps: ConfigMaps, hook: WebhookServer) -> None:
    policies.mutating("Object{data: {'policy': 'made'}}")
    assert config_maps.create(data={"k": "v"}).json()["data"] == {"k": "v", "policy": "made", "hook": "made"}


def test_policies_that_want_to_see_what_webhooks_made(
    policies: Policies, config_maps: ConfigMaps, hook: WebhookServer
) -> None:
    change = "[JSONPatch{op: 'add', path: '/data/policy', value: 'hook: ' + object.data.?hook.orValue('none')}]"
    policies.mutating(change)
    assert config_maps.create(data={"k": "v"}).json()["data"]["policy"] == "hook: none"
    policies.remove()
    policies.mutating(change, reinvocationPolicy="IfNeeded")
    data = config_maps.create(data={"k": "v"}).json()["data"]
    assert data == {"k": "v", "policy": "hook: hook: none", "hook": "hook: none"}


def test_a_write_that_a_policy_refuses_is_shown_to_no_webhook(
    policies: Policies, config_maps: ConfigMaps, configurations: Configurations, webhook: WebhookServer
) -> None:
    policy = policies.validating({"expression": "false", "message": "no"})
    configurations.validating(configurations.hook(rules=[CONFIG_MAPS]))
    assert refused(config_maps.create(), policy, "no")
    assert not webhook.asked


def test_what_webhooks_made_is_judged(
    policies: Policies, config_maps: ConfigMaps, hook: WebhookServer, admin: httpx.Client
) -> None:
    policy = policies.validating({"expression": "!('hook' in object.data)", "message": "no"})
    assert refused(config_maps.create(data={"k": "v"}), policy, "no")
    assert len(hook.asked) == 1
