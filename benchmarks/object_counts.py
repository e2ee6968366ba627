"""What more objects cost those who have nothing to do with them.

The same reads, over databases of a thousand, ten thousand and a hundred thousand other objects: a GET, a list of ten
by label, and the delivery of events must not become slower.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import orjson

from apiserver.storage.sqlite import SqliteStore
from benchmarks.alone import server
from benchmarks.api_load import fan_out, make_namespace
from benchmarks.figures import Figure

COUNTS = (1_000, 10_000, 100_000)
SECONDS = 3
_WORST = 0.7
"""How much of the rate with the fewest objects must be left with the most: more is the machine's own noise."""
_OPENS_IN = 3.0
_PATH = "/api/v1/namespaces/few/configmaps"


def object_counts() -> list[Figure]:
    rates: dict[str, list[float]] = {}
    figures = []
    for count in COUNTS:
        with tempfile.TemporaryDirectory(prefix="nanokube-bench-") as folder:
            asyncio.run(_fill(Path(folder), count))
            with server(Path(folder)) as alone:
                make_namespace(alone, "few")
                for index in range(20):
                    labels = {"half": str(index % 2)}
                    alone.call(
                        "POST", _PATH, {"metadata": {"name": f"c-{index}", "labels": labels}, "data": {"k": "v"}}
                    )
                everywhere = "/api/v1/configmaps?labelSelector=half%3D1"
                found = {
                    "get": alone.load(f"{_PATH}/c-1", 32, SECONDS).per_second,
                    "list 10 by label": alone.load(f"{_PATH}?labelSelector=half%3D1", 8, SECONDS).per_second,
                    "list 10 by label of all namespaces": alone.load(everywhere, 8, SECONDS).per_second,
                    "events to 20 watchers": fan_out(alone, "few", 20, 200)[0],
                }
                memory = alone.resident_megabytes
        for name, rate in found.items():
            rates.setdefault(name, []).append(rate)
            figures.append(Figure(f"{name}, beside {count} objects", "/s", [rate]))
        figures.append(Figure(f"start over {count} objects", "s", [alone.start_seconds], _OPENS_IN))
        figures.append(Figure(f"resident memory with {count} objects", "MB", [memory]))
    for name, each in rates.items():
        ratio = each[-1] / each[0]
        figures.append(Figure(f"{name}: rate beside the most / the fewest", "", [ratio], _WORST, more_is_better=True))
    return figures


async def _fill(folder: Path, count: int) -> None:
    """Put objects into the database that the server will open."""
    store = SqliteStore(folder / "state.db")
    await store.open()
    namespaces = 10
    for start in range(0, count, 1000):
        await asyncio.gather(*(_create(store, f"many-{n % namespaces}", f"o-{n}") for n in range(start, start + 1000)))
    await store.close()


async def _create(store: SqliteStore, namespace: str, name: str) -> None:
    metadata = {"name": name, "namespace": namespace, "uid": name, "labels": {"app": "other", "number": name}}
    value = orjson.dumps({"metadata": metadata, "data": {"key": "value" * 40}})
    await store.create(f"/configmaps/{namespace}/{name}", value)
