"""An API server and a webhook for these tests alone: their configurations would be in the way of all others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.apiserver.conftest import ApiServer, admin, namespace
from tests.webhook_server import WebhookServer, allow, serving

__all__ = ["admin", "namespace"]

ROOT = "/apis/admissionregistration.k8s.io/v1"
EVERYTHING = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    running = ApiServer(tmp_path_factory.mktemp("apiserver"))
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="package")
def shared_webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookServer]:
    with serving(tmp_path_factory.mktemp("webhook"), hosts=("127.0.0.1", "hook.default.svc")) as running:
        yield running


@pytest.fixture
def webhook(shared_webhook: WebhookServer) -> WebhookServer:
    """It has nothing against anything, and was not asked yet."""
    shared_webhook.answer, shared_webhook.worse = allow, None
    shared_webhook.asked.clear()
    return shared_webhook


class Configurations:
    """Makes webhook configurations, which are gone after the test."""

    def __init__(self, admin: httpx.Client, webhook: WebhookServer) -> None:
        self._admin, self._webhook = admin, webhook
        self._made: list[str] = []

    def hook(self, name: str = "check.example.com", path: str = "", **more: Any) -> dict[str, Any]:
        """One that asks the test's webhook about everything."""
        client = {"url": self._webhook.url + path, "caBundle": self._webhook.ca_bundle}
        return {
            "name": name,
            "clientConfig": client,
            "rules": [EVERYTHING],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 30,
            **more,
        }

    def mutating(self, *hooks: dict[str, Any], name: str = "mutating") -> None:
        self._make("mutating", name, hooks or (self.hook(),))

    def validating(self, *hooks: dict[str, Any], name: str = "validating") -> None:
        self._make("validating", name, hooks or (self.hook(),))

    def _make(self, kind: str, name: str, hooks: tuple[dict[str, Any], ...]) -> None:
        path = f"{ROOT}/{kind}webhookconfigurations"
        answer = self._admin.post(path, json={"metadata": {"name": name}, "webhooks": hooks})
        assert answer.status_code == 201, answer.text
        self._made.append(f"{path}/{name}")

    def remove(self) -> None:
        for path in self._made:
            self._admin.delete(path).raise_for_status()
        self._made.clear()


@pytest.fixture
def configurations(admin: httpx.Client, webhook: WebhookServer, namespace: str) -> Iterator[Configurations]:
    made = Configurations(admin, webhook)
    yield made
    made.remove()
