"""An API server of a cluster on this machine's loopback, and extension API servers behind APIServices of it."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.aggregation.extension_server import ExtensionServer, extension_server
from tests.apiserver.conftest import ApiServer
from tests.cluster.support import until

SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"


@contextmanager
def local_server(folder: Path, *flags: str) -> Iterator[ApiServer]:
    running = ApiServer(folder, "--service-cluster-ip-range", "127.96.0.0/16", *flags)
    running.start()
    try:
        yield running
    finally:
        status = running.stop()
    assert status == 0
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with local_server(tmp_path_factory.mktemp("aggregator")) as running:
        yield running


@pytest.fixture
def admin(server: ApiServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def namespace(admin: httpx.Client) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    assert admin.post("/api/v1/namespaces", json={"metadata": {"name": name}}).status_code == 201
    return name


@pytest.fixture
def group() -> str:
    return f"g{uuid.uuid4().hex[:8]}.example.com"


def api_service(extension: ExtensionServer, namespace: str, **spec: Any) -> dict[str, Any]:
    bundle = base64.b64encode(extension.authority.ca_pem).decode()
    given = {
        "group": extension.group,
        "version": extension.version,
        "groupPriorityMinimum": 1000,
        "versionPriority": 10,
        "service": {"namespace": namespace, "name": "notes"},
        "caBundle": bundle,
        **spec,
    }
    name = f"{extension.version}.{extension.group}"
    return {"metadata": {"name": name}, "spec": {key: value for key, value in given.items() if value is not None}}


def place_service(admin: httpx.Client, namespace: str, port: int) -> None:
    """The Service `notes` with one endpoint that is ready."""
    service = {"metadata": {"name": "notes"}, "spec": {"ports": [{"name": "https", "port": 443}]}}
    assert admin.post(f"/api/v1/namespaces/{namespace}/services", json=service).status_code == 201
    labels = {"kubernetes.io/service-name": "notes"}
    slice = {
        "metadata": {"name": "notes-1", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port}],
    }
    where = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    answer = admin.post(where, json=slice)
    assert answer.status_code == 201, answer.text


def condition(admin: httpx.Client, name: str) -> dict[str, Any]:
    """The condition Available; empty where there is none yet."""
    found: list[dict[str, Any]] = admin.get(f"{SERVICES}/{name}").json()["status"].get("conditions", [])
    return next((each for each in found if each["type"] == "Available"), {})


def available(admin: httpx.Client, name: str) -> bool:
    return condition(admin, name).get("reason") == "Passed"


@contextmanager
def extended(
    admin: httpx.Client, folder: Path, group: str, namespace: str, version: str = "v1", **spec: Any
) -> Iterator[ExtensionServer]:
    """An extension API server that is available; its APIService is gone afterwards."""
    with ExitStack() as stack:
        running = stack.enter_context(extension_server(folder, admin, group, namespace, version))
        place_service(admin, namespace, running.port)
        service = api_service(running, namespace, **spec)
        assert admin.post(SERVICES, json=service).status_code == 201
        stack.callback(lambda: admin.delete(f"{SERVICES}/{service['metadata']['name']}"))
        until(lambda: available(admin, service["metadata"]["name"]))
        yield running


@pytest.fixture
def extension(admin: httpx.Client, tmp_path: Path, group: str, namespace: str) -> Iterator[ExtensionServer]:
    with extended(admin, tmp_path, group, namespace) as running:
        yield running
