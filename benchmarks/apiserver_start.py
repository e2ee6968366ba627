"""How long the API server alone takes from its start to serving."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.cluster import Cluster
from benchmarks.figures import Figure

RUNS = 5


def apiserver_start() -> list[Figure]:
    fresh, used = [], []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory(prefix="nanokube-bench-") as folder:
            fresh.append(_start(Cluster(Path(folder))))
            used.append(_start(Cluster(Path(folder))))
    return [
        Figure("apiserver start to ready, new folder", "s", fresh, 0.7),
        Figure("apiserver start to ready, used folder", "s", used, 0.7),
    ]


def _start(cluster: Cluster) -> float:
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "apiserver", "--data-dir", str(cluster.folder), "--secure-port", str(cluster.port)]
    began = time.perf_counter()
    with subprocess.Popen(
        [*command, "--ready-fd", str(writing)], pass_fds=[writing], stderr=subprocess.DEVNULL
    ) as server:
        os.close(writing)
        ready = os.read(reading, 1)
        took = time.perf_counter() - began
        os.close(reading)
        server.terminate()
    if not ready:
        raise RuntimeError("the API server did not start")
    return took
