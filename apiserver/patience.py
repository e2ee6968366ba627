"""Work that is done at once while it is quick, and else in a thread, so that others are served meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import TypeVar

T = TypeVar("T")

_may_take_long = ContextVar("_may_take_long", default=False)
_THREADS = ThreadPoolExecutor(2, "patient")
"""Not those of asyncio: what takes long must not keep the rest waiting."""


class TakesLong(Exception):
    """Raised by work that began where it has to be quick."""


def may_take_long() -> bool:
    """Whether the work that asks may take its time.  If not, it raises TakesLong when it would."""
    return _may_take_long.get()


async def done(work: Callable[[], T]) -> T:
    """What a piece of work returns.  It may be done twice, so it changes nothing before it is through."""
    try:
        return work()
    except TakesLong:
        context = copy_context()
        context.run(_may_take_long.set, True)
        return await asyncio.get_running_loop().run_in_executor(_THREADS, lambda: context.run(work))
