"""Quotas hold, however many ask at once; and what a cluster has besides from its first moment on."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.apiserver.conftest import ApiServer, Watch

MERGE = {"Content-Type": "application/merge-patch+json"}


def enforce(admin: httpx.Client, namespace: str, hard: dict[str, str]) -> str:
    """A quota as its controller leaves it; the URL."""
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    assert admin.post(path, json={"metadata": {"name": "q"}, "spec": {"hard": hard}}).status_code == 201
    status = {"status": {"hard": hard, "used": dict.fromkeys(hard, "0")}}
    assert admin.patch(f"{path}/q/status", json=status, headers=MERGE).status_code == 200
    return f"{path}/q"


def test_a_quota_holds_when_many_ask_at_once(server: ApiServer, admin: httpx.Client, namespace: str) -> None:
    quota = enforce(admin, namespace, {"count/configmaps": "5", "secrets": "1"})
    path = f"/api/v1/namespaces/{namespace}/configmaps"

    def create(number: int) -> int:
        with server.client() as client:
            return client.post(path, json={"metadata": {"name": f"c{number}"}}).status_code

    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(create, range(24)))
    assert (codes.count(201), codes.count(403)) == (5, 19)
    found = admin.get(quota).json()
    assert found["status"]["used"] == {"count/configmaps": "5", "secrets": "0"}
    assert {"kube-apiserver": "status"}.items() <= {
        each["manager"]: each.get("subresource") for each in found["metadata"]["managedFields"]
    }.items()


def test_a_dry_run_uses_nothing_but_is_refused_all_the_same(admin: httpx.Client, namespace: str) -> None:
    quota = enforce(admin, namespace, {"secrets": "1"})
    path = f"/api/v1/namespaces/{namespace}/secrets"
    assert admin.post(f"{path}?dryRun=All", json={"metadata": {"name": "a"}}).status_code == 201
    assert admin.get(quota).json()["status"]["used"] == {"secrets": "0"}
    assert admin.post(path, json={"metadata": {"name": "a"}}).status_code == 201
    answer = admin.post(f"{path}?dryRun=All", json={"metadata": {"name": "b"}})
    assert answer.json()["message"] == (
        'secrets "b" is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=1, limited: secrets=1'
    )


def test_only_growth_of_a_service_is_charged(admin: httpx.Client, namespace: str) -> None:
    quota = enforce(admin, namespace, {"services": "1", "services.nodeports": "2"})
    path = f"/api/v1/namespaces/{namespace}/services"
    ports = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
    created = admin.post(path, json={"metadata": {"name": "s"}, "spec": {"ports": ports}})
    assert created.status_code == 201
    assert admin.patch(f"{path}/s", json={"spec": {"type": "NodePort"}}, headers=MERGE).status_code == 200
    assert admin.get(quota).json()["status"]["used"] == {"services": "1", "services.nodeports": "2"}
    more = {"spec": {"ports": [*ports, {"name": "c", "port": 3}]}}
    assert admin.patch(f"{path}/s", json=more, headers=MERGE).status_code == 403


def test_system_priority_classes(admin: httpx.Client) -> None:
    path = "/apis/scheduling.k8s.io/v1/priorityclasses"
    watch = Watch(admin, path, fieldSelector="metadata.name=system-cluster-critical")
    found = watch.next()["object"]
    watch.close()
    assert found["value"] == 2_000_000_000
    assert admin.delete(f"{path}/system-cluster-critical").status_code == 403


def test_component_statuses(admin: httpx.Client) -> None:
    path = "/api/v1/componentstatuses"
    answer = admin.get(path)
    assert answer.headers["Warning"] == '299 - "v1 ComponentStatus is deprecated in v1.19+"'
    found = answer.json()
    assert found["metadata"] == {}
    assert {item["metadata"]["name"] for item in found["items"]} == {"scheduler", "controller-manager", "etcd-0"}
    store = admin.get(f"{path}/etcd-0").json()
    assert store["conditions"] == [{"type": "Healthy", "status": "True", "message": "ok"}]
    assert len(admin.get(path, params={"fieldSelector": "metadata.name=etcd-0"}).json()["items"]) == 1
    assert admin.get(f"{path}/other").status_code == 404
    assert admin.get(path, params={"watch": "1"}).status_code == 405
    assert admin.post(path, json={"metadata": {"name": "x"}}).status_code == 405


def test_kubectl_makes_and_describes_them(server: ApiServer, namespace: str, tmp_path: Path) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("needs kubectl")

    def run(*arguments: str) -> str:
        command = [kubectl, "--server", server.url, "--token", "admintoken", "--insecure-skip-tls-verify", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={"HOME": str(tmp_path), "PATH": ""}, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    name = f"p-{uuid.uuid4().hex[:8]}"
    run("create", "priorityclass", name, "--value=5", "--description=d")
    assert "PreemptLowerPriority" in run("describe", "priorityclass", name)
    run("create", "quota", "q", "--hard=pods=2,limits.cpu=1", "-n", namespace)
    assert "pods" in run("get", "quota", "q", "-n", namespace, "-o", "yaml")
    assert name in run("get", "priorityclasses")
    run("delete", "priorityclass", name)


def test_a_limit_range_needs_no_name(admin: httpx.Client, namespace: str) -> None:
    answer = admin.post(f"/api/v1/namespaces/{namespace}/limitranges", json={"spec": {"limits": []}})
    assert (answer.status_code, answer.json()["spec"]) == (201, {"limits": None})
    assert uuid.UUID(answer.json()["metadata"]["name"])
