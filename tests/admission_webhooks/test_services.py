"""A webhook that is a service of the cluster is asked at what is ready behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.admission_webhooks.conftest import ROOT
from tests.apiserver.conftest import ApiServer
from tests.ports import free_port
from tests.webhook_server import WebhookServer, serving

SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[httpx.Client]:
    """The administrator of a cluster that lives on the loopback, where such addresses are like any others."""
    running = ApiServer(tmp_path, "--service-cluster-ip-range", "127.64.0.0/16")
    running.start()
    with running.client() as client:
        yield client
    assert running.stop() == 0


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[WebhookServer]:
    with serving(tmp_path / "webhook", hosts=("hook.default.svc",)) as running:
        yield running


def behind(port: int, *, ready: bool) -> dict[str, Any]:
    return {
        "metadata": {"generateName": "hook-", "labels": {"kubernetes.io/service-name": "hook"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": ready}}],
        "ports": [{"name": "web", "port": port}],
    }


def test_what_is_ready_is_asked(admin: httpx.Client, hook: WebhookServer) -> None:
    service = {"metadata": {"name": "hook"}, "spec": {"ports": [{"name": "web", "port": 8443, "targetPort": 9443}]}}
    admin.post("/api/v1/namespaces/default/services", json=service).raise_for_status()
    reference = {"namespace": "default", "name": "hook", "path": "/check", "port": 8443}
    webhook = {
        "name": "check.example.com",
        "clientConfig": {"service": reference, "caBundle": hook.ca_bundle},
        "rules": [RULE],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    configuration = {"metadata": {"name": "check"}, "webhooks": [webhook]}
    admin.post(f"{ROOT}/validatingwebhookconfigurations", json=configuration).raise_for_status()
    maps = "/api/v1/namespaces/default/configmaps"

    admin.post(SLICES, json=behind(free_port(), ready=False)).raise_for_status()
    refused = admin.post(maps, json={"metadata": {"name": "a"}})
    assert refused.json()["message"].endswith('no endpoints available for service "hook"')

    admin.post(SLICES, json=behind(hook.port, ready=True)).raise_for_status()
    for name in ("a", "b"):
        assert admin.post(maps, json={"metadata": {"name": name}}).status_code == 201
    assert [asked.path for asked in hook.asked] == ["/check?timeout=10s"] * 2
    assert {asked.headers["Host"] for asked in hook.asked} == {"hook.default.svc:8443"}
    assert hook.connections == 1
