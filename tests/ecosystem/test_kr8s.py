"""kr8s."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import kr8s
import pytest
from kr8s.asyncio import Api
from kr8s.asyncio.objects import ConfigMap, Deployment, Pod, Service, object_from_spec

from tests.ecosystem.objects import config_map, deployment, pod, service

# It says so of every Kubernetes that is newer than itself.
pytestmark = pytest.mark.filterwarnings("ignore:Kubernetes version .* is not supported:UserWarning")


@pytest.fixture
async def api(kubeconfig: Path) -> AsyncIterator[Api]:
    api = await kr8s.asyncio.api(kubeconfig=str(kubeconfig))
    yield api
    await api._session.aclose()  # it has no close of its own


async def test_objects(api: Api, namespace: str) -> None:
    made = await ConfigMap(config_map("a"), api=api)
    await made.create()
    assert await made.exists()
    await made.patch({"data": {"size": "big"}})
    await made.label(shape="round")
    await made.annotate({"example.com/note": "x"})
    found = await ConfigMap.get("a", api=api)
    assert found.data == {"color": "blue", "size": "big"}
    assert found.labels == {"shape": "round"}
    await found.patch([{"op": "remove", "path": "/data/size"}], type="json")
    await found.delete()
    assert not await made.exists()
    with pytest.raises(kr8s.NotFoundError):
        await ConfigMap.get("a", api=api)


async def test_lists_and_selectors(api: Api, namespace: str) -> None:
    for name in "abc":
        await (await ConfigMap(config_map(name, labels={"first": str(name == "a")}), api=api)).create()
    names = [each.name async for each in api.get("configmaps", namespace=namespace)]
    assert names == ["a", "b", "c"]
    names = [each.name async for each in api.get("cm", namespace=namespace, label_selector={"first": "False"})]
    assert names == ["b", "c"]
    selected = api.get("configmaps.v1", namespace=kr8s.ALL, field_selector=f"metadata.namespace={namespace}")
    assert [each.name async for each in selected] == ["a", "b", "c"]


async def test_watch(api: Api, namespace: str) -> None:
    made = await ConfigMap(config_map("a"), api=api)
    await made.create()
    async with asyncio.timeout(60):
        async for event, _ in api.watch("configmaps", namespace=namespace):
            if event == "DELETED":
                break
            assert event == "ADDED"
            await made.delete()
    assert event == "DELETED"


async def test_wait_for_conditions(api: Api, namespace: str) -> None:
    made = await Pod(pod("one"), api=api)
    await made.create()
    waiting = asyncio.ensure_future(made.wait("condition=Ready", timeout=60))
    conditions = [{"type": kind, "status": "True"} for kind in ("Ready", "ContainersReady")]
    await made.patch({"status": {"conditions": conditions}}, subresource="status")
    await waiting
    assert await made.ready()
    await made.delete()
    await made.wait("delete", timeout=60)


async def test_scale_and_services(api: Api, namespace: str) -> None:
    web = await Deployment(deployment("web"), api=api)
    await web.create()
    await asyncio.wait_for(web.scale(3), 60)
    assert (await Deployment.get("web", api=api)).spec.replicas == 3
    made = await Service(service("web"), api=api)
    await made.create()
    assert not await made.ready_pods()
    assert (await object_from_spec(config_map("x"), api=api)).kind == "ConfigMap"


async def test_who_and_what(api: Api) -> None:
    assert await api.whoami() == "admin"
    assert (await api.version())["minor"] == "36"
    assert {"pods", "deployments"} <= {resource["name"] for resource in await api.api_resources()}
