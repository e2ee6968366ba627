"""Waiting for things to come true, with a deadline instead of a sleep."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
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
