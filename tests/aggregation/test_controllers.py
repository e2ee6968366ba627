"""Namespaces and garbage collection with objects that an extension API server serves, or fails to."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.aggregation.conftest import place_service
from tests.aggregation.extension_server import ExtensionServer
from tests.aggregation.test_discovery import versions
from tests.apiserver.conftest import ApiServer
from tests.client.component_process import ComponentProcess
from tests.cluster.support import until

CONTROLLERS = "namespace-controller,garbage-collector-controller"


@pytest.fixture
def controllers(server: ApiServer, extension: ExtensionServer, tmp_path: Path) -> Iterator[None]:
    """From the time on when there is a server to discover."""
    kubeconfig = server.folder / "data/kubeconfig"
    log = tmp_path / "controllers.log"
    with ComponentProcess("controller_manager", kubeconfig, log, "--controllers", CONTROLLERS):
        yield


def create(admin: httpx.Client, path: str, name: str, **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, **rest.pop("metadata", {})}
    answer = admin.post(path, json={"metadata": metadata, **rest})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_namespace_waits_for_a_server_that_is_away(
    admin: httpx.Client, extension: ExtensionServer, namespace: str, controllers: None
) -> None:
    group, leaving = extension.group, f"leaving-{uuid.uuid4().hex[:8]}"
    create(admin, "/api/v1/namespaces", leaving)
    config_maps = f"/api/v1/namespaces/{leaving}/configmaps"
    create(admin, config_maps, "c")
    create(admin, f"{extension.root}/namespaces/{leaving}/notes", "n", kind="Note")
    assert admin.delete(f"/api/v1/namespaces/{namespace}/services/notes").status_code == 200
    until(lambda: [each["freshness"] for each in versions(admin, group)] == ["Stale"])

    url = f"/api/v1/namespaces/{leaving}"
    assert admin.delete(url).status_code == 200
    until(lambda: admin.get(url).json()["status"].get("conditions"))
    conditions = {each["type"]: each for each in admin.get(url).json()["status"]["conditions"]}
    failure = conditions["NamespaceDeletionDiscoveryFailure"]
    assert (failure["status"], failure["reason"]) == ("True", "DiscoveryFailed")
    stale = f"{group}/v1: stale GroupVersion discovery: {group}/v1"
    assert failure["message"] == (
        f"Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: {stale}"
    )
    assert admin.get(config_maps).json()["items"] == []  # what could be found has gone
    assert (leaving, "n") in extension.objects

    assert admin.delete(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices/notes-1").status_code == 200
    place_service(admin, namespace, extension.port)
    until(lambda: admin.get(url).status_code == 404)
    assert (leaving, "n") not in extension.objects


def test_what_belongs_to_an_object_goes_with_it(
    admin: httpx.Client, extension: ExtensionServer, namespace: str, controllers: None
) -> None:
    made = create(admin, f"{extension.root}/namespaces/{namespace}/notes", "owner", kind="Note")
    reference = {"apiVersion": f"{extension.group}/v1", "kind": "Note", "name": "owner", "uid": made["metadata"]["uid"]}
    config_maps = f"/api/v1/namespaces/{namespace}/configmaps"
    create(admin, config_maps, "owned", metadata={"ownerReferences": [reference]})
    until(lambda: extension.watchers)
    assert admin.delete(f"{extension.root}/namespaces/{namespace}/notes/owner").status_code == 200
    until(lambda: admin.get(f"{config_maps}/owned").status_code == 404)
