"""kubernetes_asyncio: the official client's twin over aiohttp."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import kubernetes_asyncio
import pytest
from kubernetes_asyncio.client import ApiClient, ApiException, AppsV1Api, CoreV1Api
from kubernetes_asyncio.dynamic import DynamicClient

from tests.client.waiting import eventually
from tests.ecosystem.objects import config_map, deployment


@pytest.fixture
async def api(kubeconfig: Path) -> AsyncIterator[ApiClient]:
    before = _sockets()
    async with await kubernetes_asyncio.config.new_client_from_config(config_file=str(kubeconfig)) as client:
        yield client
    # aiohttp does not wait for the end of a TLS connection that a watch gave up, and the loop ends with the test.
    await eventually(lambda: _sockets() <= before)


def _sockets() -> set[str]:
    """The open ones of this process, each with a number that none had before."""
    found = set()
    for handle in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if (target := os.readlink(handle)).startswith("socket:"):
                found.add(target)
    return found


async def test_create_read_patch_delete(api: ApiClient, namespace: str) -> None:
    core = CoreV1Api(api)
    await core.create_namespaced_config_map(namespace, config_map("a"))
    assert (await core.read_namespaced_config_map("a", namespace)).data == {"color": "blue"}
    patched = await core.patch_namespaced_config_map("a", namespace, {"data": {"color": "red"}})
    assert patched.data == {"color": "red"}
    with pytest.raises(ApiException) as twice:
        await core.create_namespaced_config_map(namespace, config_map("a"))
    assert twice.value.status == 409
    await core.delete_namespaced_config_map("a", namespace)
    with pytest.raises(ApiException) as missing:
        await core.read_namespaced_config_map("a", namespace)
    assert missing.value.status == 404


async def test_many_at_once(api: ApiClient, namespace: str) -> None:
    core = CoreV1Api(api)
    names = [f"map-{number:02}" for number in range(30)]
    await asyncio.gather(*(core.create_namespaced_config_map(namespace, config_map(name)) for name in names))
    page = await core.list_namespaced_config_map(namespace, limit=20)
    rest = await core.list_namespaced_config_map(namespace, limit=20, _continue=page.metadata._continue)
    assert [item.metadata.name for item in [*page.items, *rest.items]] == names


async def test_watch(api: ApiClient, namespace: str) -> None:
    core, seen = CoreV1Api(api), []
    await core.create_namespaced_config_map(namespace, config_map("a"))
    async with kubernetes_asyncio.watch.Watch() as watch:
        async for event in watch.stream(core.list_namespaced_config_map, namespace, timeout_seconds=60):
            seen.append((event["type"], event["object"].metadata.name))
            if event["type"] == "DELETED":
                break
            await core.delete_namespaced_config_map("a", namespace)
    assert seen == [("ADDED", "a"), ("DELETED", "a")]


async def test_scale(api: ApiClient, namespace: str) -> None:
    apps = AppsV1Api(api)
    await apps.create_namespaced_deployment(namespace, deployment("web"))
    await apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 0}})
    assert (await apps.read_namespaced_deployment("web", namespace)).spec.replicas == 0


async def test_dynamic(api: ApiClient, namespace: str) -> None:
    dynamic = await DynamicClient(api)
    maps = await dynamic.resources.get(api_version="v1", kind="ConfigMap")
    await maps.create(body=config_map("a"), namespace=namespace)
    assert (await maps.get(name="a", namespace=namespace)).data.color == "blue"
