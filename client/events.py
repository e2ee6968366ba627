"""Tells people what a component did: Events, as `kubectl describe` shows them.

Aggregation follows client-go's event correlator, so that a crash loop does not fill the store:

- the same event again raises the count of the first one;
- more than ten events within ten minutes that differ only in their message become one;
- one object gets a burst of 25 events per component, then one every five minutes.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from api.clock import Clock
from api.core_v1 import Event, EventSource, ObjectReference
from api.errors import Conflict, NotFound, StatusError
from api.meta_v1 import ObjectMeta
from api.model import Model
from api.scheme import resource_of
from client.backoff import Backoff
from client.rest import HasMetadata, RestClient, Unreachable

log = logging.getLogger(__name__)

_REMEMBERED = 2048
_WAITING = 1000
_SIMILAR = 10
_SIMILAR_WINDOW = 600.0
_BURST = 25
_REFILL = 1 / 300
_TRIES = 12
_COMBINED = "(combined from similar events): "

T = TypeVar("T")


class _Recent(Generic[T]):
    """A dictionary that forgets what was used longest ago."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make, self._items = make, OrderedDict[Any, T]()

    def __getitem__(self, key: Any) -> T:
        if key not in self._items:
            self._items[key] = self._make()
            if len(self._items) > _REMEMBERED:
                self._items.popitem(last=False)
        self._items.move_to_end(key)
        return self._items[key]


@dataclass
class _Sent:
    """An event that was created: its name, and what a repeat continues from."""

    name: str = ""
    count: int = 0
    first: datetime | None = None


@dataclass
class _Similar:
    """Messages seen lately of events that are otherwise the same."""

    messages: set[str] = field(default_factory=set)
    last: float = 0.0


@dataclass
class _Bucket:
    tokens: float = float(_BURST)
    filled: float = 0.0


def reference(obj: Model) -> ObjectReference:
    """A pointer to an API object, as events and endpoints carry it."""
    meta, resource = cast(HasMetadata, obj).metadata, resource_of(type(obj))
    return ObjectReference(
        apiVersion=resource.api_version,
        kind=resource.kind,
        name=meta.name,
        namespace=meta.namespace,
        uid=meta.uid,
        resourceVersion=meta.resourceVersion,
    )


class EventRecorder:
    """Records events about API objects.  `event` never waits and never fails: a task of its own writes, in order,
    and when the server stays away for long the oldest unwritten events are lost."""

    def __init__(self, client: RestClient, component: str, clock: Clock, *, host: str = "") -> None:
        self._client, self._component, self._clock = client, component, clock
        self._host = host
        self._instance = host or socket.gethostname()
        self._waiting: deque[Event] = deque(maxlen=_WAITING)
        self._task: asyncio.Task[None] | None = None
        self._sent = _Recent(_Sent)
        self._similar = _Recent(_Similar)
        self._buckets = _Recent(_Bucket)
        self._last_stamp = 0

    def event(
        self,
        obj: Model | ObjectReference,
        type: str,
        reason: str,
        message: str,
        *,
        action: str = "",
        field_path: str = "",
    ) -> None:
        """`type` is Normal or Warning, `reason` one CamelCase word for programs, `message` a sentence for people,
        `action` what was tried."""
        about = obj if isinstance(obj, ObjectReference) else reference(obj)
        if field_path:
            about = about.model_copy(update={"fieldPath": field_path})
        if not self._admit(about):
            return
        now = self._clock.now()
        stamp = self._last_stamp = max(int(now.timestamp() * 1_000_000_000), self._last_stamp + 1)
        self._waiting.append(
            Event(
                metadata=ObjectMeta(name=f"{about.name}.{stamp:x}", namespace=about.namespace or "default"),
                involvedObject=about,
                reason=reason,
                action=action,
                message=message[:1024],
                type=type,
                count=1,
                firstTimestamp=now,
                lastTimestamp=now,
                source=EventSource(component=self._component, host=self._host),
                reportingComponent=self._component,
                reportingInstance=self._host,
            )
        )
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain(), name=f"events of {self._component}")

    async def flush(self) -> None:
        """Return when everything recorded so far is written (or given up)."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    async def close(self, patience: float = 1.0) -> None:
        """Write what waits, for at most `patience` seconds, and stop."""
        task = self._task
        if task is not None and not task.done():
            await asyncio.wait([task], timeout=patience)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _admit(self, about: ObjectReference) -> bool:
        bucket, now = self._buckets[about.uid or (about.kind, about.namespace, about.name)], self._clock.monotonic()
        if bucket.filled:
            bucket.tokens = min(float(_BURST), bucket.tokens + (now - bucket.filled) * _REFILL)
        bucket.filled = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    async def _drain(self) -> None:
        while self._waiting:
            event = self._waiting.popleft()
            backoff = Backoff(initial=0.1, factor=2, cap=10)
            for _ in range(_TRIES):
                try:
                    await self._write(event)
                except (Unreachable, Conflict):
                    await self._clock.sleep(backoff.next())
                except StatusError as error:
                    log.debug("event %s: %s", event.metadata.name, error)
                    break
                else:
                    break

    async def _write(self, event: Event) -> None:
        about = event.involvedObject
        group = (about.kind, about.namespace, about.name, about.uid, about.fieldPath, event.type, event.reason)
        message = self._combined(group, event.message)
        key = group if message is None else (*group, message)
        known = self._sent[key]
        if known.count:
            try:
                await self._client.patch(
                    Event,
                    known.name,
                    event.metadata.namespace,
                    {
                        "count": known.count + 1,
                        "lastTimestamp": event.to_dict()["lastTimestamp"],
                        "message": event.message if message is not None else _COMBINED + event.message,
                    },
                )
            except NotFound:  # events live for an hour
                known.count = 0
            else:
                known.count += 1
                return
        if message is None:
            event = event.model_copy(update={"message": _COMBINED + event.message})
        await self._client.create(event)
        known.name, known.count, known.first = event.metadata.name, 1, event.firstTimestamp

    def _combined(self, group: tuple[str, ...], message: str) -> str | None:
        """The message, or None once so many similar events came that they become one."""
        similar, now = self._similar[group], self._clock.monotonic()
        if now - similar.last > _SIMILAR_WINDOW:
            similar.messages.clear()
        similar.last = now
        similar.messages.add(message)
        if len(similar.messages) >= _SIMILAR:
            similar.messages.pop()
            return None
        return message
