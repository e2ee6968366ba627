"""Kubernetes' own controller manager and scheduler in the place of ours.

They are no part of the project: `KUBERNETES_PROGRAMS` names the folder that they are in (docs/interchange.md).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.support import RunningCluster, needs_linux, running_cluster, until
from tests.ports import free_port

PROGRAMS = Path(os.environ.get("KUBERNETES_PROGRAMS", ""))
pytestmark = needs_linux


def program(name: str) -> str:
    found = shutil.which(name, path=str(PROGRAMS)) if os.environ.get("KUBERNETES_PROGRAMS") else None
    if found is None:
        pytest.skip(f"needs Kubernetes' {name} in the folder that KUBERNETES_PROGRAMS names")
    return found


def minor_version(name: str) -> int:
    said = subprocess.run([program(name), "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v1\.(\d+)\.", said)
    assert found is not None, said
    return int(found[1])


@contextmanager
def running(name: str, cluster: RunningCluster, component: str, *flags: str) -> Iterator[Path]:
    """The program with the component's identity; its log.  It must end when it is asked to."""
    kubeconfig = str(cluster.root / "kubeconfigs" / f"{component}.kubeconfig")
    command = [program(name), "--kubeconfig", kubeconfig, "--authentication-kubeconfig", kubeconfig]
    command += ["--authorization-kubeconfig", kubeconfig, "--bind-address", "127.0.0.1"]
    command += ["--secure-port", str(free_port()), "--cert-dir", str(cluster.root / f"{name}-certificates")]
    command += ["--kube-api-content-type", "application/json", "--leader-elect-resource-lock", "leases", *flags]
    if minor_version(name) < 22:
        command += ["--port", "0"]
    log = cluster.root / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield log
        assert process.poll() is None, log.read_text()[-4000:]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextmanager
def controller_manager(cluster: RunningCluster) -> Iterator[Path]:
    pki = cluster.root / "pki"
    flags = ["--use-service-account-credentials", "--root-ca-file", str(pki / "ca.crt")]
    flags += ["--service-account-private-key-file", str(pki / "sa.key")]
    flags += ["--cluster-signing-cert-file", str(pki / "ca.crt"), "--cluster-signing-key-file", str(pki / "ca.key")]
    with running("kube-controller-manager", cluster, "controller-manager", *flags) as log:
        yield log


@contextmanager
def scheduler(cluster: RunningCluster) -> Iterator[Path]:
    # It asks for policy/v1beta1, which is not served any more.
    old = ["--feature-gates", "PodDisruptionBudget=false"] if minor_version("kube-scheduler") < 21 else []
    with running("kube-scheduler", cluster, "scheduler", *old) as log:
        yield log


def test_workloads_under_kubernetes_own_controllers_and_scheduler(tmp_path: Path) -> None:
    program("kube-controller-manager"), program("kube-scheduler")
    left_out = ("--without", "controller-manager", "--without", "scheduler")
    with (
        running_cluster(tmp_path, "--runtime", "sim", "--nodes", "2", *left_out) as cluster,
        controller_manager(cluster),
        scheduler(cluster),
    ):
        until(lambda: cluster.try_kubectl("get", "serviceaccount", "default").returncode == 0, "an account for pods")
        cluster.kubectl("create", "deployment", "web", "--image", "web:1", "--replicas", "4")
        cluster.kubectl("rollout", "status", "deployment/web", "--timeout", "120s")
        nodes = {pod["spec"]["nodeName"] for pod in cluster.get("pods", "-l", "app=web")["items"]}
        assert nodes
        assert nodes <= {"node-1", "node-2"}
        cluster.kubectl("set", "image", "deployment/web", "web=web:2")
        cluster.kubectl("rollout", "status", "deployment/web", "--timeout", "120s")
        cluster.kubectl("rollout", "undo", "deployment/web")
        cluster.kubectl("rollout", "status", "deployment/web", "--timeout", "120s")
        cluster.kubectl("expose", "deployment", "web", "--port", "80")
        until(lambda: addresses(cluster) == 4, "the service has its endpoints")
        cluster.kubectl("create", "job", "once", "--image", "job:1")
        cluster.kubectl("delete", "deployment", "web", "--cascade=foreground", "--timeout", "120s")
        assert cluster.get("replicasets,pods", "-l", "app=web")["items"] == []
        cluster.kubectl("create", "namespace", "short")
        cluster.kubectl("create", "configmap", "a", "--namespace", "short")
        cluster.kubectl("delete", "namespace", "short", "--timeout", "120s")


def test_our_scheduler_under_kubernetes_controllers(tmp_path: Path) -> None:
    program("kube-controller-manager")
    with (
        running_cluster(tmp_path, "--runtime", "sim", "--without", "controller-manager") as cluster,
        controller_manager(cluster),
    ):
        until(lambda: cluster.try_kubectl("get", "serviceaccount", "default").returncode == 0, "an account for pods")
        cluster.kubectl("create", "deployment", "web", "--image", "web:1", "--replicas", "3")
        cluster.kubectl("rollout", "status", "deployment/web", "--timeout", "120s")


def test_our_controllers_with_kubernetes_scheduler(tmp_path: Path) -> None:
    program("kube-scheduler")
    with running_cluster(tmp_path, "--runtime", "sim", "--without", "scheduler") as cluster, scheduler(cluster):
        cluster.kubectl("create", "deployment", "web", "--image", "web:1", "--replicas", "3")
        cluster.kubectl("rollout", "status", "deployment/web", "--timeout", "120s")


def addresses(cluster: RunningCluster) -> int:
    subsets = cluster.get("endpoints", "web").get("subsets") or []
    return sum(len(subset.get("addresses") or ()) for subset in subsets)
