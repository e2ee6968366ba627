"""Watches that are opened when something first needs them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from api.clock import ManualClock
from api.core_v1 import Node
from api.errors import NotFound
from client.rest import ObjectList
from scheduler.server import Watches
from tests.client.waiting import eventually


class Client:
    """Answers lists as soon as it may; watches bring nothing."""

    def __init__(self) -> None:
        self.lists = 0
        self.allowed = asyncio.Event()

    async def list(self, *_: Any, **__: Any) -> ObjectList[Any]:
        self.lists += 1
        await self.allowed.wait()
        return ObjectList([])

    async def watch(self, *_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()
        yield


async def test_it_is_opened_once_and_waited_for_no_longer_than_is_good() -> None:
    client, clock = Client(), ManualClock()
    async with asyncio.TaskGroup() as group:
        watches = Watches(SimpleNamespace(client=client, clock=clock), group)  # type: ignore[arg-type]
        synced = watches.on_demand(lambda: watches.open(Node, lambda old, new: None))
        assert client.lists == 0
        first = asyncio.create_task(synced())
        await eventually(lambda: client.lists == 1)
        await clock.advance(11)
        with pytest.raises(TimeoutError, match="Node could not be listed yet"):
            await first
        client.allowed.set()
        await synced()
        await synced()
        assert client.lists == 1
        watches.close()


async def test_what_a_server_does_not_serve_is_not_waited_for() -> None:
    class Older(Client):
        async def list(self, *_: Any, **__: Any) -> ObjectList[Any]:
            raise NotFound("the server could not find the requested resource")

    clock = ManualClock()
    async with asyncio.TaskGroup() as group:
        watches = Watches(SimpleNamespace(client=Older(), clock=clock), group)  # type: ignore[arg-type]
        synced = watches.on_demand(lambda: watches.open(Node, lambda old, new: None))
        await asyncio.wait_for(synced(), 60)
        assert clock.monotonic() == 0
        assert watches.have_synced()
        watches.close()
