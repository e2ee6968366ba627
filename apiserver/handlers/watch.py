"""WATCH: the changes of a collection as one client sees them through its selector.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator
from typing import Literal

import orjson

from api.clock import Clock
from api.errors import BadRequest, Expired, StatusError
from apiserver.handlers.list_options import ListOptions, parse_resource_version, too_large
from apiserver.storage.entry import CacheEvent, Entry, EventType, watch_frame
from apiserver.storage.protocol import Compacted, Revision, StoreError
from apiserver.storage.subscription import Subscription
from apiserver.storage.watch_cache import WatchCache

BOOKMARK_PERIOD = 60.0
"""Seconds between bookmarks, as Kubernetes sends them."""
BOOKMARK_BEFORE_END = 2.0
SHORTEST_TIMEOUT = 1800.0
"""Seconds a watch lives at least when the client sets no timeout; at most twice that."""
INITIAL_EVENTS_END = "k8s.io/initial-events-end"
_INDEXED = ("metadata.name", "spec.nodeName")
"""Fields by which the cache finds the watchers of an event instead of asking each."""


class WatchItem:
    """One thing to tell the client.

    For ADDED, MODIFIED and DELETED `entry` is the object; for BOOKMARK only `revision` counts, and `initial_end`
    says that all initial events have been sent; for ERROR `error` is what happened, and nothing follows.
    """

    __slots__ = ("_event", "entry", "error", "initial_end", "revision", "type")

    def __init__(
        self,
        type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"],
        entry: Entry | None = None,
        revision: Revision = 0,
        *,
        event: CacheEvent | None = None,
        initial_end: bool = False,
        error: StatusError | None = None,
    ) -> None:
        self.type = type
        self.entry = entry
        self.revision = revision if entry is None else entry.revision
        self.initial_end = initial_end
        self.error = error
        self._event = event

    def frame(self, head: bytes) -> bytes:
        """The item's line of a JSON stream; `head` is `{"kind":"Pod","apiVersion":"v1",`.

        Changes are encoded once for all watchers.
        """
        if self.error is not None:
            return b'{"type":"ERROR","object":%b}\n' % self.error.status().encode()
        if self.entry is None:
            return b'{"type":"BOOKMARK","object":%b%b}\n' % (head, orjson.dumps(self.bookmark())[1:])
        type: EventType = self.type  # type: ignore[assignment]
        if self._event is not None:
            return self._event.frame(type, head)
        return watch_frame(type, head, self.entry)

    def bookmark(self) -> dict[str, object]:
        """What a bookmark's object holds besides kind and apiVersion."""
        metadata: dict[str, object] = {"resourceVersion": str(self.revision)}
        if self.initial_end:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        return {"metadata": metadata}


