"""The API server alone under load, beside what Kubernetes 1.36.2 with etcd does on the same kind of machine.

Absolute figures move from machine to machine and hour to hour: the goals are what Kubernetes reached, times what
nanokube promises.
"""

from __future__ import annotations

import json
import re
import selectors
import ssl
import statistics
import threading
import time
from typing import Any

from benchmarks.alone import TOKEN, Server, server
from benchmarks.figures import Figure

PODS = 1000
SECONDS = 5
WATCHERS, EVENTS = 100, 300
SELECTED = 10
_NAMESPACE = "/api/v1/namespaces/bench"


def pod(name: str, index: int) -> dict[str, Any]:
    """A pod of ordinary size: about 1.6 kB as a client sends it."""
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10}
    resources = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}}
    main = {
        "name": "main",
        "image": "registry.example/app:1.0",
        "command": ["/app", "--port=8080"],
        "env": [{"name": f"SETTING_{number}", "value": f"value-{number}"} for number in range(8)],
        "ports": [{"containerPort": 8080}],
        "readinessProbe": probe,
        "livenessProbe": probe,
        "resources": resources,
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    sidecar = {"name": "sidecar", "image": "registry.example/sidecar:1.0", "resources": resources}
    labels = {"app": "bench", "shard": str(index % (PODS // SELECTED)), "tier": "backend"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels, "annotations": {"example.com/owner": "bench"}},
        "spec": {
            "containers": [main, sidecar],
            "volumes": [{"name": "data", "emptyDir": {}}],
            "nodeSelector": {"kubernetes.io/os": "linux"},
        },
    }


def api_load() -> list[Figure]:
    with server() as alone:
        figures = [Figure("resident memory of the API server after start", "MB", [alone.resident_megabytes], 90)]
        for name in ("bench", "busy"):
            make_namespace(alone, name)
        figures += _one_after_another(alone)
        for name, path, connections, request, rate, p99 in _LOOPS:
            got = alone.load(path, connections, SECONDS, request)
            figures.append(Figure(name, "/s", [got.per_second], rate, more_is_better=True))
            figures.append(Figure(f"{name}, p99", "ms", [got.p99_ms], p99))
        figures += _fan_out(alone)
        figures.append(Figure("resident memory after the load", "MB", [alone.resident_megabytes], 220))
    return figures


def make_namespace(alone: Server, name: str) -> None:
    """A namespace in which pods can be created, without the controllers that make it so."""
    alone.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    alone.call("POST", f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})


def _one_after_another(alone: Server) -> list[Figure]:
    took = []
    for index in range(PODS):
        began = time.perf_counter()
        alone.call("POST", f"{_NAMESPACE}/pods", pod(f"p-{index}", index))
        took.append((time.perf_counter() - began) * 1000)
    p99 = sorted(took)[int(PODS * 0.99) - 1]
    return [
        Figure("create pods one after another, median", "ms", [statistics.median(took)], 1.3),
        Figure("create pods one after another, p99", "ms", [p99], 4),
    ]


def _writing(method: str, path: str, content_type: str, body: str) -> str:
    """Lua that makes a request; `path` and `body` are Lua expressions."""
    headers = f'{{["Content-Type"]="{content_type}", ["Authorization"]="Bearer {TOKEN}"}}'
    return f'return wrk.format("{method}", {path}, {headers}, {body})'


_HEAD, _TAIL = json.dumps(pod("NAME", 7)).split("NAME")
_CREATE = _writing(
    "POST",
    "nil",
    "application/json",
    f'[==[{_HEAD}]==] .. "c" .. counter .. "-" .. math.random(1, 1e9) .. [==[{_TAIL}]==]',
)
_PATCH = _writing(
    "PATCH",
    f'"{_NAMESPACE}/pods/p-" .. math.random(0, {PODS - 1})',
    "application/merge-patch+json",
    """'{"metadata":{"labels":{"turn":"t' .. counter .. '"}}}'""",
)
_APPLY = "local n = math.random(0, 99); " + _writing(
    "PATCH",
    f'"{_NAMESPACE}/configmaps/a-" .. n .. "?fieldManager=bench&force=true"',
    "application/apply-patch+yaml",
    """'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a-' .. n .. '"},'"""
    """ .. '"data":{"k":"v' .. counter .. '"}}'""",
)
_GET = "return wrk.format()"
# name, path, connections, request, least rate (what Kubernetes reached times the promise), most p99 (Kubernetes' own)
_LOOPS = (
    ("get a pod, 32 connections", f"{_NAMESPACE}/pods/p-1", 32, _GET, 2 * 2870, 32),
    (f"list {PODS} pods, 8 connections", f"{_NAMESPACE}/pods", 8, _GET, 10 * 22, 497),
    (f"list {SELECTED} of {PODS} pods, 8 connections", f"{_NAMESPACE}/pods?labelSelector=shard%3D7", 8, _GET,
     3 * 977, None),
    ("merge patch, 16 connections", f"{_NAMESPACE}/pods", 16, _PATCH, 2.5 * 465, None),
    ("server-side apply, 16 connections", f"{_NAMESPACE}/pods", 16, _APPLY, 1.3 * 1138, None),
    ("create pods, 32 connections", "/api/v1/namespaces/busy/pods", 32, _CREATE, 1.5 * 768, 105),
)  # fmt: skip


def _fan_out(alone: Server) -> list[Figure]:
    """Events delivered to many watchers, and how long after the creator's answer."""
    rate, p99 = fan_out(alone, "bench", WATCHERS, EVENTS)
    return [
        Figure(f"events to {WATCHERS} watchers", "/s", [rate], 3 * 18_800, more_is_better=True),
        Figure(f"events to {WATCHERS} watchers, p99", "ms", [p99], 355),
    ]


def fan_out(alone: Server, namespace: str, watchers: int, events: int) -> tuple[float, float]:
    """Create ConfigMaps while others watch.  Returns deliveries in a second and the p99 of their delay in ms."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    version = alone.call("GET", f"{path}?limit=1")["metadata"]["resourceVersion"]
    selector = selectors.DefaultSelector()
    open_watches = [_Watch(alone, f"{path}?watch=1&resourceVersion={version}") for _ in range(watchers)]
    for watch in open_watches:
        selector.register(watch.socket, selectors.EVENT_READ, watch)
    born: dict[str, float] = {}

    def create() -> None:
        connection = alone.connect()
        for index in range(events):
            name = f"fan-{events}-{index}"
            alone.call("POST", path, {"metadata": {"name": name}, "data": {"k": "v" * 200}}, connection)
            born[name] = time.monotonic()
        connection.close()

    began = time.monotonic()
    creator = threading.Thread(target=create)
    creator.start()
    arrivals: list[tuple[str, float]] = []
    while len(arrivals) < watchers * events:
        ready = selector.select(timeout=30)
        if not ready:
            raise RuntimeError(f"only {len(arrivals)} of {watchers * events} events came")
        for key, _ in ready:
            now = time.monotonic()
            arrivals += [(name, now) for name in key.data.read()]
    creator.join()
    elapsed = time.monotonic() - began
    for watch in open_watches:
        watch.connection.close()
    delays = sorted(max(0.0, at - born[name]) for name, at in arrivals)
    return len(arrivals) / elapsed, delays[int(len(delays) * 0.99) - 1] * 1000


class _Watch:
    def __init__(self, alone: Server, path: str) -> None:
        self.connection = alone.connect()
        self.connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
        self.response = self.connection.getresponse()
        self.socket = self.connection.sock or self.response.fp.raw._sock  # type: ignore[attr-defined]
        self.socket.setblocking(False)
        self._rest = b""

    def read(self) -> list[str]:
        """The names of the objects in the events that have come."""
        try:
            self._rest += self.socket.recv(1 << 18)
        except (ssl.SSLWantReadError, BlockingIOError):
            return []
        *lines, self._rest = self._rest.split(b"\n")
        return [found[1].decode() for line in lines if (found := _NAME.search(line))]


_NAME = re.compile(rb'"name":"(fan-[^"]+)"')
