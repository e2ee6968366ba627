"""The base of every controller: watch, queue keys, reconcile each until the world is as it should be.

A controller says what it watches in `setup`, and does one key's work in `reconcile`:

    class ReplicaSetController(Controller):
        name = "replicaset"

        def setup(self, watch: Watches) -> None:
            self.replica_sets = watch(ReplicaSet)                 # its events enqueue its own key
            self.pods = watch(Pod, enqueue=owner(ReplicaSet))     # a pod's events enqueue its owner's

        async def reconcile(self, key: Key) -> None: ...
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from api.clock import Clock
from api.errors import Conflict, StatusError
from api.meta_v1 import ObjectMeta, OwnerReference, PartialObjectMetadata
from api.model import Model
from api.scheme import GroupVersion, Resource, resource_of
from client.events import EventRecorder
from client.informer import Informer
from client.metrics import Metric
from client.rest import RestClient, Unreachable
from client.store import IndexFunction, Store, key_of
from client.work_queue import QueueClosed, WorkQueue

log = logging.getLogger(__name__)

M = TypeVar("M", bound=Model)
Key = str
_REST, _LONGEST_REST = 10.0, 3.0
_GATHERING, _LONGEST_GATHERING = 10.0, 0.25
"""Times as long as a reconcile took, and seconds at most."""
_QUICK = 0.002
"""Seconds of a reconcile that needs no rest."""
Enqueue = Callable[[Any, Any], Iterable[Key]]
"""From a change (old object or None, new object or None) to the keys to reconcile."""


class NotYet(Exception):
    """Raised by `reconcile`: nothing is wrong, but look again, after longer and longer waits."""


class SharedInformers:
    """At most one informer, so one watch and one copy in memory, for each collection a process is interested in."""

    def __init__(self, client: RestClient, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._informers: dict[tuple[Any, ...], Informer[Any]] = {}
        self._tasks: dict[tuple[Any, ...], asyncio.Task[None]] = {}

    def of(
        self,
        model: type[M],
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        resource: Resource | None = None,
    ) -> Informer[M]:
        """The informer of a collection; it runs once `start` was called after."""
        where = resource or resource_of(model)
        identity = (model, where.root, where.plural, namespace, label_selector, field_selector)
        if identity not in self._informers:
            self._informers[identity] = Informer(
                self._client, model, namespace, label_selector, field_selector, clock=self._clock, resource=where
            )
        return self._informers[identity]

    @property
    def opened(self) -> list[Informer[Any]]:
        return [*self._informers.values()]

    def whole(self, resource: Resource) -> Informer[Any] | None:
        """An informer that is open already and holds all objects of the resource with all their fields."""
        for (model, root, plural, *selection), informer in self._informers.items():
            same = (root, plural) == (resource.root, resource.plural)
            if same and not any(selection) and model is not PartialObjectMetadata:
                return informer
        return None

    def start(self) -> None:
        """Run every informer that does not run yet."""
        for identity, informer in self._informers.items():
            if identity not in self._tasks:
                self._tasks[identity] = asyncio.create_task(informer.run(), name=f"informer {identity[2]}")

    def drop(self, informer: Informer[Any]) -> None:
        """Give up an informer whose collection is not served any more."""
        for identity in [identity for identity, known in self._informers.items() if known is informer]:
            del self._informers[identity]
            if (task := self._tasks.pop(identity, None)) is not None:
                task.cancel()

    async def synced(self) -> None:
        """Return when every informer holds its collection, of those that the server has."""
        for informer in self.opened:
            await informer.settled()

    @property
    def have_synced(self) -> bool:
        return all(informer.has_settled for informer in self._informers.values())

    async def stop(self) -> None:
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()


def own_key(old: Any, new: Any) -> Iterable[Key]:
    """Enqueue the key of the object that changed."""
    return (key_of(new if new is not None else old),)


def nothing(old: Any, new: Any) -> Iterable[Key]:
    """Enqueue no key: the collection is only read."""
    return ()


def owner(model: type[Model]) -> Enqueue:
    """Enqueue the key of the object's controller if that is of this kind (both, when it changed)."""
    resource = resource_of(model)

    def enqueue(old: Any, new: Any) -> Iterable[Key]:
        keys = []
        for obj in (old, new):
            reference = obj and controller_of(obj.metadata)
            if reference and reference.kind == resource.kind and same_group(reference, resource):
                namespace = obj.metadata.namespace if resource.namespaced else ""
                key = f"{namespace}/{reference.name}" if namespace else reference.name
                if key not in keys:
                    keys.append(key)
        return keys

    return enqueue


def same_group(reference: OwnerReference, resource: Resource) -> bool:
    """Versions of a kind may differ, its group may not."""
    return GroupVersion.parse(reference.apiVersion).group == resource.group


def controller_of(meta: ObjectMeta) -> OwnerReference | None:
    """The one owner reference that says who manages the object."""
    return next((reference for reference in meta.ownerReferences if reference.controller), None)


