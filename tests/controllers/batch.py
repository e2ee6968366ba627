"""Jobs on a real API server, a clock that the test moves, and a node on which pods end as the test says."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api.batch_v1 import CronJob, Job, JobCondition
from api.clock import ManualClock
from api.core_v1 import Binding, Event, ObjectReference, Pod, ReplicationController, ServiceAccount
from api.errors import AlreadyExists, Conflict, NotFound
from api.meta_v1 import ObjectMeta
from client.config import ClientConfig
from client.controller import Controller
from client.informer import Informer
from client.rest import RestClient
from controller_manager.job.conditions import finished
from tests.client.real_server import RealServer, real_server
from tests.controllers.cluster import Cluster, eventually, real_cluster

NAMESPACE = "default"
Outcome = Callable[[Pod], int | None]


def runs_on(pod: Pod) -> int | None:
    """A pod that does not end by itself."""
    return None


def succeeds(pod: Pod) -> int | None:
    return 0


class Node:
    """Starts every pod; `outcome` says with which code it exits at once, None that it goes on running.

    stubborn: Whether pods that are deleted go on as long as this is true.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.client = cluster, cluster.client
        self.outcome: Outcome = runs_on
        self.stubborn = False
        self.started: list[Pod] = []

    async def start(self) -> None:
        informer = Informer(self.client, Pod)
        seen: set[str] = set()

        def changed(old: Pod | None, new: Pod | None) -> None:
            if new is None:
                return
            meta = new.metadata
            if meta.deletionTimestamp is not None and new.status.phase == "Running" and not self.stubborn:
                self.cluster.act(self._kill(new))
            elif meta.deletionTimestamp is None and meta.uid not in seen:
                seen.add(meta.uid)
                self.started.append(new)
                self.cluster.act(self._run(new))

        informer.on_change(changed)
        await self.cluster.watched_by_nodes(informer)

    async def _run(self, pod: Pod) -> None:
        meta = pod.metadata
        binding = Binding(metadata=ObjectMeta(name=meta.name), target=ObjectReference(kind="Node", name="node"))
        try:
            await self.client.create_subresource(Pod, meta.name, NAMESPACE, "binding", binding)
        except (Conflict, NotFound):
            return
        await self.report(pod, "Running", ready=True)
        code = self.outcome(pod)
        if code is not None:
            await self.exit(pod, code)

    async def _kill(self, pod: Pod) -> None:
        await self.exit(pod, 137)
        try:
            await self.client.delete(Pod, pod.metadata.name, NAMESPACE, grace_period=0, uid=pod.metadata.uid)
        except (Conflict, NotFound):
            return

    async def kill_those_that_were_deleted(self) -> None:
        self.stubborn = False
        for pod in await pods(self.cluster):
            if pod.metadata.deletionTimestamp is not None:
                await self._kill(pod)

    async def exit(self, pod: Pod, code: int, *conditions: dict[str, str]) -> None:
        await self.report(pod, "Failed" if code else "Succeeded", code=code, conditions=conditions)

    async def report(
        self, pod: Pod, phase: str, *, ready: bool = False, code: int | None = None, restarts: int = 0,
        conditions: tuple[dict[str, str], ...] = (),
    ) -> None:  # fmt: skip
        now = self.cluster.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        state: dict[str, Any] = {"running": {"startedAt": now}}
        if code is not None:
            state = {"terminated": {"exitCode": code, "startedAt": now, "finishedAt": now}}
        container = {"name": "c", "image": "i", "imageID": "", "restartCount": restarts, "ready": ready, "state": state}
        status = {
            "phase": phase,
            "containerStatuses": [container],
            "conditions": [{"type": "Ready", "status": str(ready), "lastTransitionTime": now}, *conditions],
        }
        try:
            await self.client.patch(Pod, pod.metadata.name, NAMESPACE, {"status": status}, subresource="status")
        except NotFound:
            return


@contextmanager
def server_in(folder: Path) -> Iterator[RealServer]:
    with real_server(folder) as running:
        yield running


