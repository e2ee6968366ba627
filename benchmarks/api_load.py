"""The API server alone under load, beside what Kubernetes 1.36.2 with etcd does on the same kind of machine.

Absolute figures move from machine to machine and hour to hour: the goals are what Kubernetes reached, times what
nanokube promises.  With `--peer` Kubernetes' programs carry the same load first, and the goals are of that hour.
"""

from __future__ import annotations

import json
import re
import selectors
import ssl
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.alone import TOKEN, Server, server
from benchmarks.figures import Figure
from benchmarks.peer import kubernetes

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


def api_load(peer: Path | None = None) -> list[Figure]:
    """`peer` is a folder of Kubernetes' own programs to be measured too, by turns: an hour is not like the next."""
    with ExitStack() as stack:
        servers = [stack.enter_context(server())]
        if peer is not None:
            servers.append(stack.enter_context(kubernetes(peer)))
        measured, *others = _measure(servers)
    reached = others[0] if others else {goal.name: goal.kubernetes for goal in _GOALS}
    shown = [Figure(f"peer: {goal.name}", goal.unit, [each[goal.name]]) for each in others for goal in _GOALS]
    return shown + [
        Figure(goal.name, goal.unit, [measured[goal.name]], goal.times * reached[goal.name], goal.unit == "/s")
        for goal in _GOALS
    ]


def _measure(servers: Sequence[Server]) -> list[dict[str, float]]:
    """What `_GOALS` names, of each."""
    found = [{_STARTED: each.start_seconds, _AFTER_START: each.resident_megabytes} for each in servers]

    def in_turn() -> Iterator[tuple[Server, dict[str, float]]]:
        for alone, figures in zip(servers, found, strict=True):
            with ExitStack() as others:
                for other in servers:
                    if other is not alone:
                        others.enter_context(other.halted())
                yield alone, figures

    for alone, figures in in_turn():
        for name in ("bench", "busy"):
            make_namespace(alone, name)
        figures |= _one_after_another(alone)
    for name, path, connections, request in _LOOPS:
        for alone, figures in in_turn():
            got = alone.load(path, connections, SECONDS, request)
            figures |= {name: got.per_second, f"{name}, p99": got.p99_ms}
    for alone, figures in in_turn():
        rate, p99 = fan_out(alone, "bench", WATCHERS, EVENTS)
        figures |= {_FAN_OUT: rate, f"{_FAN_OUT}, p99": p99, _AFTER_LOAD: alone.resident_megabytes}
    return found


def make_namespace(alone: Server, name: str) -> None:
    """A namespace in which pods can be created, without the controllers that make it so."""
    alone.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    alone.call("POST", f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})


def _one_after_another(alone: Server) -> dict[str, float]:
    took = []
    for index in range(PODS):
        began = time.perf_counter()
        alone.call("POST", f"{_NAMESPACE}/pods", pod(f"p-{index}", index))
        took.append((time.perf_counter() - began) * 1000)
    p99 = sorted(took)[int(PODS * 0.99) - 1]
    return {f"{_SINGLY}, median": statistics.median(took), f"{_SINGLY}, p99": p99}


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
_STARTED = "start of the API server"
_AFTER_START, _AFTER_LOAD = "resident memory after the start", "resident memory after the load"
_SINGLY = "create pods one after another"
_READ = "get a pod, 32 connections"
_LIST = f"list {PODS} pods, 8 connections"
_SELECT = f"list {SELECTED} of {PODS} pods, 8 connections"
_CHANGE = "merge patch, 16 connections"
_DECLARE = "server-side apply, 16 connections"
_MAKE = "create pods, 32 connections"
_FAN_OUT = f"events to {WATCHERS} watchers"
_LOOPS = (  # name, path, connections, request
    (_READ, f"{_NAMESPACE}/pods/p-1", 32, _GET),
    (_LIST, f"{_NAMESPACE}/pods", 8, _GET),
    (_SELECT, f"{_NAMESPACE}/pods?labelSelector=shard%3D7", 8, _GET),
    (_CHANGE, f"{_NAMESPACE}/pods", 16, _PATCH),
    (_DECLARE, f"{_NAMESPACE}/configmaps", 16, _APPLY),
    (_MAKE, "/api/v1/namespaces/busy/pods", 32, _CREATE),
)


@dataclass(frozen=True)
class _Goal:
    """What Kubernetes 1.36.2 reached, and how many times that is promised: at least of rates, at most of all else."""

    name: str
    unit: str
    kubernetes: float
    times: float


_GOALS = (
    _Goal(_STARTED, "s", 3.0, 0.7 / 3.0),
    _Goal(_AFTER_START, "MB", 287 + 39, 90 / 326),
    _Goal(f"{_SINGLY}, median", "ms", 2.6, 0.5),
    _Goal(f"{_SINGLY}, p99", "ms", 7.9, 4 / 7.9),
    _Goal(_READ, "/s", 2870, 2),
    _Goal(f"{_READ}, p99", "ms", 32, 1),
    _Goal(_LIST, "/s", 22, 10),
    _Goal(f"{_LIST}, p99", "ms", 497, 1),
    _Goal(_SELECT, "/s", 977, 3),
    _Goal(_CHANGE, "/s", 465, 2.5),
    _Goal(_DECLARE, "/s", 1138, 1.3),
    _Goal(_MAKE, "/s", 768, 1.5),
    _Goal(f"{_MAKE}, p99", "ms", 105, 1),
    _Goal(_FAN_OUT, "/s", 18_800, 3),
    _Goal(f"{_FAN_OUT}, p99", "ms", 355, 1),
    _Goal(_AFTER_LOAD, "MB", 648 + 97, 220 / 745),
)


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
