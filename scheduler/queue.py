"""The pods that wait for a node.

Three places, as in Kubernetes: *active*, to be tried now, in the order of the queue sort plugin; *backoff*,
worth another try soon; *unschedulable*, turned down, until an event may have changed that.

Guarantees:
- A pod is in at most one place, and in none while it is being tried.
- An event moves exactly the pods that a plugin which turned them down says it may help (KEP-4247); after
  five minutes a pod is tried again anyway.
- Back-off doubles from 1 s to 10 s with each failed try.  When nothing else is to be done, pods that only
  wait out their back-off are tried at once; after an internal error they are not.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from api.clock import Clock
from scheduler.cluster_event import ClusterEvent
from scheduler.framework import HintingPlugin, SupportsLess
from scheduler.pod_info import PodInfo
from scheduler.runtime import Framework

INITIAL_BACKOFF = 1.0
MAX_BACKOFF = 10.0
LEFTOVER_SECONDS = 300.0
LEFTOVER_CHECK_SECONDS = 30.0

ACTIVE, BACKOFF, ERROR, UNSCHEDULABLE, TRIED = "active", "backoff", "error", "unschedulable", "tried"


@dataclass(eq=False, slots=True)
class QueuedPod:
    """A waiting pod.  Times are in seconds of the clock's `monotonic`."""

    info: PodInfo
    since: float
    """When it last entered the active or unschedulable place: the older goes first."""
    first_try: float | None = None
    attempts: int = 0
    backoff_until: float = 0.0
    place: str = TRIED
    gated: bool = False
    turned_down_by: frozenset[str] = field(default=frozenset())
    ticket: int = 0
    """Tells the entry in a heap that is still good from outdated ones."""


