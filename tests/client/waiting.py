"""Waiting for things to come true, with a deadline instead of a sleep."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from api.errors import Forbidden, NotFound
from client.informer import Informer
from client.rest import RestClient
from client.store import key_of


async def eventually(condition: Callable[[], Any], what: str = "", seconds: float = 60.0) -> Any:
    """Return the condition's first true value.  Coroutine functions are awaited."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if loop.time() > deadline:
            raise AssertionError(f"still not true after {seconds} s: {what or inspect.getsource(condition).strip()}")
        await asyncio.sleep(0.005)


@asynccontextmanager
async def until_all_left(server: asyncio.Server) -> AsyncIterator[asyncio.Server]:
    """A server of the test's own, which ends with its last connection: else one whose end nobody has heard of yet
    would be left to the next test.  Before Python 3.12 a server does not wait for them by itself."""
    try:
        yield server
    finally:
        server.close()
        await eventually(lambda: not getattr(server, "_active_count", 0), "all connections have ended")
        await server.wait_closed()


async def is_current(informer: Informer[Any], client: RestClient) -> bool:
    """Whether the informer holds what the server held a moment ago, or may not read it."""
    try:
        listed = await client.list(
            informer.model,
            informer._namespace,
            label_selector=informer._label_selector,
            field_selector=informer._field_selector,
            resource=informer._resource,
        )
    except (Forbidden, NotFound):
        return True
    known = {key_of(obj): obj.metadata.resourceVersion for obj in informer.store.list()}
    return known == {key_of(obj): obj.metadata.resourceVersion for obj in listed.items}
