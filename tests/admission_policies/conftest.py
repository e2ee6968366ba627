"""An API server for these tests alone, whose audit log they read, and policies that are gone after each test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.apiserver.conftest import ApiServer, admin, namespace

__all__ = ["admin", "namespace"]

ROOT = "/apis/admissionregistration.k8s.io/v1"
CONFIG_MAPS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
               "resources": ["configmaps"]}  # fmt: skip


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    folder = tmp_path_factory.mktemp("apiserver")
    policy = folder / "audit.json"
    rules = [{"level": "Metadata", "omitStages": ["RequestReceived"]}]
    policy.write_text(json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}))
    audit = ("--audit-policy-file", str(policy), "--audit-log-path", str(folder / "audit.log"))
    running = ApiServer(folder, *audit, "--check-policy-types")
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


class Policies:
    """Makes policies about the ConfigMaps of one namespace, with bindings; all are gone after the test."""

    def __init__(self, admin: httpx.Client, namespace: str) -> None:
        self.admin, self.namespace = admin, namespace
        self._made: list[str] = []

    def constraints(self, *rules: dict[str, Any], **more: Any) -> dict[str, Any]:
        """What is about the namespace, and about ConfigMaps unless there are rules."""
        selector = {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}}
        return {"namespaceSelector": selector, "resourceRules": list(rules) or [CONFIG_MAPS], **more}

    def validating(self, *rules: str | dict[str, Any], **spec: Any) -> str:
        """A policy of these expressions or validations, with a binding that denies.  `spec` are further fields of it,
        and `binding` those of the binding.  Returns the name of both."""
        validations = [rule if isinstance(rule, dict) else {"expression": rule} for rule in rules]
        return self._make("validating", {"validations": validations, **spec}, {"validationActions": ["Deny"]})

    def mutating(self, *changes: str, **spec: Any) -> str:
        """A policy that makes these changes: lists are JSON patches, others are applied."""
        mutations = [
            {"patchType": "JSONPatch", "jsonPatch": {"expression": change}}
            if change.startswith("[")
            else {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": change}}
            for change in changes
        ]
        return self._make("mutating", {"mutations": mutations, "reinvocationPolicy": "Never", **spec}, {})

    def _make(self, kind: str, spec: dict[str, Any], binding: dict[str, Any]) -> str:
        name = spec.pop("name", f"{self.namespace}-{len(self._made)}")
        binding |= spec.pop("binding", {})
        self.create(f"{kind}admissionpolicies", name, {"matchConstraints": self.constraints(), **spec})
        self.create(f"{kind}admissionpolicybindings", name, {"policyName": name, **binding})
        return name

    def create(self, plural: str, name: str, spec: dict[str, Any]) -> None:
        answer = self.admin.post(f"{ROOT}/{plural}", json={"metadata": {"name": name}, "spec": spec})
        assert answer.status_code == 201, answer.text
        self._made.append(f"{ROOT}/{plural}/{name}")

    def remove(self) -> None:
        for path in self._made:
            self.admin.delete(path).raise_for_status()
        self._made.clear()


@pytest.fixture
def policies(admin: httpx.Client, namespace: str) -> Iterator[Policies]:
    made = Policies(admin, namespace)
    yield made
    made.remove()


class ConfigMaps:
    """Those of one namespace, as one client sees them."""

    def __init__(self, client: httpx.Client, namespace: str) -> None:
        self.client, self.path = client, f"/api/v1/namespaces/{namespace}/configmaps"

    def create(self, name: str = "a", *, dry: bool = True, data: Any = None, **metadata: Any) -> httpx.Response:
        document = {"metadata": {"name": name, **metadata}, **({} if data is None else {"data": data})}
        return self.client.post(self.path, json=document, params={"dryRun": "All"} if dry else {})

    def patch(self, name: str, change: dict[str, Any]) -> httpx.Response:
        headers = {"Content-Type": "application/merge-patch+json"}
        return self.client.patch(f"{self.path}/{name}", json=change, headers=headers)


@pytest.fixture
def config_maps(admin: httpx.Client, namespace: str) -> ConfigMaps:
    return ConfigMaps(admin, namespace)


def refused(answer: httpx.Response, policy: str, message: str, name: str = "a") -> bool:
    """Whether a validating policy has refused a ConfigMap with these words."""
    said = f"ValidatingAdmissionPolicy '{policy}' with binding '{policy}' denied request: {message}"
    expected = f'configmaps "{name}" is forbidden: {said}'
    assert answer.status_code >= 400, answer.text
    assert answer.json()["message"] == expected
    return True
