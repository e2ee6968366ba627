"""Events are news and not records: they go after a while (`--event-ttl`)."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from api.clock import Clock
from apiserver.storage.protocol import KeyMissing, RevisionMismatch, StoreError
from apiserver.storage.watch_cache import WatchCache

EVENTS = "/events/"
_PERIOD = 60.0
log = logging.getLogger(__name__)


async def expire_events(cache: WatchCache, clock: Clock, ttl: float) -> None:
    """Delete events that were not written for `ttl` seconds; for ever, once a minute."""
    while True:
        await clock.sleep(_PERIOD)
        try:
            await expire_once(cache, clock.now() - timedelta(seconds=ttl))
        except StoreError as error:
            log.warning("events could not be expired: %s", error)


async def expire_once(cache: WatchCache, before: datetime) -> int:
    """Delete the events last written before then.  Returns how many."""
    expired = 0
    for entry in cache.list(EVENTS):
        if _last_written(entry.document) < before:
            try:
                await cache.delete(entry.key, entry.value, entry.revision)
            except (RevisionMismatch, KeyMissing):
                continue  # written again or deleted meanwhile
            expired += 1
    return expired


def _last_written(document: dict[str, object]) -> datetime:
    metadata = document["metadata"]
    assert isinstance(metadata, dict)
    times = [metadata.get("creationTimestamp")]
    times += [manager.get("time") for manager in metadata.get("managedFields", [])]
    known = [datetime.fromisoformat(str(time).replace("Z", "+00:00")) for time in times if time]
    return max(known, default=datetime.max.replace(tzinfo=UTC))
