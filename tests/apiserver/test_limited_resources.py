"""What is scarce by configuration, nobody gets without a quota."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from apiserver.admission.limited_resources import parse
from apiserver.configuration_file import ConfigurationError
from tests.apiserver.conftest import ApiServer

CONFIGURATION = """
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: ResourceQuota
  configuration:
    apiVersion: apiserver.config.k8s.io/v1
    kind: ResourceQuotaConfiguration
    limitedResources:
    - {resource: configmaps, matchContains: [configmaps]}
    - {resource: pods, matchScopes: [{scopeName: PriorityClass, operator: In, values: [system-node-critical]}]}
"""


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[httpx.Client]:
    file = tmp_path / "admission.yaml"
    file.write_text(CONFIGURATION)
    server = ApiServer(
        tmp_path, "--admission-control-config-file", str(file), "--enable-admission-plugins", "NamespaceAutoProvision"
    )
    server.start()
    with server.client() as client:
        yield client
    assert server.stop() == 0


def quota(admin: httpx.Client, name: str, spec: dict[str, Any]) -> None:
    path = "/api/v1/namespaces/made/resourcequotas"
    assert admin.post(path, json={"metadata": {"name": name}, "spec": spec}).status_code == 201
    status = {"status": {"hard": spec["hard"], "used": dict.fromkeys(spec["hard"], "0")}}
    patch = {"Content-Type": "application/merge-patch+json"}
    assert admin.patch(f"{path}/{name}/status", json=status, headers=patch).status_code == 200


def test_scarce_resources_and_scopes(admin: httpx.Client) -> None:
    """The namespace comes to be with the account in it."""
    base = "/api/v1/namespaces/made"
    assert admin.post(f"{base}/serviceaccounts", json={"metadata": {"name": "default"}}).status_code == 201
    assert admin.get(base).json()["status"]["phase"] == "Active"
    refused = admin.post(f"{base}/configmaps", json={"metadata": {"name": "c"}})
    assert refused.json()["message"] == (
        'configmaps "c" is forbidden: insufficient quota to consume: configmaps,count/configmaps'
    )
    quota(admin, "c", {"hard": {"configmaps": "1", "count/configmaps": "1"}})
    assert admin.post(f"{base}/configmaps", json={"metadata": {"name": "c"}}).status_code == 201
    pod: dict[str, Any] = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    assert admin.post(f"{base}/pods", json=pod).status_code == 201
    pod["metadata"]["name"], pod["spec"]["priorityClassName"] = "q", "system-node-critical"
    refused = admin.post(f"{base}/pods", json=pod)
    assert refused.json()["message"] == (
        'pods "q" is forbidden: insufficient quota to match these scopes: [{PriorityClass In [system-node-critical]}]'
    )
    scope = {"scopeName": "PriorityClass", "operator": "In", "values": ["system-node-critical"]}
    quota(admin, "p", {"hard": {"pods": "1"}, "scopeSelector": {"matchExpressions": [scope]}})
    assert admin.post(f"{base}/pods", json=pod).status_code == 201


@pytest.mark.parametrize(
    "limited", [{"matchContains": ["a"]}, {"resource": "pods", "matchScopes": [{"scopeName": "Terminating"}]}]
)
def test_configurations_that_cannot_be_used(limited: dict[str, Any]) -> None:
    document = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "ResourceQuotaConfiguration"}
    with pytest.raises(ConfigurationError):
        parse({**document, "limitedResources": [limited]})
