"""The stand-in and the real API server keep the same promises: every test here runs on both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import cast

import pytest

from api.core_v1 import ConfigMap, Namespace
from api.errors import AlreadyExists, Conflict, NotFound
from api.meta_v1 import ObjectMeta, PartialObjectMetadata
from client.discovery import discover
from client.rest import RestClient
from tests.client.api_double import api_double
from tests.client.real_server import real_server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("apiserver")


@pytest.fixture(scope="module")
def real(folder: Path) -> object:
    with real_server(folder) as server:
        yield server.config


@pytest.fixture(params=["double", "real"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[RestClient]:
    if request.param == "real":
        async with RestClient(request.getfixturevalue("real")) as connected:
            yield connected
    else:
        async with api_double() as server, RestClient(server.config) as connected:
            yield connected


def config_map(name: str, **more: object) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default", **more), data={"a": "1"})  # type: ignore[arg-type]


async def test_revisions_grow_and_guard_updates(client: RestClient) -> None:
    first = await client.create(config_map("guarded"))
    second = await client.patch(ConfigMap, "guarded", "default", {"data": {"b": "2"}})
    assert int(second.metadata.resourceVersion) > int(first.metadata.resourceVersion)
    with pytest.raises(Conflict):
        await client.update(first)
    with pytest.raises(Conflict):
        await client.patch(ConfigMap, "guarded", "default", {"metadata": {"resourceVersion": "1"}})
    unchanged = await client.update(second)
    assert unchanged.metadata.resourceVersion == second.metadata.resourceVersion
    with pytest.raises(AlreadyExists):
        await client.create(config_map("guarded"))
    await client.delete(ConfigMap, "guarded", "default", uid=first.metadata.uid)
    with pytest.raises(NotFound):
        await client.delete(ConfigMap, "guarded", "default")


async def test_deletion_preconditions(client: RestClient) -> None:
    made = await client.create(config_map("kept"))
    with pytest.raises(Conflict):
        await client.delete(ConfigMap, "kept", "default", uid="other")
    with pytest.raises(Conflict):
        await client.delete(ConfigMap, "kept", "default", resource_version="1")
    await client.delete(ConfigMap, "kept", "default", resource_version=made.metadata.resourceVersion)


async def test_finalizers_hold_an_object(client: RestClient) -> None:
    await client.create(config_map("held", finalizers=["example.com/hold"]))
    await client.delete(ConfigMap, "held", "default", propagation="Foreground")
    held = await client.get(ConfigMap, "held", "default")
    assert held.metadata.deletionTimestamp is not None
    assert set(held.metadata.finalizers) == {"example.com/hold", "foregroundDeletion"}
    await client.patch(ConfigMap, "held", "default", {"metadata": {"finalizers": None}})
    with pytest.raises(NotFound):
        await client.get(ConfigMap, "held", "default")


async def test_a_watch_continues_after_a_list(client: RestClient) -> None:
    await client.create(config_map("before"))
    listed = await client.list(ConfigMap, "default")
    assert "before" in {o.metadata.name for o in listed.items}
    await client.create(config_map("after"))
    await client.delete(ConfigMap, "after", "default")
    opened = asyncio.Event()
    watch = client.watch(
        ConfigMap, "default", resource_version=listed.metadata.resourceVersion, bookmarks=False, opened=opened.set
    )
    seen = []
    async with aclosing(cast(AsyncIterator, watch)) as events:  # type: ignore[type-arg, type-var]
        async for event in events:
            seen.append((event.type, event.object.metadata.name))
            if len(seen) == 2:
                break
    assert seen == [("ADDED", "after"), ("DELETED", "after")]
    assert opened.is_set()
    await client.delete(ConfigMap, "before", "default")


async def test_discovery_names_every_collection(client: RestClient) -> None:
    found = await discover(client)
    assert not found.failures
    resource = found.kind("apps/v1", "Deployment")
    assert resource is not None
    assert (resource.plural, resource.namespaced) == ("deployments", True)
    namespaces = found.kind("v1", "Namespace")
    assert namespaces is not None
    assert not namespaces.namespaced
    listed = await client.list(PartialObjectMetadata, resource=namespaces)
    assert isinstance(listed.items, list)
    assert {"pods", "configmaps"} <= {s.resource.plural for s in found.with_verbs("list", "watch", "delete")}


async def test_namespaces_wait_for_their_finalizer(client: RestClient) -> None:
    made = await client.create(Namespace(metadata=ObjectMeta(name="leaving")))
    assert made.spec.finalizers == ["kubernetes"]
    await client.delete(Namespace, "leaving")
    leaving = await client.get(Namespace, "leaving")
    assert leaving.status.phase == "Terminating"
    leaving.spec.finalizers = []
    await client.update(leaving, subresource="finalize")
    with pytest.raises(NotFound):
        await client.get(Namespace, "leaving")
