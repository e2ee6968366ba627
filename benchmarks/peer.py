"""Kubernetes' own API server with etcd, to be put under the same load in the same hour.

Neither is part of the project: `--peer FOLDER` names the folder of a `kube-apiserver`, and `etcd` is there too or on
the PATH.
"""

from __future__ import annotations

import http.client
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks.alone import TOKEN, Server
from benchmarks.cluster import Cluster

_DEADLINE = 120.0
"""Seconds until it must serve."""


@contextmanager
def kubernetes(programs: Path) -> Iterator[Server]:
    """The two for the block, with what they write in a new folder.

    Raises RuntimeError where a program is missing or does not start.
    """
    etcd = shutil.which("etcd", path=str(programs)) or shutil.which("etcd")
    apiserver = shutil.which("kube-apiserver", path=str(programs))
    if etcd is None or apiserver is None:
        raise RuntimeError(f"--peer needs a kube-apiserver in {programs}, and etcd there or on the PATH")
    with tempfile.TemporaryDirectory(prefix="nanokube-bench-") as made, ExitStack() as processes:
        folder = Path(made)
        port, clients, peers = (Cluster(folder).port for _ in range(3))
        store, among = f"http://127.0.0.1:{clients}", f"http://127.0.0.1:{peers}"
        (folder / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
        key = rsa.generate_private_key(65537, 2048)
        (folder / "sa.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

        def start(*command: str) -> subprocess.Popen[bytes]:
            with (folder / "log").open("ab") as log:
                return processes.enter_context(_ended(subprocess.Popen(command, stdout=log, stderr=log)))

        began = time.perf_counter()
        running = [
            start(
                *(etcd, "--data-dir", str(folder / "etcd")),
                *("--listen-client-urls", store, "--advertise-client-urls", store),
                *("--listen-peer-urls", among, "--initial-advertise-peer-urls", among),
                *("--initial-cluster", f"default={among}"),
            ),
            start(
                *(apiserver, "--etcd-servers", store, "--bind-address", "127.0.0.1", "--secure-port", str(port)),
                *("--cert-dir", str(folder / "pki"), "--token-auth-file", str(folder / "tokens.csv")),
                *("--service-cluster-ip-range", "10.96.0.0/16", "--authorization-mode", "Node,RBAC"),
                *("--service-account-issuer", "https://kubernetes.default.svc"),
                *("--service-account-key-file", str(folder / "sa.key")),
                *("--service-account-signing-key-file", str(folder / "sa.key")),
                # Old versions take no pod whose account has no token, which a controller would make.
                *("--disable-admission-plugins", "ServiceAccount"),
            ),
        ]
        while not _ready(port):
            if time.perf_counter() - began > _DEADLINE or any(each.poll() is not None for each in running):
                raise RuntimeError(f"the peer did not start: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        yield Server(port, running[::-1], time.perf_counter() - began)


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Ends it after the block."""
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _ready(port: int) -> bool:
    insecure = ssl._create_unverified_context()  # the server is our own child
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=insecure)
    try:
        connection.request("GET", "/readyz", headers={"Authorization": f"Bearer {TOKEN}"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
