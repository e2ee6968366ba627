"""Our controllers, scheduler and pretended node with Kubernetes' own API server."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from apiserver.pki import Authority
from benchmarks.alone import TOKEN
from benchmarks.peer import kubernetes
from tests.client.component_process import ComponentProcess
from tests.cluster.support import needs_linux, until
from tests.ecosystem.kubectl import Kubectl
from tests.interchange.test_kubernetes_programs import PROGRAMS, program
from tests.ports import free_port

pytestmark = needs_linux

# Of these kinds an old server has other versions, and of Jobs not the field by which our controller counts pods.
LEFT_OUT = ("job-controller", "cronjob-controller", "legacy-serviceaccount-token-cleaner-controller")


class OfToken(Kubectl):
    """For a server whose CA nobody knows."""

    def __init__(self, url: str, home: Path) -> None:
        self.namespace = "default"
        self._command = ["kubectl", "--server", url, "--insecure-skip-tls-verify", "--token", TOKEN]
        self._environment = {"HOME": str(home), "PATH": "/usr/bin:/bin:/usr/local/bin"}


def test_a_deployment_on_kubernetes_own_server(tmp_path: Path) -> None:
    program("kube-apiserver")
    if shutil.which("kubectl") is None or (shutil.which("etcd") is None and not (PROGRAMS / "etcd").exists()):
        pytest.skip("needs kubectl and etcd")
    with ExitStack() as stack:
        server = stack.enter_context(kubernetes(PROGRAMS))
        kubeconfig = tmp_path / "kubeconfig"
        cluster: dict[str, Any] = {"server": server.url, "insecure-skip-tls-verify": True}
        content = {
            "clusters": [{"name": "peer", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
            "contexts": [{"name": "peer", "context": {"cluster": "peer", "user": "admin"}}],
            "current-context": "peer",
        }
        kubeconfig.write_text(json.dumps(content))
        serving = Authority(tmp_path / "pki").issue("kubelet", "node-1", [], {"127.0.0.1"})
        node = ["--container-runtime", "sim", "--nodes", "node-1", "--root-dir", str(tmp_path / "node")]
        node += ["--pod-cidr", "198.18.77.0/24", "--port", str(free_port())]
        node += ["--tls-cert-file", str(serving.certificate), "--tls-private-key-file", str(serving.key)]
        for module, flags in (
            ("controller_manager", [f"--controllers=*,{','.join(f'-{name}' for name in LEFT_OUT)}"]),
            ("scheduler", []),
            ("kubelet", node),
        ):
            component = ComponentProcess(module, kubeconfig, tmp_path / f"{module}.log", *flags)
            stack.enter_context(component)
        kubectl = OfToken(server.url, tmp_path)
        until(lambda: kubectl.run("get", "serviceaccount", "default").returncode == 0, "an account for pods")
        kubectl("create", "deployment", "web", "--image", "web:1", "--replicas", "3")
        kubectl("rollout", "status", "deployment/web", "--timeout", "120s")
        kubectl("set", "image", "deployment/web", "web=web:2")
        kubectl("rollout", "status", "deployment/web", "--timeout", "120s")
        kubectl("expose", "deployment", "web", "--port", "80")
        until(lambda: addresses(kubectl) == 3, "the service has its endpoints")
        kubectl("delete", "deployment", "web", "--cascade=foreground", "--timeout", "120s")
        assert kubectl.get("replicasets,pods")["items"] == []


def addresses(kubectl: Kubectl) -> int:
    subsets = kubectl.get("endpoints", "web").get("subsets") or []
    return sum(len(subset.get("addresses") or ()) for subset in subsets)
