"""Keeps a local copy of a collection up to date and tells others what changed (client-go's reflector and informer)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, Generic, TypeVar, cast

from api.clock import Clock, SystemClock
from api.errors import Forbidden, MethodNotAllowed, NotFound, StatusError
from api.model import Model
from api.scheme import Resource, resource_of
from client.backoff import Backoff
from client.pod_decoding import decoder_of
from client.rest import HasMetadata, RestClient, Unreachable, WatchEvent, is_gone
from client.store import IndexFunction, Store, key_of

log = logging.getLogger(__name__)

M = TypeVar("M", bound=Model)
_LONGEST_WATCH = 600
_PAGE = 500
"""Objects of a list that are in memory at a time, besides what is kept of them."""
_USEFUL = 5.0
"""Seconds after which a watch that brought nothing still was worth its while."""
_LONGEST_REFUSED = 30.0
"""Seconds between two tries of what is refused and not likely to be granted soon, as client-go has them."""


class Informer(Generic[M]):
    """One list and one endless watch of a collection, feeding `store` and the `on_change` callbacks.

    Guarantees:

    - Nothing is lost between list and watch, nor between one watch and the next: each continues from the last
      revision seen.  When that is too old (410) the collection is listed anew and the differences are told.
    - Changes of one object are told in their order; several may be told as one after a new list.
    - A callback gets (old, new): old is None for an object not known before, new is None for one that is gone.
      The store already holds the new state.  Callbacks must not wait; an exception in one stops nothing.
    - Every object is decoded once and shared: read, don't change.
    - The server may go away at any moment and for any time: `run` keeps trying.  It need not serve the collection
      at all: it is asked for ever more seldom.
    """

    def __init__(
        self,
        client: RestClient,
        model: type[M],
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        indexers: Mapping[str, IndexFunction] | None = None,
        *,
        clock: Clock | None = None,
        resource: Resource | None = None,
        decode: Callable[[bytes], M] | None = None,
    ) -> None:
        """`decode` reads an object's JSON: to keep less of it, for example.  Without, pods share their specs
        (`client.pod_decoding`)."""
        self.store: Store[M] = Store(indexers)
        self.model = model
        self._client = client
        self._namespace = namespace
        self._label_selector, self._field_selector = label_selector, field_selector
        self._clock = clock or SystemClock()
        self._resource = resource or resource_of(model)
        self._decode = decode or decoder_of(model)
        self._callbacks: list[Callable[[M | None, M | None], None]] = []
        self._synced = asyncio.Event()
        self._settled = asyncio.Event()
        self._revision = ""
        self._backoff = Backoff()
        self._refused = Backoff(cap=_LONGEST_REFUSED)
        self._failing = False
        self._expired = False
        """Whether the last watch ended at once, since the revision it was to begin at was gone."""

    def on_change(self, callback: Callable[[M | None, M | None], None]) -> None:
        """Call `callback(old, new)` for every change from now on, and once for each object already known."""
        self._callbacks.append(callback)
        for obj in self.store.list():
            callback(None, obj)

    async def synced(self) -> None:
        """Return when the store holds the collection and all of it has been told to the callbacks."""
        await self._synced.wait()

    @property
    def has_synced(self) -> bool:
        return self._synced.is_set()

    async def settled(self) -> None:
        """Return when the store holds the collection, or the server has said that it serves no such thing."""
        await self._settled.wait()

    @property
    def has_settled(self) -> bool:
        return self._settled.is_set()

    @property
    def revision(self) -> str:
        """The resourceVersion the store is known to be current at."""
        return self._revision

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                if not self._revision:
                    await self._list()
                if not await self._watch():
                    await self._clock.sleep(self._backoff.next())  # a server that ends each watch at once is not well
            except Unreachable as error:
                self._complain(logging.INFO, error)
                await self._clock.sleep(self._backoff.next())
            except StatusError as error:
                if is_gone(error) and self._revision:
                    log.debug("watch of %s: %s; listing again", self._resource.group_resource, error)
                    self._revision = ""
                    if not self._expired:
                        self._expired = True
                        continue
                    # The watch of a list just made has expired, too: no hurry, lest it goes round and round.
                self._complain(logging.WARNING, error)
                if isinstance(error, NotFound):
                    self._settled.set()
                refused = isinstance(error, Forbidden | MethodNotAllowed | NotFound)
                await self._clock.sleep((self._refused if refused else self._backoff).next())
            except (AttributeError, LookupError, TypeError, ValueError) as error:
                # It cannot be decoded, or is no list or event at all, as of other people's servers: start from a clean
                # list.
                self._complain(logging.WARNING, error)
                self._revision = ""
                await self._clock.sleep(self._backoff.next())

    def _complain(self, level: int, error: Exception) -> None:
        """Say once what is wrong; `_opened` says when it is over."""
        log.log(logging.DEBUG if self._failing else level, "watch of %s: %s", self._resource.group_resource, error)
        self._failing = True

    def _opened(self) -> None:
        self._refused.reset()
        if self._failing:
            self._failing = False
            log.info("watching %s again", self._resource.group_resource)

    async def _list(self) -> None:
        gone = self.store.keys()
        rest = ""
        while True:
            page = await self._client.list(
                self.model,
                self._namespace,
                label_selector=self._label_selector,
                field_selector=self._field_selector,
                limit=_PAGE,
                continue_=rest,
                resource=self._resource,
                decode=self._decode,
            )
            for obj in page.items:
                gone.discard(key_of(obj))
                self._put(obj)
            rest = page.metadata.continue_
            if not rest:
                break
        for key in gone:
            self._remove(key)
        self._revision = page.metadata.resourceVersion
        self._synced.set()
        self._settled.set()

    async def _watch(self) -> bool:
        """Follow one watch to its end.  Returns whether it was of any use: brought something, or lasted."""
        seen, started = False, self._clock.monotonic()
        events = self._client.watch(
            self.model,
            self._namespace,
            resource_version=self._revision,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            timeout_seconds=random.randint(_LONGEST_WATCH // 2, _LONGEST_WATCH),
            opened=self._opened,
            resource=self._resource,
            decode=self._decode,
        )
        try:
            async with aclosing(cast(Any, events)) as stream:
                async for event in stream:
                    self._apply(event)
                    seen = True
        finally:
            seen = seen or self._clock.monotonic() - started > _USEFUL
            if seen:
                self._backoff.reset()
                self._expired = False
        return seen

    def _apply(self, event: WatchEvent[M]) -> None:
        if event.type == "DELETED":
            self._remove(key_of(event.object), event.object)
        elif event.type != "BOOKMARK":
            self._put(event.object)
        self._revision = cast(HasMetadata, event.object).metadata.resourceVersion

    def _put(self, obj: M) -> None:
        meta = cast(HasMetadata, obj).metadata
        if meta.managedFields:
            meta.managedFields = []  # large, and of no use to controllers
        known = self.store.get(key_of(obj))
        if known is not None:
            old_meta = cast(HasMetadata, known).metadata
            if old_meta.resourceVersion == meta.resourceVersion:
                return
            if old_meta.uid != meta.uid:  # deleted and made again while nobody watched
                self._remove(key_of(obj))
        self._tell(self.store.put(obj), obj)

    def _remove(self, key: str, last: M | None = None) -> None:
        old = self.store.remove(key)
        if old is not None:
            self._tell(last or old, None)

    def _tell(self, old: M | None, new: M | None) -> None:
        for callback in self._callbacks:
            try:
                callback(old, new)
            except Exception:
                log.exception("a callback for %s failed", self._resource.group_resource)
