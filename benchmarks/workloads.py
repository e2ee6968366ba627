"""Workloads of mixed sizes to fill a large cluster with, each behind a Service, and how far they have come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from api.apps_v1 import Deployment
from api.core_v1 import Namespace, Service
from api.errors import NotFound
from client.rest import RestClient

NAMESPACE = "scale"
_AT_ONCE = 16


def sizes(pods: int) -> list[int]:
    """So many pods as Deployments: a quarter in one, one in hundreds, one in twenties, the rest in fives."""
    largest, quarter = pods // 4, pods // 4
    found = [largest, *[100] * (quarter // 100), *[20] * (quarter // 20)]
    left = pods - sum(found)
    return [*found, *[5] * (left // 5), *([left % 5] if left % 5 else [])]


def deployment(number: int, replicas: int) -> Deployment:
    labels = {"app": f"app-{number}"}
    requests = {"cpu": "100m", "memory": "128Mi"}
    container = {"name": "c", "image": "registry.example/app:1", "resources": {"requests": requests}}
    return Deployment.from_dict(
        {
            "metadata": {"name": f"app-{number}", "namespace": NAMESPACE},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        }
    )


def service(number: int) -> Service:
    name = f"app-{number}"
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}
    return Service.from_dict({"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})


async def create(client: RestClient, pods: int) -> None:
    """Ask for all of it, the Services first."""
    await client.create(Namespace.from_dict({"metadata": {"name": NAMESPACE}}))
    each = [*enumerate(sizes(pods))]
    await _several(client.create(service(number)) for number, _ in each)
    await _several(client.create(deployment(number, size)) for number, size in each)


async def scale_to_zero(client: RestClient) -> None:
    names = [item["metadata"]["name"] for item in await _items(client, "/apis/apps/v1", "deployments")]
    await _several(client.patch(Deployment, name, NAMESPACE, {"spec": {"replicas": 0}}) for name in names)


async def ready(client: RestClient) -> int:
    """How many replicas the Deployments call ready."""
    found = await _items(client, "/apis/apps/v1", "deployments")
    return sum(item["status"].get("readyReplicas", 0) for item in found)


async def served(client: RestClient) -> int:
    """How many endpoints the Services' slices call ready."""
    found = await _items(client, "/apis/discovery.k8s.io/v1", "endpointslices")
    return sum(end["conditions"]["ready"] for item in found for end in item.get("endpoints") or ())


async def left(client: RestClient) -> int:
    """How many pods there still are."""
    page = await client.get_json(f"/api/v1/namespaces/{NAMESPACE}/pods?limit=1")
    return len(page["items"]) + int(page["metadata"].get("remainingItemCount") or 0)


async def until(look: Callable[[RestClient], Awaitable[int]], wanted: int, client: RestClient, patience: float) -> None:
    """Return when `look` says `wanted`, some hundredth of the time late: looking often would cost what it measures.

    Raises RuntimeError after `patience` seconds.
    """
    began = time.monotonic()
    try:
        async with asyncio.timeout(patience):
            while (seen := await look(client)) != wanted:  # noqa: ASYNC110 - the cluster tells us nothing
                await asyncio.sleep(max(0.5, (time.monotonic() - began) / 100))
    except TimeoutError as error:
        raise RuntimeError(f"{seen} instead of {wanted} {look.__name__} after {patience:g} s") from error


async def _items(client: RestClient, group: str, plural: str) -> list[dict[str, Any]]:
    found = (await client.get_json(f"{group}/namespaces/{NAMESPACE}/{plural}"))["items"]
    assert isinstance(found, list)
    return found


async def _several(work: Iterable[Awaitable[Any]]) -> None:
    """All of it, some at once."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(each: Awaitable[Any]) -> None:
        async with turns:
            try:
                await each
            except NotFound:
                return

    await asyncio.gather(*map(one, work))
