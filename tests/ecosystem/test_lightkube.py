"""lightkube."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from lightkube import ApiError, AsyncClient, Client, KubeConfig
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.autoscaling_v1 import ScaleSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.types import CascadeType, PatchType

from tests.ecosystem.objects import deployment, pod

PATIENCE: Any = 60.0
"""Seconds; the client waits for ten by itself."""


@pytest.fixture
def client(kubeconfig: Path, namespace: str) -> Iterator[Client]:
    config = KubeConfig.from_file(str(kubeconfig))
    client = Client(config, namespace=namespace, field_manager="lightkube", timeout=PATIENCE)
    yield client
    client.close()


@pytest.fixture
async def asynchronous(kubeconfig: Path, namespace: str) -> AsyncIterator[AsyncClient]:
    config = KubeConfig.from_file(str(kubeconfig))
    client = AsyncClient(config, namespace=namespace, field_manager="lightkube", timeout=PATIENCE)
    yield client
    await client.close()


def map_named(name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, labels={"color": "blue"}), data=data)


def test_create_get_replace_delete(client: Client) -> None:
    made = client.create(map_named("a", x="1"))
    assert made.metadata is not None
    assert made.metadata.uid
    made.data = {"x": "2"}
    assert client.replace(made).data == {"x": "2"}
    with pytest.raises(ApiError) as stale:
        client.replace(made)
    assert (stale.value.status.code, stale.value.status.reason) == (409, "Conflict")
    client.delete(ConfigMap, "a", cascade=CascadeType.BACKGROUND)
    with pytest.raises(ApiError) as missing:
        client.get(ConfigMap, "a")
    assert missing.value.status.code == 404


def test_pages_and_selectors(client: Client) -> None:
    for number in range(5):
        client.create(map_named(f"map-{number}"))
    assert [each.metadata.name for each in client.list(ConfigMap, chunk_size=2) if each.metadata] == [
        f"map-{number}" for number in range(5)
    ]
    found = client.list(ConfigMap, labels={"color": ["blue", "red"]}, fields={"metadata.name": "map-1"})
    assert [each.metadata.name for each in found if each.metadata] == ["map-1"]
    client.deletecollection(ConfigMap)
    assert not list(client.list(ConfigMap))


def test_patches_and_apply(client: Client) -> None:
    client.create(map_named("a", x="1"))
    assert client.patch(ConfigMap, "a", {"data": {"y": "2"}}).data == {"x": "1", "y": "2"}
    removal = [{"op": "remove", "path": "/data/x"}]
    assert client.patch(ConfigMap, "a", removal, patch_type=PatchType.JSON).data == {"y": "2"}
    assert client.patch(ConfigMap, "a", {"data": None}, patch_type=PatchType.MERGE).data is None
    applied = client.apply(map_named("b", z="3"))
    assert applied.metadata is not None
    assert [entry.operation for entry in applied.metadata.managedFields or []] == ["Apply"]
    other = map_named("b", z="4")
    with pytest.raises(ApiError) as conflict:
        client.apply(other, field_manager="other")
    assert conflict.value.status.code == 409
    assert client.apply(other, field_manager="other", force=True).data == {"z": "4"}


def test_subresources(client: Client) -> None:
    client.create(Deployment.from_dict(deployment("web")))
    scale = Deployment.Scale(metadata=ObjectMeta(name="web"), spec=ScaleSpec(replicas=4))
    assert client.patch(Deployment.Scale, "web", scale).spec == ScaleSpec(replicas=4)
    changed = client.patch(Deployment.Status, "web", {"status": {"replicas": 1}})
    assert changed.status is not None
    assert changed.status.replicas == 1


def test_resources_without_models(client: Client) -> None:
    generic = create_namespaced_resource("coordination.k8s.io", "v1", "Lease", "leases")
    client.create(generic(metadata=ObjectMeta(name="lock"), spec={"holderIdentity": "me"}))
    assert client.get(generic, "lock").spec == {"holderIdentity": "me"}


async def test_watch_and_wait(asynchronous: AsyncClient) -> None:
    await asynchronous.create(Pod.from_dict(pod("one")))
    waiting = asyncio.ensure_future(asynchronous.wait(Pod, "one", for_conditions=["Ready"]))
    async with asyncio.timeout(60):
        async for event, seen in asynchronous.watch(Pod):
            assert seen.metadata is not None
            if event == "DELETED":
                break
            if event == "ADDED":
                ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
                await asynchronous.patch(Pod.Status, "one", ready)
            else:
                await waiting
                await asynchronous.delete(Pod, "one", grace_period=0)
    assert event == "DELETED"


async def test_many_at_once(asynchronous: AsyncClient) -> None:
    await asyncio.gather(*(asynchronous.create(map_named(f"map-{number}")) for number in range(20)))
    assert len([each async for each in asynchronous.list(ConfigMap)]) == 20
