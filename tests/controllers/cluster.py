"""Controllers at work on a server, with pretend nodes that run every pod at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from api.apps_v1 import (
    Deployment,
    DeploymentSpec,
    DeploymentStrategy,
    ReplicaSet,
    ReplicaSetSpec,
    ReplicaSetStatus,
    RollingUpdateDeployment,
)
from api.clock import Clock, SystemClock
from api.core_v1 import (
    Binding,
    Container,
    Namespace,
    Node,
    ObjectReference,
    Pod,
    PodCondition,
    PodSpec,
    PodTemplateSpec,
)
from api.errors import StatusError
from api.meta_v1 import LabelSelector, ObjectMeta
from client.config import ClientConfig
from client.controller import Controller, SharedInformers
from client.events import EventRecorder
from client.informer import Informer
from client.rest import RestClient, Unreachable
from controller_manager.daemon_set.placement import target_node
from tests.client.api_double import ApiDouble, api_double
from tests.client.waiting import eventually, is_current

_MOMENT = 3.5
"""Seconds, more than a controller rests before it looks again at what takes long to look at."""


class Cluster:
    """A server, a client, and whatever controllers a test starts."""

    server: ApiDouble

    def __init__(self, client: RestClient, clock: Clock) -> None:
        self.client, self.clock = client, clock
        # What waits between two tries of a watch must not wait for the test.
        self.informers = SharedInformers(client, SystemClock())
        self.events = EventRecorder(client, "controllers", clock)
        self.tasks: list[asyncio.Task[None]] = []
        self.controllers: list[Controller] = []
        self._acts: set[asyncio.Task[None]] = set()
        self._of_nodes: list[Informer[Pod]] = []
        self._settled_at = ""

    async def run(self, *kinds: type[Controller] | Callable[..., Controller]) -> list[Any]:
        """Start controllers and wait until they have read everything."""
        made = [kind(self.client, self.clock, self.informers, self.events) for kind in kinds]
        self.informers.start()
        for controller in made:
            self.tasks.append(asyncio.create_task(controller.run()))
        await eventually(lambda: self.informers.have_synced, "the informers have read everything")
        self.controllers += made
        return made

    def act(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a pretended node do something."""
        task = asyncio.create_task(work)
        self._acts.add(task)
        task.add_done_callback(self._acts.discard)

    @property
    def is_busy(self) -> bool:
        """Whether a controller or a pretended node is at work."""
        at_work = (not each.queue.idle and not each.queue.closed for each in self.controllers)
        return bool(self._acts) or any(at_work)

    async def is_settled(self) -> bool:
        """Whether everybody has heard of everything that was written, and has done with it but for what waits for
        its time."""
        try:
            revision = await self._revision()
            heard = revision == self._settled_at or await self._heard_of_all()
            if not heard or self.is_busy or await self._revision() != revision:
                return False
        except Unreachable:
            return False
        self._settled_at = revision
        return True

    async def settled(self) -> None:
        """Wait until then, and until what controllers put off for a moment is done too: changes of pods are gathered,
        failures tried again.  By a clock that the test moves, that waits for the test."""
        while True:
            await eventually(self.is_settled, "nobody is at work")
            before, due = self._settled_at, self._put_off_until()
            if due is None:
                return
            await eventually(lambda due=due: self.clock.monotonic() > due, "a moment has passed")
            await eventually(self.is_settled, "nobody is at work")
            if self._settled_at == before:
                return  # what comes again and again changes nothing

    def _put_off_until(self) -> float | None:
        """When the last of the keys will be due that are due within a moment."""
        if not isinstance(self.clock, SystemClock):
            return None
        soon = self.clock.monotonic() + _MOMENT
        times = (due for controller in self.controllers for due, _ in controller.queue._delayed.values())
        return max((due for due in times if due < soon), default=None)

    async def _revision(self) -> str:
        return (await self.client.list(Namespace, limit=1)).metadata.resourceVersion

    async def _heard_of_all(self) -> bool:
        for informer in [*self.informers.opened, *self._of_nodes]:
            if not await is_current(informer, self.client):
                return False
        return True

    async def watched_by_nodes(self, informer: Informer[Pod]) -> None:
        """Run an informer of pretended nodes, who have not heard of all before it has."""
        self._of_nodes.append(informer)
        self.tasks.append(asyncio.create_task(informer.run()))
        await eventually(lambda: informer.has_synced, "the nodes have read everything")

    async def come_to_rest(self) -> None:
        """To be called before the end where the server goes on: the last that was asked of it would be done in the
        midst of the next test."""
        with suppress(AssertionError):  # whatever keeps it busy, the test has said already what is wrong
            await eventually(self.is_settled, "nobody is at work", seconds=10)

    async def stop(self) -> None:
        tasks = [*self.tasks, *self._acts]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.controllers.clear()
        self._of_nodes.clear()
        await self.informers.stop()
        await self.events.close()

    async def nodes(self, count: int = 1, *, broken: Callable[[Pod], bool] = lambda pod: False) -> None:
        """Pretend nodes: pods get a node (the one that they ask for by name) and an address, become ready unless
        `broken`, and end when deleted."""
        informer = Informer(self.client, Pod)
        number = 0
        started: set[str] = set()

        def changed(old: Pod | None, new: Pod | None) -> None:
            nonlocal number
            if new is None:
                return
            if new.metadata.deletionTimestamp is not None:
                act = self._end(new)
            elif not new.spec.nodeName and new.metadata.uid not in started:
                started.add(new.metadata.uid)
                number += 1
                node = target_node(new) or f"node-{number % count}"
                act = self._start(new.copy_deep(), node, f"10.0.{number // 250}.{number % 250}", broken)
            else:
                return
            self.act(act)

        informer.on_change(changed)
        await self.watched_by_nodes(informer)

    async def _start(self, pod: Pod, node: str, address: str, broken: Callable[[Pod], bool]) -> None:
        meta = pod.metadata
        binding = Binding(
            metadata=ObjectMeta(name=meta.name, uid=meta.uid), target=ObjectReference(kind="Node", name=node)
        )
        await self._persist(lambda: self.client.create_subresource(Pod, meta.name, meta.namespace, "binding", binding))
        now = self.clock.now().replace(microsecond=0)
        ready = PodCondition(type="Ready", status=str(not broken(pod)), lastTransitionTime=now)
        # A patch: a controller may change the pod at the same moment.
        status = {"phase": "Running", "podIP": address, "conditions": [ready.to_dict()]}
        body = {"metadata": {"uid": meta.uid}, "status": status}
        await self._persist(lambda: self.client.patch(Pod, meta.name, meta.namespace, body, subresource="status"))

    async def _end(self, pod: Pod) -> None:
        meta = pod.metadata
        await self._persist(lambda: self.client.delete(Pod, meta.name, meta.namespace, grace_period=0, uid=meta.uid))

    async def _persist(self, act: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        while True:
            try:
                return await act()
            except StatusError:
                return None
            except Unreachable:
                await asyncio.sleep(0.01)

    async def pods(self, namespace: str = "default") -> list[Pod]:
        return (await self.client.list(Pod, namespace)).items

    async def replica_sets(self) -> dict[str, int]:
        """spec.replicas by name."""
        found = (await self.client.list(ReplicaSet, "default")).items
        return {rs.metadata.name: rs.spec.replicas or 0 for rs in found}

    async def event_messages(self, name: str) -> list[str]:
        await self.events.flush()
        return [
            document["message"]
            for key, document in self.server.objects.items()
            if key[0] == "events" and document["involvedObject"]["name"] == name
        ]


@asynccontextmanager
async def cluster(clock: Clock | None = None) -> AsyncIterator[Cluster]:
    async with api_double() as server:
        chosen = clock or SystemClock()
        server.clock = chosen.now
        async with RestClient(server.config, clock=chosen) as client:
            running = Cluster(client, chosen)
            running.server = server
            try:
                yield running
            finally:
                await running.stop()


@asynccontextmanager
async def real_cluster(config: ClientConfig, clock: Clock | None = None) -> AsyncIterator[Cluster]:
    """The same on a real API server; it has no `server` to look into."""
    async with RestClient(config) as client:
        running = Cluster(client, clock or SystemClock())
        try:
            yield running
        finally:
            await running.stop()


def template(image: str = "one", app: str = "web") -> PodTemplateSpec:
    return PodTemplateSpec(
        metadata=ObjectMeta(labels={"app": app}),
        spec=PodSpec(containers=[Container(name="c", image=image)], terminationGracePeriodSeconds=1),
    )


def replica_set(name: str = "web", replicas: int = 3, app: str = "web") -> ReplicaSet:
    return ReplicaSet(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=ReplicaSetSpec(
            replicas=replicas, selector=LabelSelector(matchLabels={"app": app}), template=template(app=app)
        ),
        status=ReplicaSetStatus(replicas=0),
    )


ROLLING = DeploymentStrategy(
    type="RollingUpdate", rollingUpdate=RollingUpdateDeployment(maxSurge="25%", maxUnavailable="25%")
)


def deployment(name: str = "web", replicas: int = 3, image: str = "one", **spec: Any) -> Deployment:
    return Deployment(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=DeploymentSpec(
            replicas=replicas,
            selector=LabelSelector(matchLabels={"app": "web"}),
            template=template(image),
            **{"progressDeadlineSeconds": 600, "revisionHistoryLimit": 10, "strategy": ROLLING, **spec},
        ),
    )


__all__ = ["Cluster", "Node", "cluster", "deployment", "eventually", "replica_set", "template"]
