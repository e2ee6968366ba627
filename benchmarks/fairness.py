"""A quiet client beside a noisy one: how long the quiet one's requests take alone, with the other, and with the other
but without priority and fairness.

Both are ordinary users, in the flow schema of everybody.  The noisy one keeps 200 connections busy with reads.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.alone import Server, server
from benchmarks.figures import Figure

CONNECTIONS = 200
SECONDS = 5
_NOISY, _QUIET = "noisy", "quiet"
_TOKENS = f"{_NOISY},noisy,noisy\n{_QUIET},quiet,quiet\n"
_PATH = "/api/v1/namespaces/kube-system"
_BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"


def fairness() -> list[Figure]:
    figures = []
    with server(tokens=_TOKENS) as fair:
        _allow(fair)
        figures.append(Figure("a quiet client's GET, alone, median", "ms", _times(fair)))
        with _noise(fair):
            figures.append(Figure(f"beside one with {CONNECTIONS} connections", "ms", _times(fair)))
    with server(tokens=_TOKENS, flags=("--enable-priority-and-fairness=false",)) as unfair:
        _allow(unfair)
        with _noise(unfair):
            figures.append(Figure("the same without priority and fairness", "ms", _times(unfair)))
    return figures


def _allow(alone: Server) -> None:
    subjects = [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"} for user in (_NOISY, _QUIET)]
    role = {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"}
    alone.call("POST", _BINDINGS, {"metadata": {"name": "bench"}, "subjects": subjects, "roleRef": role})


def _times(alone: Server) -> list[float]:
    """Milliseconds of each of the quiet client's requests, one after another for some seconds: their median, and the
    99th percentile as the end of the range."""
    connection = alone.connect()
    headers = {"Authorization": f"Bearer {_QUIET}", "Accept": "application/json"}
    took = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        began = time.perf_counter()
        connection.request("GET", _PATH, headers=headers)
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            raise RuntimeError(f"the quiet client was answered {response.status}")
        took.append((time.perf_counter() - began) * 1000)
    connection.close()
    took.sort()
    return [took[0], statistics.median(took), took[int(len(took) * 0.99)]]


@contextmanager
def _noise(alone: Server) -> Iterator[None]:
    """The noisy client, by wrk, for the block."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f'wrk.headers["Authorization"] = "Bearer {_NOISY}"\n')
        script.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS * 4}s", "-s", script.name, alone.url + _PATH]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            time.sleep(1)  # until its connections stand
            yield
        finally:
            process.terminate()
            process.wait()