class Watch:
    """One client's watch; made by `open_watch`, ended by `aclose`."""

    def __init__(
        self,
        cache: WatchCache,
        prefix: str,
        subscription: Subscription,
        options: ListOptions,
        initial: deque[WatchItem],
    ) -> None:
        self._cache = cache
        self._prefix = prefix
        self._begun = cache.revision
        self._subscription = subscription
        self._options = options
        self._ready = initial
        self._timer: asyncio.Task[None] | None = None
        self._bookmark_due = False
        self._over = False
        self._quiet = options.labels.empty and options.fields.empty

    def start(self, clock: Clock, timeout: float) -> None:
        self._timer = asyncio.create_task(self._keep_time(clock, timeout))

    async def _keep_time(self, clock: Clock, timeout: float) -> None:
        left = timeout
        if self._options.bookmarks:
            while left > BOOKMARK_BEFORE_END:
                period = min(BOOKMARK_PERIOD, left - BOOKMARK_BEFORE_END)
                await clock.sleep(period)
                left -= period
                # The one before the end tells how far the resource has got since the watch began, if it has.
                if period == BOOKMARK_PERIOD or self._cache.newest(self._prefix) > self._begun:
                    self._bookmark_due = True
                    self._subscription.wake()
        await clock.sleep(left)
        self._over = True
        self._subscription.wake()

    async def next_batch(self) -> list[WatchItem]:
        """All there is to tell at this moment, waiting for the first; empty at the end."""
        if self._ready:
            items = list(self._ready)
            self._ready.clear()
            return items
        while not self._over:
            due = self._bookmark_due and not self._subscription.pending  # since before: nobody was waiting to be woken
            try:
                changes = [] if due else await self._subscription.next_batch()
            except Compacted as error:
                self._over = True
                return [WatchItem("ERROR", error=too_old(self._since, error.at))]
            except StoreError:
                self._over = True  # cut off: the client comes back from where it was
                return []
            items = [item for change in changes if (item := self._seen(change)) is not None]
            if self._bookmark_due and not self._subscription.pending:
                # Everything up to the cache's revision is in this batch or was in one before it.
                self._bookmark_due = False
                items.append(WatchItem("BOOKMARK", revision=self._cache.revision))
            if items:
                return items
            if self._subscription.closed and not changes:
                self._over = True
        return []

    async def rest(self, clock: Clock) -> None:
        """Wait between two batches, where many watch the same."""
        await self._subscription.crowd.rest(clock)

    @property
    def _since(self) -> Revision:
        return parse_resource_version(self._options.resource_version)

    def _seen(self, change: CacheEvent) -> WatchItem | None:
        """What a change is to this client: an object that begins to match appears, one that ceases to goes."""
        if self._quiet:
            return WatchItem(change.type, change.entry, event=change)
        options = self._options
        matched = change.previous is not None and options.matches(change.previous)
        if change.type == "DELETED":
            return WatchItem("DELETED", change.entry, event=change) if matched else None
        if options.matches(change.entry):
            return WatchItem("MODIFIED" if matched else "ADDED", change.entry, event=change)
        return WatchItem("DELETED", change.gone(), event=change) if matched else None

    async def __aiter__(self) -> AsyncIterator[WatchItem]:
        while batch := await self.next_batch():
            for item in batch:
                yield item

    async def aclose(self) -> None:
        """Free the watch's place.  Idempotent."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._subscription.aclose()


def open_watch(
    cache: WatchCache,
    prefix: str,
    namespace: str,
    options: ListOptions,
    clock: Clock,
    *,
    rng: random.Random | None = None,
) -> Watch:
    """Begin to watch the objects under `prefix`, of one namespace or ("") all.

    Without a resourceVersion, or with "0" or sendInitialEvents, it begins with the present objects as ADDED.
    What happens after the parameters have been understood is told in the stream, as Kubernetes does: a version that
    is too old is an ERROR item with 410 Expired.  Raises BadRequest for a version that is no number.
    """
    try:
        since = parse_resource_version(options.resource_version)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    namespace = namespace or options.fields.requires("metadata.namespace") or ""
    initial: deque[WatchItem] = deque()
    wants_state = options.send_initial_events if options.send_initial_events is not None else since == 0
    begin = since
    if wants_state or since == 0:
        begin = cache.revision
    if wants_state and since > cache.revision:
        initial.append(WatchItem("ERROR", error=too_large(since, cache.revision)))
    elif wants_state:
        for entry in cache.list(prefix, namespace, options.terms):
            if options.matches(entry):
                initial.append(WatchItem("ADDED", entry))
        if options.send_initial_events and options.bookmarks:
            initial.append(WatchItem("BOOKMARK", revision=cache.revision, initial_end=True))
    subscription = cache.watch(prefix, namespace, begin, field=_indexed(options))
    watch = Watch(cache, prefix, subscription, options, initial)
    if initial and initial[-1].type == "ERROR":
        subscription.close()
        return watch
    timeout = max(0.0, float(options.timeout or 0))
    if not options.timeout:
        timeout = SHORTEST_TIMEOUT * (1 + (rng or random.SystemRandom()).random())
    watch.start(clock, timeout)
    return watch


def _indexed(options: ListOptions) -> tuple[str, str] | None:
    for name in _INDEXED:
        value = options.fields.requires(name)
        if value is not None:
            return name, value
    return None


def too_old(asked: Revision, compacted: Revision) -> Expired:
    """The client must list again."""
    return Expired(f"too old resource version: {asked} ({compacted})")
