"""Keeps the history from growing for ever: every few minutes what is older than the period before is forgotten.

Kubernetes does the same with etcd (`--etcd-compaction-interval`, 5 minutes): a client that was away for less than
one period can always go on from where it was.
"""

from __future__ import annotations

import logging

from api.clock import Clock
from apiserver.storage.protocol import Store, StoreError

log = logging.getLogger(__name__)

INTERVAL = 300.0
"""Seconds."""


async def compact_regularly(store: Store, clock: Clock, interval: float = INTERVAL) -> None:
    """Run until cancelled.  Every `interval` seconds compacts to the revision of one interval ago."""
    marked = store.revision
    while True:
        await clock.sleep(interval)
        reached = store.revision
        try:
            await store.compact(marked)
        except StoreError as error:
            log.warning("compaction failed: %s", error)  # a full disk may have room again the next time
        marked = reached
