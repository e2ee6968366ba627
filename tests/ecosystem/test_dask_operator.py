"""dask-kubernetes: its definitions, which are hundreds of kilobytes, and its operator make a DaskCluster and let go of
it, in a whole cluster whose containers are pretended."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.cluster.support import RunningCluster, needs_linux, until
from tests.ports import free_port

FOUND = importlib.util.find_spec("dask_kubernetes")
pytestmark = [
    needs_linux,
    pytest.mark.skipif(FOUND is None, reason="dask-kubernetes is not installed here (pip install '.[dev]')"),
]
OPERATOR = "dask_kubernetes.operator.controller"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "/apis/kubernetes.dask.org/v1"
SECONDS = 120.0
"""In which whatever the operator and the controllers have to do is done."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    running = RunningCluster(tmp_path_factory.mktemp("dask") / "data", free_port())
    running.up("--runtime", "sim", "--nodes", "2")
    yield running
    running.down()


@pytest.fixture(scope="module")
def admin(cluster: RunningCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    trust = ssl.create_default_context(cafile=str(cluster.root / "pki" / "ca.crt"))
    [user] = [each["user"] for each in config["users"]]
    pair = tmp_path_factory.mktemp("admin") / "pair.pem"
    pair.write_bytes(b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")))
    trust.load_cert_chain(pair)
    with httpx.Client(base_url=config["clusters"][0]["cluster"]["server"], verify=trust, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def definitions(admin: httpx.Client) -> None:
    """Those of the package, served."""
    assert FOUND is not None
    assert FOUND.origin is not None
    crds = Path(FOUND.origin).parent / "operator/deployment/helm/dask-kubernetes-operator/crds"
    files = sorted(crds.glob("*.yaml"))
    assert len(files) == 4
    for file in files:
        document = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)
        answer = admin.post(DEFINITIONS, json=document)
        assert answer.status_code == 201, answer.text
        path = f"{GROUP}/{document['spec']['names']['plural']}"
        until(lambda path=path: admin.get(path).status_code == 200, f"{path}: it is served", SECONDS)


@pytest.fixture(scope="module")
def operator(cluster: RunningCluster, definitions: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package's own, which has nothing to complain of."""
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    command = [sys.executable, "-m", "kopf", "run", "-m", OPERATOR, "--namespace", "default", "--standalone"]
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        yield
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        print(log.read_text())
    assert "Traceback" not in log.read_text()


def dask_cluster(name: str, workers: int) -> dict[str, Any]:
    """As its documentation has it."""
    ports = [{"name": "tcp-comm", "containerPort": 8786, "protocol": "TCP"},
             {"name": "http-dashboard", "containerPort": 8787, "protocol": "TCP"}]  # fmt: skip
    image = {"image": "ghcr.io/dask/dask:latest", "imagePullPolicy": "IfNotPresent"}
    worker = {"name": "worker", **image, "args": ["dask-worker", "--name", "$(DASK_WORKER_NAME)"]}
    scheduler = {"name": "scheduler", **image, "args": ["dask-scheduler"], "ports": ports}
    service = {
        "type": "ClusterIP",
        "selector": {"dask.org/cluster-name": name, "dask.org/component": "scheduler"},
        "ports": [
            {"name": "tcp-comm", "protocol": "TCP", "port": 8786, "targetPort": "tcp-comm"},
            {"name": "http-dashboard", "protocol": "TCP", "port": 8787, "targetPort": "http-dashboard"},
        ],
    }
    spec = {
        "worker": {"replicas": workers, "spec": {"containers": [worker]}},
        "scheduler": {"spec": {"containers": [scheduler]}, "service": service},
    }
    return {"apiVersion": "kubernetes.dask.org/v1", "kind": "DaskCluster", "metadata": {"name": name}, "spec": spec}


class Dask:
    """The objects that belong to one DaskCluster."""

    def __init__(self, admin: httpx.Client, name: str) -> None:
        self._admin, self.name = admin, name
        self.path = f"{GROUP}/namespaces/default/daskclusters/{name}"

    def phase(self) -> str:
        return str(self._admin.get(self.path).json().get("status", {}).get("phase", ""))

    def list(self, path: str) -> list[dict[str, Any]]:
        selector = {"labelSelector": f"dask.org/cluster-name={self.name}"}
        found: list[dict[str, Any]] = self._admin.get(path, params=selector).raise_for_status().json()["items"]
        return found

    def everything(self) -> dict[str, int]:
        """How many there are of each kind."""
        paths = {
            "workergroups": f"{GROUP}/namespaces/default/daskworkergroups",
            "deployments": "/apis/apps/v1/namespaces/default/deployments",
            "replicasets": "/apis/apps/v1/namespaces/default/replicasets",
            "services": "/api/v1/namespaces/default/services",
            "pods": "/api/v1/namespaces/default/pods",
        }
        return {kind: len(self.list(path)) for kind, path in paths.items()}

    def running(self) -> int:
        """How many pods are ready."""
        pods = self.list("/api/v1/namespaces/default/pods")
        ready = [c["status"] for pod in pods for c in pod["status"].get("conditions", ()) if c["type"] == "Ready"]
        return ready.count("True")


@pytest.mark.usefixtures("operator")
def test_a_cluster_from_its_first_to_its_last_day(admin: httpx.Client) -> None:
    dask = Dask(admin, "simple")
    made = admin.post(f"{GROUP}/namespaces/default/daskclusters", json=dask_cluster("simple", 2))
    assert made.status_code == 201, made.text
    # It ends as Running or, where the operator's handler of the service overtakes the one that made the service, as
    # Pending: each writes the phase without a look at the other.
    until(lambda: dask.phase() in ("Running", "Pending"), "the operator has made what belongs to it", SECONDS)
    until(lambda: dask.running() == 3, "a scheduler and two workers run", SECONDS)
    assert dask.everything() == {"workergroups": 1, "deployments": 3, "replicasets": 3, "services": 1, "pods": 3}
    [group] = dask.list(f"{GROUP}/namespaces/default/daskworkergroups")
    assert [owner["kind"] for owner in group["metadata"]["ownerReferences"]] == ["DaskCluster"]

    headers = {"Content-Type": "application/merge-patch+json"}
    admin.patch(dask.path, json={"spec": {"worker": {"replicas": 4}}}, headers=headers).raise_for_status()
    until(lambda: dask.running() == 5, "two more workers run", SECONDS)

    admin.delete(dask.path).raise_for_status()
    until(lambda: not any(dask.everything().values()), "all that it was made of is gone", SECONDS)
    assert admin.get(dask.path).status_code == 404


@pytest.mark.usefixtures("operator")
def test_a_name_that_is_too_long(admin: httpx.Client) -> None:
    dask = Dask(admin, "x" * 60)
    admin.post(f"{GROUP}/namespaces/default/daskclusters", json=dask_cluster(dask.name, 1)).raise_for_status()
    until(lambda: dask.phase() == "Error", "the operator refuses it", SECONDS)
    assert not any(dask.everything().values())
    admin.delete(dask.path).raise_for_status()
    until(lambda: admin.get(dask.path).status_code == 404, "it is gone", SECONDS)


@pytest.mark.usefixtures("definitions")
def test_its_schema_holds(admin: httpx.Client) -> None:
    document = dask_cluster("broken", 1)
    document["spec"]["scheduler"]["service"]["ports"][0]["port"] = "tcp"
    del document["spec"]["worker"]["spec"]["containers"][0]["name"]
    answer = admin.post(f"{GROUP}/namespaces/default/daskclusters", json=document)
    assert answer.status_code == 422
    fields = {cause["field"] for cause in answer.json()["details"]["causes"]}
    assert {"spec.scheduler.service.ports[0].port", "spec.worker.spec.containers[0].name"} <= fields