class Pace:
    """How long changes are gathered before their key is reconciled.

    A service of thousands of pods takes long to look at, and each of its pods changes: were it looked at as often as
    a small one, the time would grow with the square of its size.  So after a reconcile a key rests for many times as
    long as that took, at most three seconds.  A change that comes later finds it rested, but seldom comes alone: others
    are waited for, ten times as long as a reconcile takes, at most a quarter of a second.
    """

    def __init__(self) -> None:
        self._last: dict[Key, tuple[float, float]] = {}
        self._worked_on: set[Key] = set()

    def began(self, key: Key) -> None:
        """A reconcile begins: changes wait now as if it ended at their moment."""
        self._worked_on.add(key)

    def failed(self, key: Key) -> None:
        """It has come to nothing, which says little about how long it takes."""
        self._worked_on.discard(key)

    def took(self, key: Key, seconds: float, now: float) -> None:
        """It has ended at this moment."""
        self._worked_on.discard(key)
        # One that found nothing to do, as after our own write, does not make the next one quick.
        usual = max(seconds, self._last.pop(key, (0.0, 0.0))[1] / 2)
        if usual > _QUICK:
            self._last[key] = now, usual

    def delay(self, key: Key, least: float, now: float, rest: float = _REST) -> float:
        """Seconds from a change at this moment to the reconcile.  `rest`: how many times as long as it took."""
        ended, took = self._last.get(key, (now, 0.0))
        if key in self._worked_on:
            ended = now
        rested = ended + min(took * rest, _LONGEST_REST) - now
        return max(least, rested, min(took * _GATHERING, _LONGEST_GATHERING))


class Watches:
    """Given to `Controller.setup`: opens (or shares) a collection's informer, to be connected to the queue."""

    def __init__(self, informers: SharedInformers, queue: WorkQueue, pace: Pace, clock: Clock) -> None:
        self._informers, self._queue, self._pace, self._clock = informers, queue, pace, clock
        self.opened: list[Informer[Any]] = []
        self._waiting: list[tuple[Informer[Any], Callable[[Any, Any], None]]] = []

    def connect(self) -> None:
        """Tell changes to the queue from now on, and what is known already: another controller may have opened a
        collection long ago, and `enqueue` may want to look into those that are opened after it."""
        waiting, self._waiting = self._waiting, []
        for informer, on_change in waiting:
            informer.on_change(on_change)

    async def synced(self) -> None:
        """Return when all collections opened through this are there in full."""
        for informer in self.opened:
            await informer.synced()

    def __call__(
        self,
        model: type[M],
        *,
        enqueue: Enqueue = own_key,
        indexers: Mapping[str, IndexFunction] | None = None,
        delay: float = 0.0,
        rest: float = _REST,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        resource: Resource | None = None,
    ) -> Store[M]:
        """The collection's store.

        `delay` (seconds) lets several changes become one reconcile; a key that takes long to reconcile waits longer,
        until it has had a `rest` of so many times as long (`Pace`).
        """
        informer = self._informers.of(
            model, namespace=namespace, label_selector=label_selector, field_selector=field_selector, resource=resource
        )
        self.opened.append(informer)
        for name, function in (indexers or {}).items():
            informer.store.add_index(name, function)
        if enqueue is not nothing:
            queue, pace, clock = self._queue, self._pace, self._clock

            def on_change(old: Any, new: Any) -> None:
                for key in enqueue(old, new):
                    if delay:
                        queue.add_after(key, pace.delay(key, delay, clock.monotonic(), rest))
                    else:
                        queue.add(key)

            self._waiting.append((informer, on_change))
        return informer.store


class Controller:
    """One control loop.  Subclasses give `name`, `setup` and `reconcile`.

    Guarantees: `reconcile` runs only after every watched collection was read in full; never twice at once for one
    key; again, with growing delays, for a key whose reconcile raised.  It is level-triggered: the key says only
    where to look, never what happened.
    """

    name: ClassVar[str] = ""
    workers: ClassVar[int] = 5
    measures: Sequence[Metric] = ()
    """What is measured of its work besides its queue."""

    def __init__(self, client: RestClient, clock: Clock, informers: SharedInformers, events: EventRecorder) -> None:
        self.client, self.clock, self.events = client, clock, events
        self.queue = WorkQueue(clock)
        self.informers = informers
        self.reconciles = 0
        self.failures = 0
        self._pace = Pace()
        self._watches = Watches(informers, self.queue, self._pace, clock)
        self.setup(self._watches)
        self._watches.connect()

    def setup(self, watch: Watches) -> None:
        """Open what the controller watches.  Called once, before anything runs."""
        raise NotImplementedError

    async def reconcile(self, key: Key) -> None:
        """Bring one object nearer to what it asks for.  Raise to be called again later."""
        raise NotImplementedError

    async def watch_too(self, model: type[M], *, enqueue: Enqueue = own_key) -> Store[M]:
        """Open one more collection in the midst of work: of a kind that few clusters have objects of."""
        store = self._watches(model, enqueue=enqueue)
        self._watches.connect()
        self.informers.start()
        await self._watches.synced()
        return store

    async def run(self) -> None:
        """Work until cancelled; reconciles under way are cancelled too."""
        await self._watches.synced()
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self.workers):
                    group.create_task(self._work(), name=f"{self.name} worker {number}")
        finally:
            self.queue.close()

    async def _work(self) -> None:
        while True:
            try:
                key = await self.queue.get()
            except QueueClosed:
                return
            try:
                await self.work_on(key)
            finally:
                self.queue.done(key)

    async def work_on(self, key: Key) -> None:
        """Reconcile one key, and arrange for another try if it fails."""
        self.reconciles += 1
        began = self.clock.monotonic()
        self._pace.began(key)
        try:
            await self.reconcile(key)
        except Exception as error:
            self.failures += 1
            expected = isinstance(error, Conflict | Unreachable)
            if isinstance(error, NotYet):
                log.debug("%s: %s: %s", self.name, key, error)
            elif isinstance(error, StatusError | Unreachable):
                log.log(logging.DEBUG if expected else logging.WARNING, "%s: %s: %s", self.name, key, error)
            else:
                log.exception("%s: %s", self.name, key)
            self.queue.add_rate_limited(key)
            self._pace.failed(key)
        else:
            self.queue.forget(key)
            now = self.clock.monotonic()
            self._pace.took(key, now - began, now)
