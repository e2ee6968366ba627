"""The REST client against a server on loopback."""

import asyncio
from contextlib import aclosing

import pytest

from api.clock import ManualClock
from api.core_v1 import ConfigMap, Namespace, Pod
from api.errors import AlreadyExists, Conflict, Expired, NotFound, TooManyRequests
from api.meta_v1 import ObjectMeta, PartialObjectMetadata
from api.scheme import resource_of
from client.rest import RestClient, Unreachable, encoded, lines
from tests.client.api_double import ApiDouble
from tests.client.waiting import eventually


def config_map(name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default", labels={"app": name}), data=data)


async def test_writes_and_reads_objects(client: RestClient) -> None:
    made = await client.create(config_map("a", x="1"))
    assert made.metadata.uid
    assert made.kind == "ConfigMap"
    read = await client.get(ConfigMap, "a", "default")
    assert read == made
    changed = read.copy_deep()
    changed.data["x"] = "2"
    assert (await client.update(changed)).data == {"x": "2"}
    patched = await client.patch(ConfigMap, "a", "default", {"data": {"y": "3"}})
    assert patched.data == {"x": "2", "y": "3"}
    await client.delete(ConfigMap, "a", "default")
    with pytest.raises(NotFound, match='configmaps "a" not found'):
        await client.get(ConfigMap, "a", "default")


async def test_says_why_the_server_refused(client: RestClient) -> None:
    made = await client.create(config_map("a"))
    with pytest.raises(AlreadyExists):
        await client.create(config_map("a"))
    await client.patch(ConfigMap, "a", "default", {"data": {"x": "1"}})
    with pytest.raises(Conflict):
        await client.update(made)
    with pytest.raises(Conflict):
        await client.delete(ConfigMap, "a", "default", uid="another")


async def test_lists_with_selectors_and_all_namespaces(client: RestClient) -> None:
    for name in ("a", "b"):
        await client.create(config_map(name))
    other = config_map("c")
    other.metadata.namespace = "other"
    await client.create(other)
    assert [o.metadata.name for o in (await client.list(ConfigMap, "default")).items] == ["a", "b"]
    assert [o.metadata.name for o in (await client.list(ConfigMap, label_selector="app=b")).items] == ["b"]
    everywhere = await client.list(ConfigMap)
    assert len(everywhere.items) == 3
    assert int(everywhere.metadata.resourceVersion) > 100


async def test_objects_of_lists_are_written_back_with_their_kind(client: RestClient) -> None:
    await client.create(Namespace(metadata=ObjectMeta(name="n")))
    listed = (await client.list(Namespace)).items[0]
    assert listed.kind == ""
    document = Namespace.decode(encoded(listed, resource_of(Namespace)))
    assert (document.apiVersion, document.kind) == ("v1", "Namespace")


async def test_watches_every_change_after_a_revision(client: RestClient) -> None:
    await client.create(config_map("a"))
    start = (await client.list(ConfigMap)).metadata.resourceVersion
    await client.patch(ConfigMap, "a", "default", {"data": {"x": "1"}})
    await client.delete(ConfigMap, "a", "default")
    seen = []
    async with aclosing(client.watch(ConfigMap, resource_version=start)) as events:
        async for event in events:
            seen.append((event.type, event.object.data))
            if event.type == "DELETED":
                break
    assert seen == [("MODIFIED", {"x": "1"}), ("DELETED", {"x": "1"})]


async def test_a_watch_from_a_forgotten_revision_is_expired(server: ApiDouble, client: RestClient) -> None:
    await client.create(config_map("a"))
    server.compact()
    with pytest.raises(Expired):
        async for _ in client.watch(ConfigMap, resource_version="50"):
            pass


async def test_watches_do_not_take_connections_from_calls(client: RestClient, server: ApiDouble) -> None:
    async def follow() -> None:
        async for _ in client.watch(Pod, resource_version="100"):
            pass

    tasks = [asyncio.create_task(follow()) for _ in range(40)]
    await asyncio.gather(*(client.create(config_map(f"m{n}")) for n in range(50)))
    assert len((await client.list(ConfigMap)).items) == 50
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_server_that_is_gone_is_unreachable(server: ApiDouble, client: RestClient) -> None:
    await client.create(config_map("a"))
    await server.stop()
    with pytest.raises(Unreachable):
        await client.get(ConfigMap, "a", "default")
    await server.start()
    assert (await client.get(ConfigMap, "a", "default")).metadata.name == "a"


async def test_comes_back_when_the_server_says_so(server: ApiDouble) -> None:
    clock = ManualClock()
    server.retry_after = "7"
    server.refuse = lambda method, path: TooManyRequests("slow down") if clock.monotonic() < 7 else None
    async with RestClient(server.config, clock=clock) as client:
        call = asyncio.create_task(client.list(ConfigMap))
        await eventually(lambda: server.requests)
        while not call.done():
            await clock.advance(1)
        assert call.result().items == []
    assert len(server.requests) == 2


async def test_reads_only_metadata_of_any_kind(client: RestClient) -> None:
    await client.create(config_map("a", x="1"))
    where = resource_of(ConfigMap)
    found = await client.list(PartialObjectMetadata, "default", resource=where)
    assert found.items[0].metadata.labels == {"app": "a"}


async def test_may_be_answered_with_metadata_only(client: RestClient) -> None:
    made = await client.create_quietly(
        ConfigMap(metadata=ObjectMeta(generateName="x-", namespace="default"), data={"k": "v"})
    )
    stored = await client.get(ConfigMap, made.name, "default")
    assert (stored.metadata, stored.data) == (made, {"k": "v"})
    changed = await client.update_quietly(stored.model_copy(update={"data": {"k": "w"}}))
    stored = await client.get(ConfigMap, made.name, "default")
    assert (stored.metadata, stored.data) == (changed, {"k": "w"})
    with pytest.raises(Conflict):
        await client.update_quietly(stored.model_copy(update={"metadata": made}))


async def test_splits_lines_wherever_chunks_end() -> None:
    async def chunks():  # type: ignore[no-untyped-def]
        for chunk in (b"a\nbb", b"b", b"\n\n", b"c\nd\ne", b"\n", b"f"):
            yield chunk

    assert [line async for line in lines(chunks())] == [b"a", b"bbb", b"c", b"d", b"e", b"f"]


async def test_streams_are_read_as_httpx_responses(client: RestClient) -> None:
    await client.create(config_map("a"))
    params = {"watch": "true", "resourceVersion": "100"}
    async with client.stream("GET", "/api/v1/configmaps", params=params) as response:
        assert response.status_code == 200
        async for line in response.aiter_lines():
            assert '"ADDED"' in line
            break
    answer = await client.raw("GET", "/api/v1/configmaps/x", params={"a": "b c"})
    assert (answer.status_code, answer.json()["reason"]) == (404, "NotFound")


async def test_calls_share_connections(client: RestClient, server: ApiDouble) -> None:
    for number in range(10):
        await client.create(config_map(f"m{number}"))
    assert server.connections == 1
    await asyncio.gather(*(client.get(ConfigMap, f"m{number % 10}", "default") for number in range(100)))
    assert server.connections <= 24


async def test_a_watch_goes_on_where_its_list_came_from(client: RestClient, server: ApiDouble) -> None:
    listed = await client.list(ConfigMap)
    watch = client.watch(ConfigMap, resource_version=listed.metadata.resourceVersion)
    await client.create(config_map("a"))
    async with aclosing(watch) as events:  # type: ignore[type-var]
        async for _ in events:
            break
    assert server.connections <= 2
