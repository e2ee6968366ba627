"""Objects as the watches show them and as just decided.

A decision counts at once, as in the cache of pods: what was assumed of an object holds until the watch shows a later
version of it, or `restore` takes it back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from api.clock import Clock

if TYPE_CHECKING:
    from client.rest import HasMetadata

M = TypeVar("M", bound="HasMetadata")


class Assumable(Generic[M]):
    """Objects by key, with what was assumed of some of them."""

    def __init__(self) -> None:
        self._seen: dict[str, M] = {}
        self._assumed: dict[str, M] = {}
        self._newest = 0
        """The latest version that the watch has shown, of any of them."""

    def get(self, key: str) -> M | None:
        return self._assumed.get(key) or self._seen.get(key)

    def values(self) -> list[M]:
        return [self._assumed.get(key, seen) for key, seen in self._seen.items()]

    def set(self, key: str, obj: M) -> None:
        assumed = self._assumed.get(key)
        if assumed is not None and _version(obj) > _version(assumed):
            del self._assumed[key]
        self._seen[key] = obj
        self._newest = max(self._newest, _version(obj))

    def remove(self, key: str, last: M) -> None:
        """The object is gone; `last` is the last that was seen of it."""
        self._seen.pop(key, None)
        self._assumed.pop(key, None)
        self._newest = max(self._newest, _version(last))

    def assume(self, key: str, obj: M) -> None:
        """Take the object to be like this, until the watch shows a later version of it.

        The watch may be faster than the answer to a write: what it has shown later than this, that the object is gone
        among other things, stands.
        """
        seen = self._seen.get(key)
        if _version(obj) >= _version(seen) if seen is not None else _version(obj) > self._newest:
            self._assumed[key] = obj

    def restore(self, key: str) -> None:
        """Take back what was assumed; harmless when nothing was."""
        self._assumed.pop(key, None)


def _version(obj: HasMetadata) -> int:
    """Versions of one object are compared as numbers (KEP-5504)."""
    return int(obj.metadata.resourceVersion or 0)


class Known:
    """What the watches show, for which one can wait."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._waiting: set[asyncio.Event] = set()

    def changed(self) -> None:
        """Something was written down here: those who wait look again."""
        for waiter in self._waiting:
            waiter.set()

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for a condition on what is known here, which may raise; False when it took too long."""
        changed = asyncio.Event()
        self._waiting.add(changed)
        too_long = asyncio.ensure_future(self.clock.sleep(seconds))
        try:
            while not condition():
                changed.clear()
                news = asyncio.ensure_future(changed.wait())
                try:
                    await asyncio.wait([news, too_long], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    news.cancel()
                if too_long.done() and not changed.is_set():
                    return condition()
            return True
        finally:
            too_long.cancel()
            self._waiting.discard(changed)
