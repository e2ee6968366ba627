"""Waiting for file descriptors in asyncio, one await at a time."""

from __future__ import annotations

import asyncio


def _fire(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def readable(fd: int, or_done: asyncio.Future[int] | None = None) -> None:
    """Return when a read would not block, or `or_done` is done.  One waiter for a descriptor at a time."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def done(_: asyncio.Future[int]) -> None:
        _fire(ready)

    loop.add_reader(fd, _fire, ready)
    if or_done is not None:
        or_done.add_done_callback(done)
    try:
        await ready
    finally:
        loop.remove_reader(fd)
        if or_done is not None:
            or_done.remove_done_callback(done)


async def writable(fd: int) -> None:
    """Return when a write would not block.  One waiter for a descriptor at a time."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(fd, _fire, ready)
    try:
        await ready
    finally:
        loop.remove_writer(fd)