class SchedulingQueue:
    def __init__(
        self,
        clock: Clock,
        framework_of: Callable[[PodInfo], Framework],
        *,
        initial_backoff: float = INITIAL_BACKOFF,
        max_backoff: float = MAX_BACKOFF,
    ) -> None:
        self._clock = clock
        self._framework_of = framework_of
        self._initial_backoff, self._max_backoff = initial_backoff, max_backoff
        self._pods: dict[str, QueuedPod] = {}
        self._active: list[tuple[SupportsLess, int, QueuedPod]] = []
        self._later: dict[str, list[tuple[float, int, QueuedPod]]] = {BACKOFF: [], ERROR: []}
        self._unschedulable: dict[str, QueuedPod] = {}
        self._leftover_check = 0.0
        self._tickets = itertools.count(1)
        self._wake = asyncio.Event()
        self._tried_since: dict[str, int] = {}
        """How many events there had been when each pod that is being tried was taken out, the earliest first."""
        self._events: deque[ClusterEvent] = deque()
        self._forgotten_events = 0
        self.entered: Callable[[str, str], None] = lambda place, event: None
        """Told of every pod that comes to a place, with the event's name."""

    def __len__(self) -> int:
        return len(self._pods)

    def counts(self) -> dict[str, int]:
        """How many pods are in each place; gated ones apart."""
        found = {ACTIVE: 0, BACKOFF: 0, UNSCHEDULABLE: 0, "gated": 0}
        for queued in self._pods.values():
            place = "gated" if queued.gated else BACKOFF if queued.place == ERROR else queued.place
            found[place] = found.get(place, 0) + 1
        return found

    def turned_down(self) -> Counter[tuple[str, str]]:
        """How many waiting pods each plugin objected to, by plugin and schedulerName."""
        return Counter(
            (plugin, self._framework_of(queued.info).scheduler_name)
            for queued in self._unschedulable.values()
            for plugin in queued.turned_down_by
        )

    def get(self, uid: str) -> QueuedPod | None:
        return self._pods.get(uid)

    # --- what the watch brings ------------------------------------------------------------------------

    def add(self, info: PodInfo) -> None:
        """A pod without a node appeared."""
        queued = self._pods.get(info.uid)
        if queued is not None:
            queued.info = info
            return
        queued = self._pods[info.uid] = QueuedPod(info, self._clock.monotonic())
        self._enter(queued, "PodAdd")

    def update(self, info: PodInfo, *, retry: bool) -> None:
        """A waiting pod changed.  `retry`: in a way that may make it schedulable."""
        queued = self._pods.get(info.uid)
        if queued is None:
            self.add(info)
            return
        queued.info = info
        if retry and queued.place == UNSCHEDULABLE:
            del self._unschedulable[info.uid]
            if queued.gated:
                self._enter(queued, "PodUpdate")
            else:
                self._back_off_or_activate(queued, "PodUpdate")

    def delete(self, uid: str) -> None:
        """The pod is gone, or has a node."""
        queued = self._pods.pop(uid, None)
        if queued is not None:
            self._unschedulable.pop(uid, None)
            queued.place, queued.ticket = TRIED, 0
        self._missed(uid)

    def move(self, event: ClusterEvent) -> None:
        """Something happened: wake the pods it may help, those being tried as soon as they are turned down."""
        if self._tried_since:
            self._events.append(event)
        if not self._unschedulable:
            return
        for uid, queued in list(self._unschedulable.items()):
            if self._helps(event, queued):
                del self._unschedulable[uid]
                if queued.gated:
                    self._enter(queued, event.name)
                else:
                    self._back_off_or_activate(queued, event.name)

    def _helps(self, event: ClusterEvent, queued: QueuedPod) -> bool:
        plugins = self._framework_of(queued.info).by_name
        if not queued.turned_down_by:
            return True
        for name in queued.turned_down_by:
            plugin = plugins.get(name)
            if not isinstance(plugin, HintingPlugin) or plugin.helps(event, queued.info):
                return True
        return False

    # --- what the scheduler does ----------------------------------------------------------------------

    async def pop(self) -> QueuedPod:
        """The next pod to try; waits for one."""
        while True:
            queued = self.pop_now()
            if queued is not None:
                return queued
            self._wake.clear()
            await self._rest()

    def pop_now(self) -> QueuedPod | None:
        """The next pod to try, if there is one."""
        self._flush()
        queued = self._take(self._active) or self._take(self._later[BACKOFF])
        if queued is None:
            return None
        queued.place, queued.ticket = TRIED, 0
        queued.attempts += 1
        self._tried_since[queued.info.uid] = self._forgotten_events + len(self._events)
        if queued.first_try is None:
            queued.first_try = self._clock.monotonic()
        return queued

    def turn_down(self, queued: QueuedPod, plugins: Iterable[str]) -> None:
        """No node would take the pod; `plugins` are those that objected."""
        if self._pods.get(queued.info.uid) is not queued:
            return
        missed = self._missed(queued.info.uid)
        queued.turned_down_by = frozenset(plugins)
        queued.since = self._clock.monotonic()
        queued.backoff_until = queued.since + self._backoff(queued)
        helpful = next((event for event in missed if self._helps(event, queued)), None)
        if helpful is not None:
            self._back_off_or_activate(queued, helpful.name)
            return
        queued.place = UNSCHEDULABLE
        self._unschedulable[queued.info.uid] = queued
        self.entered(UNSCHEDULABLE, "ScheduleAttemptFailure")
        self._wake.set()  # the time to rest may be shorter now

    def put_back(self, queued: QueuedPod) -> None:
        """The pod may not be tried yet, as was found out only now."""
        if self._pods.get(queued.info.uid) is queued:
            self._missed(queued.info.uid)
            queued.attempts -= 1
            self._enter(queued, "PodAdd")

    def failed(self, queued: QueuedPod) -> None:
        """The try ended in an error: again, after the back-off."""
        if self._pods.get(queued.info.uid) is not queued:
            return
        self._missed(queued.info.uid)
        queued.backoff_until = self._clock.monotonic() + self._backoff(queued)
        self._push_later(queued, ERROR, "ScheduleAttemptFailure")

    def _missed(self, uid: str) -> list[ClusterEvent]:
        """The pod is no longer being tried: what happened meanwhile.  Events that concern no other try are dropped."""
        since = self._tried_since.pop(uid, None)
        if since is None:
            return []
        missed = list(itertools.islice(self._events, since - self._forgotten_events, None))
        end = self._forgotten_events + len(self._events)
        oldest = next(iter(self._tried_since.values()), end)
        for _ in range(oldest - self._forgotten_events):
            self._events.popleft()
        self._forgotten_events = oldest
        return missed

    def _backoff(self, queued: QueuedPod) -> float:
        doubled: float = self._initial_backoff * 2 ** min(max(queued.attempts, 1) - 1, 30)
        return min(doubled, self._max_backoff)

    # --- places ---------------------------------------------------------------------------------------

    def _enter(self, queued: QueuedPod, event: str) -> None:
        """Into the active place, unless a plugin holds the pod back."""
        status = self._framework_of(queued.info).gate(queued.info)
        queued.gated = status is not None
        if status is not None:
            queued.turned_down_by = frozenset((status.plugin,))
            queued.place = UNSCHEDULABLE
            self._unschedulable[queued.info.uid] = queued
            self.entered("gated", event)
            return
        queued.since = self._clock.monotonic()
        self._activate(queued, event)

    def _activate(self, queued: QueuedPod, event: str) -> None:
        self.entered(ACTIVE, event)
        queued.place, queued.ticket = ACTIVE, next(self._tickets)
        key = self._framework_of(queued.info).queue_key(queued.info, queued.since)
        heapq.heappush(self._active, (key, queued.ticket, queued))
        self._wake.set()

    def _back_off_or_activate(self, queued: QueuedPod, event: str) -> None:
        if queued.backoff_until <= self._clock.monotonic():
            self._activate(queued, event)
        else:
            self._push_later(queued, BACKOFF, event)

    def _push_later(self, queued: QueuedPod, place: str, event: str) -> None:
        self.entered(BACKOFF, event)
        queued.place, queued.ticket = place, next(self._tickets)
        heapq.heappush(self._later[place], (queued.backoff_until, queued.ticket, queued))
        self._wake.set()

    @staticmethod
    def _take(heap: list) -> QueuedPod | None:  # type: ignore[type-arg]
        while heap:
            entry = heapq.heappop(heap)
            queued: QueuedPod = entry[-1]
            if queued.ticket == entry[-2]:
                return queued
        return None

    def _flush(self) -> None:
        now = self._clock.monotonic()
        for heap in self._later.values():
            while heap and heap[0][0] <= now:
                _, ticket, queued = heapq.heappop(heap)
                if queued.ticket == ticket:
                    self._activate(queued, "BackoffComplete")
        if self._unschedulable and now >= self._leftover_check:
            self._leftover_check = now + LEFTOVER_CHECK_SECONDS
            self._flush_leftovers(now)

    def _flush_leftovers(self, now: float) -> None:
        for uid, queued in list(self._unschedulable.items()):
            if not queued.gated and now - queued.since >= LEFTOVER_SECONDS:
                del self._unschedulable[uid]
                self._back_off_or_activate(queued, "UnschedulableTimeout")

    def _next_deadline(self) -> float | None:
        times = [heap[0][0] for heap in self._later.values() if heap]
        oldest = min((q.since for q in self._unschedulable.values() if not q.gated), default=None)
        if oldest is not None:
            times.append(max(oldest + LEFTOVER_SECONDS, self._leftover_check))
        return min(times, default=None)

    async def _rest(self) -> None:
        """Wait until something enters, or the next back-off is over."""
        deadline = self._next_deadline()
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._wake.wait())]
        if deadline is not None:
            waits.append(asyncio.ensure_future(self._clock.sleep(max(deadline - self._clock.monotonic(), 0.001))))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
