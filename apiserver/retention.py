"""What does not stay: Events are news and go after a while (`--event-ttl`); history is compacted.

As in Kubernetes, history is kept for five minutes: a watch that lost its connection resumes, one that was away
for longer lists again.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from api.clock import Clock
from apiserver.storage.protocol import KeyMissing, RevisionMismatch, Store, StoreError
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


async def compact_history(store: Store, clock: Clock, every: float) -> None:
    """Forget, every so many seconds, what was history at the time before; for ever."""
    before = store.revision
    while True:
        await clock.sleep(every)
        now = store.revision
        try:
            await store.compact(before)
        except StoreError as error:
            log.warning("the store could not be compacted: %s", error)
        before = now
