"""Files of configuration that may change while the server runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from api.clock import Clock

_LOOK = 2.0  # seconds between looks


Signature = tuple[int, int, int]
"""What a change of a file changes."""


async def follow(
    path: Path, clock: Clock, changed: Callable[[], Coroutine[Any, Any, Any]], *, since: Signature
) -> None:
    """Call `changed` whenever the file has changed; for ever.  `since` is its signature from before it was read."""
    seen = since
    while True:
        await clock.sleep(_LOOK)
        now = signature(path)
        if now != seen:
            seen = now
            await changed()


def signature(path: Path) -> Signature:
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_ino, found.st_size
