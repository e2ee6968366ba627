"""kubectl with objects that an extension API server serves."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from tests.aggregation.conftest import until
from tests.aggregation.extension_server import ExtensionServer
from tests.apiserver.conftest import ApiServer
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
    server: ApiServer, extension: ExtensionServer, namespace: str, tmp_path: Path
) -> None:
    kubectl = Kubectl(server, tmp_path, namespace, token="bobtoken")
    refused = kubectl.refusal("get", f"notes.v1.{extension.group}")
    assert f'User "bob" cannot list resource "notes" in API group "{extension.group}"' in refused
    assert not [path for _, path, _, _ in extension.asked if path.endswith("/notes")]
    asked = json.dumps(extension.asked)
    assert "bobtoken" not in asked
