"""Informers: what they know, what they tell, and how they survive the server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from api.clock import ManualClock
from api.core_v1 import ConfigMap
from api.errors import Forbidden, NotFound, ServiceUnavailable, StatusError
from api.meta_v1 import ObjectMeta
from client.informer import Informer
from client.rest import RestClient
from tests.client.api_double import ApiDouble
from tests.client.waiting import eventually


def config_map(name: str, namespace: str = "default", **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace=namespace), data=data)


@asynccontextmanager
async def running(informer: Informer[ConfigMap]) -> AsyncIterator[None]:
    task = asyncio.create_task(informer.run())
    try:
        await informer.synced()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Told:
    def __init__(self, informer: Informer[ConfigMap]) -> None:
        self.changes: list[tuple[str, str]] = []
        informer.on_change(self)

    def __call__(self, old: ConfigMap | None, new: ConfigMap | None) -> None:
        kind = "added" if old is None else "removed" if new is None else "changed"
        obj = new or old
        assert obj is not None
        self.changes.append((kind, obj.metadata.name))


async def test_knows_what_is_there_and_what_comes(client: RestClient) -> None:
    await client.create(config_map("a"))
    informer = Informer(client, ConfigMap, indexers={"size": lambda obj: [str(len(obj.data))]})
    told = Told(informer)
    async with running(informer):
        assert told.changes == [("added", "a")]
        await client.create(config_map("b", "other", x="1"))
        await eventually(lambda: informer.store.get("other/b"))
        await client.patch(ConfigMap, "a", "default", {"data": {"y": "2"}})
        await eventually(lambda: len(informer.store.by_index("size", "1")) == 2)
        assert [o.metadata.name for o in informer.store.in_namespace("other")] == ["b"]
        await client.delete(ConfigMap, "a", "default")
        await eventually(lambda: informer.store.get("default/a") is None)
        assert told.changes == [("added", "a"), ("added", "b"), ("changed", "a"), ("removed", "a")]
        assert informer.store.by_index("size", "0") == []


async def test_a_late_listener_hears_what_is_already_known(client: RestClient) -> None:
    await client.create(config_map("a"))
    informer = Informer(client, ConfigMap)
    async with running(informer):
        assert Told(informer).changes == [("added", "a")]


async def test_resumes_where_it_was_after_the_server_went_away(server: ApiDouble, client: RestClient) -> None:
    informer = Informer(client, ConfigMap)
    told = Told(informer)
    async with running(informer):
        await eventually(lambda: server.watches == 1)
        await server.stop()
        await server.write(
            "ADDED",
            ("configmaps", "default", "late"),
            {"metadata": {"name": "late", "namespace": "default", "uid": "1"}},
        )
        server.requests.clear()
        await server.start()
        await eventually(lambda: informer.store.get("default/late"))
        assert told.changes == [("added", "late")]
        assert all("watch=true" in request for request in server.requests), "it need not list again"


async def test_lists_again_when_its_revision_is_forgotten(server: ApiDouble, client: RestClient) -> None:
    for name in ("stays", "goes", "changes"):
        await client.create(config_map(name))
    informer = Informer(client, ConfigMap)
    told = Told(informer)
    async with running(informer):
        told.changes.clear()
        await server.stop()
        document = server.objects["configmaps", "default", "goes"]
        await server.write("DELETED", ("configmaps", "default", "goes"), document)
        document = server.objects["configmaps", "default", "changes"]
        await server.write("MODIFIED", ("configmaps", "default", "changes"), {**document, "data": {"x": "1"}})
        server.compact()
        await server.start()
        await eventually(lambda: informer.store.get("default/goes") is None)
        assert told.changes == [("changed", "changes"), ("removed", "goes")]


async def test_an_object_made_anew_under_its_old_name_is_removed_and_added(
    server: ApiDouble, client: RestClient
) -> None:
    await client.create(config_map("a"))
    informer = Informer(client, ConfigMap)
    told = Told(informer)
    async with running(informer):
        await eventually(lambda: server.watches == 1)
        await server.stop()
        key = ("configmaps", "default", "a")
        document = server.objects[key]
        await server.write("DELETED", key, document)
        await server.write("ADDED", key, {"metadata": {**document["metadata"], "uid": "another"}})
        server.compact()
        await server.start()
        await eventually(lambda: len(told.changes) == 3)
        assert told.changes[1:] == [("removed", "a"), ("added", "a")]


async def test_starts_before_the_server_does(server: ApiDouble, client: RestClient) -> None:
    await server.stop()
    informer = Informer(client, ConfigMap)
    task = asyncio.create_task(informer.run())
    await asyncio.sleep(0)
    assert not informer.has_synced
    server.refuse = lambda method, path: ServiceUnavailable("starting") if len(server.requests) < 3 else None
    await server.start()
    await informer.synced()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_listener_that_fails_stops_nothing(client: RestClient) -> None:
    informer = Informer(client, ConfigMap)

    def broken(old: ConfigMap | None, new: ConfigMap | None) -> None:
        raise RuntimeError("broken listener")

    informer.on_change(broken)
    told = Told(informer)
    async with running(informer):
        await client.create(config_map("a"))
        await client.create(config_map("b"))
        await eventually(lambda: len(told.changes) == 2)


@pytest.mark.parametrize("error", [ValueError, KeyError, AttributeError])
async def test_nonsense_from_the_server_is_asked_for_again(client: RestClient, error: type[Exception]) -> None:
    await client.create(config_map("a"))
    nonsense = [error("no object"), error("no object")]

    def decode(data: bytes) -> ConfigMap:
        if nonsense:
            raise nonsense.pop()
        return ConfigMap.decode(data)

    informer = Informer(client, ConfigMap, decode=decode)
    async with running(informer):
        assert informer.store.get("default/a") is not None


async def test_a_server_whose_watches_expire_at_once_is_listed_in_no_hurry(
    server: ApiDouble, client: RestClient
) -> None:
    clock = ManualClock()
    informer = Informer(client, ConfigMap, clock=clock)
    server.compacted = server.revision + 1  # it forgets what it has just said
    async with running(informer):
        await eventually(lambda: clock.sleepers == 1)
        assert len(server.requests) == 4  # two lists, each with a watch
        server.compacted = 0
        await clock.advance(5)
        await eventually(lambda: server.watches == 1)


async def test_does_not_hammer_a_server_that_is_away(server: ApiDouble, client: RestClient) -> None:
    clock = ManualClock()
    informer = Informer(client, ConfigMap, clock=clock)
    async with running(informer):
        await eventually(lambda: server.watches == 1)
        await server.stop()
        calls = 0
        original = client.transport.stream

        def counted(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            return original(*arguments)

        client.transport.stream = counted  # type: ignore[method-assign]

        async def a_minute() -> bool:
            if clock.sleepers:  # but not while it has yet to hear that the server is away
                await clock.advance(0.25)
            return clock.monotonic() > 60

        await eventually(a_minute)
        assert 20 < calls < 60
        await server.start()


@pytest.mark.parametrize(("refusal", "known"), [(NotFound, True), (Forbidden, False)])
async def test_what_is_refused_is_asked_for_ever_more_seldom(
    client: RestClient, refusal: type[StatusError], known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, asked = ManualClock(), list[float]()

    async def refused(*arguments: Any, **options: Any) -> None:
        asked.append(clock.monotonic())
        raise refusal("the server could not find the requested resource")

    informer = Informer(client, ConfigMap, clock=clock)
    with monkeypatch.context() as patch:
        patch.setattr(client, "list", refused)
        task = asyncio.create_task(informer.run())
        await eventually(lambda: clock.sleepers == 1)
        for _ in range(600):
            await clock.advance(1)
    in_a_hurry = sum(moment < 1 for moment in asked)
    assert in_a_hurry > 4  # a role that comes a moment after its user
    assert len(asked) < 50
    assert (informer.has_settled, informer.has_synced) == (known, False)
    await clock.advance(40)
    await asyncio.wait_for(informer.synced(), 60)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
