"""Waiting for things to come true, with a deadline instead of a sleep."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any


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
