"""Custom objects beside ConfigMaps of the same size: they must not be slower than what is built in.

The two take turns, so that the machine's own noise meets both, and each turn is compared with its neighbour.
"""

from __future__ import annotations

import itertools
import statistics
import time
from typing import Any

from benchmarks.alone import Server, server
from benchmarks.api_load import make_namespace
from benchmarks.figures import Figure

OBJECTS = 1000
TURNS = 8
SECONDS = 1
_WORST = 1.3
"""How many times as long as for a ConfigMap it may take."""
_GROUP = "bench.example.com"
_MAPS = "/api/v1/namespaces/bench/configmaps"
_CUSTOM = f"/apis/{_GROUP}/v1/namespaces/bench/settings"
_KEYS = [f"setting-{number}" for number in range(20)]


def custom_objects() -> list[Figure]:
    with server() as alone:
        make_namespace(alone, "bench")
        _define(alone)
        took: dict[str, list[float]] = {_MAPS: [], _CUSTOM: []}
        for turn, path in itertools.product(range(TURNS), took):
            took[path] += _create(alone, path, range(turn * OBJECTS // TURNS, (turn + 1) * OBJECTS // TURNS))
        ratio = statistics.median(took[_CUSTOM]) / statistics.median(took[_MAPS])
        figures = [Figure("create a custom object: time beside a ConfigMap's", "", [ratio], _WORST)]
        for name, more, connections in (("get", "/o-1", 32), (f"list {OBJECTS}", "", 8)):
            pairs = [[alone.load(path + more, connections, SECONDS).per_second for path in took] for _ in range(TURNS)]
            ratio = statistics.median(maps / custom for maps, custom in pairs)
            figures.append(Figure(f"{name} of custom objects: time beside ConfigMaps", "", [ratio], _WORST))
    return figures


def _define(alone: Server) -> None:
    values = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 100}}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"data": values}}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": _GROUP, "scope": "Namespaced", "names": {"plural": "settings", "kind": "Setting"}}
    definition = {"metadata": {"name": f"settings.{_GROUP}"}, "spec": {**spec, "versions": [version]}}
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    alone.call("POST", path, definition)
    deadline = time.monotonic() + 30
    while True:
        try:
            alone.call("GET", _CUSTOM)
            return
        except RuntimeError:
            if time.monotonic() > deadline:
                raise


def _create(alone: Server, path: str, numbers: range) -> list[float]:
    """Seconds that each took."""
    took = []
    for number in numbers:
        data = {key: f"value {number} of {key}" for key in _KEYS}
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"o-{number}"}}
        body = body | ({"data": data} if path == _MAPS else {"spec": {"data": data}})
        if path == _CUSTOM:
            body |= {"apiVersion": f"{_GROUP}/v1", "kind": "Setting"}
        began = time.perf_counter()
        alone.call("POST", path, body)
        took.append(time.perf_counter() - began)
    return took
