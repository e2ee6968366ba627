"""Doing many things at once, carefully: first one, then two, four, eight …

If the first fails, for want of quota say, hundreds of others need not fail too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

_WIDEST = 64


async def slow_start(count: int, act: Callable[[int], Awaitable[None]]) -> tuple[int, Exception | None]:
    """Call `act(0)` … `act(count - 1)` in batches that double in size; a batch runs concurrently.

    Stops after the first batch in which one raised.  Returns how many succeeded and the first exception.
    """
    done, batch = 0, 1
    while done < count:
        size = min(batch, count - done, _WIDEST)
        results = await asyncio.gather(*(act(done + number) for number in range(size)), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            first = failures[0]
            if not isinstance(first, Exception):
                raise first
            return done + size - len(failures), first
        done += size
        batch *= 2
    return done, None
