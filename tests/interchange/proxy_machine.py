"""Kubernetes' kube-proxy on a machine of its own with our API server: run inside `unshare --net`.

`python -m tests.interchange.proxy_machine PROGRAM FOLDER CONTENT_TYPE MINOR_VERSION`
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.apiserver.conftest import ApiServer
from tests.cluster.support import until
from tests.proxy.machine import HOST_IP, PORT, Machine

SERVICES, ENDPOINTS = "/api/v1/namespaces/default/services", "/api/v1/namespaces/default/endpoints"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"


@contextmanager
def api_server(folder: Path) -> Iterator[ApiServer]:
    server = ApiServer(folder)
    server.start()
    yield server
    assert server.stop() == 0


@contextmanager
def kube_proxy(program: str, folder: Path, content_type: str, minor_version: int) -> Iterator[None]:
    command = [program, "--kubeconfig", str(folder / "data/kubeconfigs/proxy.kubeconfig")]
    command += ["--kube-api-content-type", content_type, "--hostname-override", "here"]
    command += ["--proxy-mode", "iptables", "--cluster-cidr", "10.244.0.0/16"]
    # What belongs to the machine as a whole is left as it is.
    for limit in ("max-per-core", "tcp-timeout-established", "tcp-timeout-close-wait"):
        command += [f"--conntrack-{limit}", "0"]
    if minor_version < 21:  # it knows no slices of discovery.k8s.io/v1
        command += ["--feature-gates", "EndpointSliceProxying=false,EndpointSlice=false"]
    with (folder / "kube-proxy.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
        assert process.poll() is None, (folder / "kube-proxy.log").read_text()[-4000:]
    finally:
        process.terminate()
        process.wait(60)


def place(client: httpx.Client, ips: Sequence[str]) -> None:
    """Say where the service is, in both forms."""
    old = {
        "metadata": {"name": "web"},
        "subsets": [{"addresses": [{"ip": ip} for ip in ips], "ports": [{"port": PORT}]}],
    }
    new = {
        "metadata": {"name": "web", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [ip], "conditions": {"ready": True}} for ip in ips],
        "ports": [{"name": "", "port": PORT, "protocol": "TCP"}],
    }
    for url, document in ((ENDPOINTS, old), (SLICES, new)):
        if client.put(f"{url}/web", json=document).status_code == 404:
            assert client.post(url, json=document).status_code == 201


def main(program: str, folder: Path, content_type: str, minor_version: int) -> None:
    machine = Machine(pods=2)
    try:
        with api_server(folder) as server, server.client() as client:
            node = client.post("/api/v1/nodes", json={"metadata": {"name": "here"}}).json()
            node["status"]["addresses"] = [{"type": "InternalIP", "address": HOST_IP}]
            assert client.put("/api/v1/nodes/here/status", json=node).status_code == 200
            spec = {"ports": [{"port": 80, "targetPort": PORT}]}
            ip = client.post(SERVICES, json={"metadata": {"name": "web"}, "spec": spec}).json()["spec"]["clusterIP"]
            place(client, [pod.ip for pod in machine.pods])
            with kube_proxy(program, folder, content_type, minor_version):
                until(lambda: all(pod.ip in machine.rules() for pod in machine.pods), "the pods are in the rules")
                assert machine.answering(ip, 80) == {"pod2", "pod3"}
                place(client, [machine.pods[1].ip])
                until(lambda: machine.pods[0].ip not in machine.rules(), "the pod is in the rules no more")
                assert machine.answering(ip, 80) == {"pod3"}
                assert client.delete(f"{SERVICES}/web").status_code == 200
                until(lambda: f"{ip}/32" not in machine.rules(), "the service is in the rules no more")
    finally:
        machine.stop()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