@asynccontextmanager
async def batch_cluster(
    config: ClientConfig, *controllers: type[Controller], start: datetime | None = None
) -> AsyncIterator[tuple[Cluster, Node]]:
    """Controllers at work, by a clock that stands still unless `until` moves it."""
    clock = ManualClock(start or datetime.now(UTC).replace(microsecond=0))
    async with real_cluster(config, clock) as cluster:
        await ensure_account(cluster.client)
        await cluster.run(*controllers)
        node = Node(cluster)
        await node.start()
        try:
            yield cluster, node
        finally:
            await cluster.come_to_rest()
            await cluster.stop()  # who is at work might still make something
            await empty(cluster)


async def ensure_account(client: RestClient) -> None:
    """Pods need one; a controller may make it at the same moment."""
    with suppress(AlreadyExists):
        await client.create(ServiceAccount(metadata=ObjectMeta(name="default", namespace=NAMESPACE)))


async def empty(cluster: Cluster) -> None:
    """Leave nothing to the next test."""
    client = cluster.client
    for kind in (CronJob, Job, ReplicationController):
        await client.delete_collection(kind, NAMESPACE, propagation="Background")
    await client.delete_collection(Event, NAMESPACE)

    async def gone() -> bool:
        for pod in await pods(cluster):
            body = {"metadata": {"finalizers": None}}
            try:
                await client.patch(Pod, pod.metadata.name, NAMESPACE, body)
                await client.delete(Pod, pod.metadata.name, NAMESPACE, grace_period=0)
            except NotFound:
                continue
        return not await pods(cluster)

    await eventually(gone)


async def until(cluster: Cluster, condition: Callable[[], Awaitable[Any]], step: float = 0.1) -> Any:
    """Let time pass in steps (seconds) until the condition holds; returns what it returned.

    Time stands still until everybody has heard of everything and is done with it: however slow the machine, it does
    not run ahead.
    """
    clock = cluster.clock
    assert isinstance(clock, ManualClock)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 240
    while not (value := await condition()):
        assert loop.time() < deadline, f"still not true: {inspect.getsource(condition).strip()}"
        await cluster.settled()
        await clock.advance(step)
    return value


def job(name: str = "work", *, restart: str = "Never", **spec: Any) -> Job:
    template = {"spec": {"restartPolicy": restart, "containers": [{"name": "c", "image": "i"}]}}
    return Job.from_dict({"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"template": template, **spec}})


async def pods(cluster: Cluster) -> list[Pod]:
    return (await cluster.client.list(Pod, NAMESPACE)).items


async def get(cluster: Cluster, name: str = "work") -> Job:
    return await cluster.client.get(Job, name, NAMESPACE)


async def ended(cluster: Cluster, name: str = "work", step: float = 0.1) -> Job:
    """The job once it has a condition that says it ended."""

    async def is_finished() -> Job | None:
        live = await get(cluster, name)
        return live if finished(live) else None

    found = await until(cluster, is_finished, step)
    assert isinstance(found, Job)
    return found


async def running(cluster: Cluster, count: int, name: str = "work", step: float = 0.1) -> list[Pod]:
    """The job's active pods once there are so many, all ready, and the job's status says so."""

    async def are_there() -> list[Pod] | None:
        status = (await get(cluster, name)).status
        found = [p for p in await pods(cluster) if p.status.phase == "Running" and not p.metadata.deletionTimestamp]
        settled = len(found) == status.active == status.ready == count and not status.terminating
        return (found or [Pod()]) if settled else None

    found: list[Pod] = await until(cluster, are_there, step)
    return found


def conditions(job: Job) -> list[tuple[str, str, str, str]]:
    def facts(condition: JobCondition) -> tuple[str, str, str, str]:
        return condition.type, condition.status, condition.reason, condition.message

    return [facts(each) for each in job.status.conditions]


async def events(cluster: Cluster, name: str = "work") -> list[tuple[str, str, str]]:
    """Type, reason and message of what has been told of an object."""
    await cluster.events.flush()
    found = (await cluster.client.list(Event, NAMESPACE, field_selector=f"involvedObject.name={name}")).items
    return [(event.type, event.reason, event.message) for event in found]


async def told(cluster: Cluster, *event: str, name: str = "work") -> None:
    """Wait for an event with this type, reason and message."""

    async def is_there() -> bool:
        return event in await events(cluster, name)

    await until(cluster, is_there)
