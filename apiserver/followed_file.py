"""Files of configuration that may change while the server runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from api.clock import Clock

_LOOK = 2.0  # seconds between looks


async def follow(path: Path, clock: Clock, changed: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """Call `changed` whenever the file has changed; for ever."""
    seen = _signature(path)
    while True:
        await clock.sleep(_LOOK)
        now = _signature(path)
        if now != seen:
            seen = now
            await changed()


def _signature(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_ino, found.st_size
