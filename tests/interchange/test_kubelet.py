"""Kubernetes' own kubelet in the place of ours, as far as it gets without a container runtime: to its certificate."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cluster.support import needs_linux, running_cluster, until
from tests.interchange.test_kubernetes_programs import program
from tests.ports import free_port

pytestmark = [needs_linux, pytest.mark.skipif(os.geteuid() != 0, reason="a kubelet needs root")]


def test_a_kubelet_gets_its_client_certificate(tmp_path: Path) -> None:
    kubelet, own = program("kubelet"), tmp_path / "kubelet"
    own.mkdir()
    with running_cluster(tmp_path / "cluster", "--runtime", "sim") as cluster:
        command = [kubelet, "--bootstrap-kubeconfig", str(cluster.kubeconfig), "--kubeconfig", str(own / "kubeconfig")]
        command += ["--rotate-certificates", "--hostname-override", "real", "--kube-api-content-type=application/json"]
        command += ["--root-dir", str(own), "--cert-dir", str(own / "pki"), "--port", str(free_port())]
        command += ["--read-only-port=0", "--healthz-port=0", "--cgroups-per-qos=false", "--enforce-node-allocatable="]
        command += ["--fail-swap-on=false", "--container-runtime=remote"]
        command += ["--container-runtime-endpoint", f"unix://{own}/none.sock"]
        # It makes a folder below /var/lib, whatever it is told: that is one of its own.
        command = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /var/lib && exec "$@"', "sh", *command]
        with (own / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            until((own / "pki/kubelet-client-current.pem").exists, "the kubelet has its certificate")
        finally:
            process.terminate()
            process.wait(60)
        [request] = cluster.get("certificatesigningrequests")["items"]
        assert request["spec"]["signerName"] == "kubernetes.io/kube-apiserver-client-kubelet"
        assert [each["type"] for each in request["status"]["conditions"]] == ["Approved"]
