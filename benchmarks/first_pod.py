"""How long it takes from `nanokube up` until the pod of a first Deployment is ready."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time

from api.apps_v1 import Deployment
from api.core_v1 import Pod
from api.errors import StatusError
from benchmarks.cluster import Cluster, started_by_hand
from benchmarks.figures import Figure
from client.config import load_kubeconfig
from client.rest import RestClient, Unreachable

RUNS = 5
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "first", "namespace": "default"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "first"}},
        "template": {
            "metadata": {"labels": {"app": "first"}},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [{"name": "c", "image": "host", "command": ["sleep", "3600"]}],
            },
        },
    },
}


def first_pod() -> list[Figure]:
    returned, ready = [], []
    for _ in range(RUNS):
        with started_by_hand() as cluster:
            began = time.perf_counter()
            command = [sys.executable, "-m", "client.cli", "up", "--detach"]
            command += ["--data-dir", str(cluster.folder), "--port", str(cluster.port)]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as up:
                while not (cluster.folder / "kubeconfig").exists():  # a cheap look: the cores are needed elsewhere
                    time.sleep(0.005)
                asyncio.run(_until_ready(cluster))
                ready.append(time.perf_counter() - began)
                up.wait()
                returned.append(time.perf_counter() - began)
    return [
        Figure("nanokube up to the first Deployment's pod ready", "s", ready, 1.2),
        Figure("nanokube up --detach returns", "s", returned, 1.5),
    ]


async def _until_ready(cluster: Cluster) -> None:
    """Create the Deployment as soon as the API takes it, and watch its pod."""
    async with RestClient(load_kubeconfig(cluster.folder / "kubeconfig"), user_agent="benchmark") as client:
        while True:
            with contextlib.suppress(Unreachable, StatusError):
                await client.create(Deployment.from_dict(DEPLOYMENT))
                break
            await asyncio.sleep(0.01)
        async for event in client.watch(Pod, "default", resource_version="0"):
            if is_ready(event.object):
                return


def is_ready(pod: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)
