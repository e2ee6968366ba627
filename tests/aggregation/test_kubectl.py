"""kubectl with objects that an extension API server serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from tests.aggregation.conftest import extended
from tests.aggregation.extension_server import ExtensionServer
from tests.apiserver.conftest import ApiServer
from tests.cluster.support import until
from tests.ecosystem.kubectl import Kubectl, manifest


def note(extension: ExtensionServer, name: str) -> dict[str, object]:
    return {"apiVersion": f"{extension.group}/v1", "kind": "Note", "metadata": {"name": name}, "text": "hello"}


def discovered(admin: httpx.Client, extension: ExtensionServer) -> bool:
    return f'"serverRelativeURL":"/openapi/v3/apis/{extension.group}' in admin.get("/openapi/v3").text


def test_objects(
    server: ApiServer, admin: httpx.Client, extension: ExtensionServer, namespace: str, tmp_path: Path
) -> None:
    kubectl = Kubectl(server, tmp_path, namespace)
    until(lambda: discovered(admin, extension))
    shown = kubectl("api-resources", "--api-group", extension.group, "--no-headers", "-o", "wide").split()
    assert shown[:5] == ["notes", "nt", f"{extension.group}/v1", "true", "Note"]
    assert f"{extension.group}/v1" in kubectl("api-versions").split()

    resource = f"notes.{extension.group}"
    with kubectl.started("get", resource, "--watch", "-o", "name") as watch:
        until(lambda: extension.watchers)
        kubectl("create", "-f", "-", stdin=manifest(note(extension, "one")))
        assert watch.stdout is not None
        assert watch.stdout.readline() == f"note.{extension.group}/one\n"
    assert kubectl.get(resource, "one")["text"] == "hello"
    assert kubectl("get", resource, "-o", "name") == f"note.{extension.group}/one\n"
    kubectl("delete", resource, "one")
    assert f'notes.{extension.group} "one" not found' in kubectl.refusal("get", resource, "one")

    told = kubectl("explain", f"{resource}.text")
    assert "what to remember" in told
    assert {user for method, path, user, _ in extension.asked if "/notes" in path} == {"admin"}


def test_what_is_not_allowed_does_not_get_there(
    server: ApiServer, admin: httpx.Client, extension: ExtensionServer, namespace: str, tmp_path: Path
) -> None:
    until(lambda: discovered(admin, extension))
    kubectl = Kubectl(server, tmp_path, namespace, token="bobtoken")
    refused = kubectl.refusal("get", f"notes.v1.{extension.group}")
    assert f'User "bob" cannot list resource "notes" in API group "{extension.group}"' in refused
    assert not [path for _, path, _, _ in extension.asked if path.endswith("/notes")]
    asked = json.dumps(extension.asked)
    assert "bobtoken" not in asked


def test_top(server: ApiServer, admin: httpx.Client, namespace: str, tmp_path: Path) -> None:
    """As with the metrics server."""
    node = {"metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "2", "memory": "2000Mi"}}}
    made = admin.post("/api/v1/nodes", json=node).json()
    made["status"] = node["status"]
    assert admin.put("/api/v1/nodes/n1/status", json=made).status_code == 200

    def metrics(handler: Any) -> None:
        usage = {"cpu": "500m", "memory": "1000Mi"}
        times = {"timestamp": "2026-01-01T00:00:00Z", "window": "10s"}
        item = {"metadata": {"name": "n1"}, "usage": usage, **times}
        kind = {"kind": "NodeMetricsList", "apiVersion": "metrics.k8s.io/v1beta1"}
        handler.reply(200, {**kind, "metadata": {}, "items": [item]})

    group = "metrics.k8s.io"
    with extended(admin, tmp_path, group, namespace, version="v1beta1") as running:
        running.special[f"{running.root}/nodes"] = metrics
        kubectl = Kubectl(server, tmp_path, namespace)
        until(lambda: "v1beta1" in kubectl("api-versions"))
        assert kubectl("top", "nodes", "--no-headers").split() == ["n1", "500m", "25%", "1000Mi", "50%"]
    assert admin.delete("/api/v1/nodes/n1").status_code == 200
