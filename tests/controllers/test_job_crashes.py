"""Jobs whose controller is killed at any point: the numbers are right all the same."""

import asyncio
import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from api.batch_v1 import CronJob, Job
from api.clock import ManualClock
from api.core_v1 import Pod
from client.config import ClientConfig
from client.rest import RestClient, Unreachable
from controller_manager.cron_job.controller import CronJobController
from controller_manager.job.conditions import finished
from controller_manager.job.controller import JobController
from controller_manager.job.indexes import completion_index
from tests.client.real_server import RealServer
from tests.controllers.batch import NAMESPACE, batch_cluster, get, job, pods, server_in, until
from tests.controllers.cluster import Cluster, eventually
from tests.controllers.mortal import Mortal


class Counted(Mortal):
    """A client that dies with one of its writes, which the server may have done by then or not."""

    def __init__(self, config: ClientConfig, clock: ManualClock, writes: int, *, done: bool) -> None:
        super().__init__(config, clock=clock)
        self.writes, self.done = writes, done

    @property
    def is_dead(self) -> bool:
        return self.writes < 0

    async def _write(self, method: str, target: str, body: bytes, content_type: str = "application/json") -> bytes:
        if self.is_dead:
            raise Unreachable("dead")
        if "/events" in target:
            return await self.send(method, target, body, content_type)
        self.writes -= 1
        if self.is_dead and not self.done:
            raise Unreachable("dead")
        answer = await self.send(method, target, body, content_type)
        if self.is_dead:
            raise Unreachable("dead")
        return answer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with server_in(tmp_path_factory.mktemp("server")) as served:
        yield served


async def work_until_the_end(cluster: Cluster, config: ClientConfig, chance: random.Random) -> Job:
    """Let one controller after another die, until the job has ended."""
    clock = cluster.clock
    assert isinstance(clock, ManualClock)
    for life in range(400):
        writes = chance.randrange(8) if life < 60 else 10_000
        async with Counted(config, clock, writes, done=chance.random() < 0.5) as client:
            mortal = Cluster(client, clock)
            await mortal.run(JobController)
            for _ in range(400):
                live = await get(cluster)
                if finished(live):
                    await mortal.stop()
                    return live
                if client.is_dead:
                    break
                await eventually(partial(dead_or_settled, client, mortal, cluster))
                await clock.advance(1)
            await mortal.stop()
    raise AssertionError("the job does not end")


async def dead_or_settled(client: Counted, *clusters: Cluster) -> bool:
    """Whether time may pass: it does not run ahead of what a controller has not heard of."""
    return client.is_dead or all([await each.is_settled() for each in clusters])


@pytest.mark.parametrize("seed", range(3))
async def test_no_pod_is_counted_twice_or_lost(server: RealServer, seed: int) -> None:
    chance = random.Random(seed)
    async with batch_cluster(server.config) as (cluster, node):
        wrong: set[str] = set()

        def outcome(pod: Pod) -> int:
            if chance.random() < 0.3 and len(wrong) < 3:
                wrong.add(pod.metadata.uid)
                return 1
            return 0

        node.outcome = outcome
        await cluster.client.create(job(completions=8, parallelism=3, backoffLimit=6))
        done = await work_until_the_end(cluster, server.config, chance)
        started = await ended_pods(cluster)
        assert len(started) == len(node.started)
        assert done.status.succeeded == started.count("Succeeded") >= 8
        assert done.status.failed == started.count("Failed") == len(wrong)
        await no_finalizers_left(cluster, server.config)


@pytest.mark.parametrize("seed", range(3))
async def test_no_index_is_lost_and_none_forgets_its_failures(server: RealServer, seed: int) -> None:
    chance = random.Random(seed)
    async with batch_cluster(server.config) as (cluster, node):
        node.outcome = lambda pod: int(completion_index(pod) == 2)
        spec: dict[str, Any] = {"completionMode": "Indexed", "completions": 6, "parallelism": 3}
        await cluster.client.create(job(backoffLimitPerIndex=2, **spec))
        done = await work_until_the_end(cluster, server.config, chance)
        status = done.status
        assert (status.completedIndexes, status.failedIndexes) == ("0,1,3-5", "2")
        assert (status.succeeded, status.failed) == (5, 3)
        assert len([pod for pod in node.started if completion_index(pod) == 2]) == 3
        await no_finalizers_left(cluster, server.config)


async def ended_pods(cluster: Cluster) -> list[str]:
    return [pod.status.phase for pod in await pods(cluster)]


async def no_finalizers_left(cluster: Cluster, config: ClientConfig) -> None:
    clock = cluster.clock
    assert isinstance(clock, ManualClock)
    async with RestClient(config, clock=clock) as client:
        last = Cluster(client, clock)
        await last.run(JobController)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 60
        while any(pod.metadata.finalizers for pod in await pods(cluster)):
            assert loop.time() < deadline, "pods keep their finalizers"
            await last.settled()
            await clock.advance(1)
        await last.stop()


@pytest.mark.parametrize("done", [True, False])
async def test_a_cron_job_makes_no_job_twice(server: RealServer, done: bool) -> None:
    """The controller dies with its first write, which makes the job, before the status can say so."""
    async with batch_cluster(server.config) as (cluster, _node):
        clock = cluster.clock
        assert isinstance(clock, ManualClock)
        # Once in the time that passes, and not about its end.
        schedule = f"{(clock.now().minute + 15) % 60} * * * *"
        spec = {"schedule": schedule, "jobTemplate": {"spec": job().to_dict()["spec"]}}
        await cluster.client.create(
            CronJob.from_dict({"metadata": {"name": "tick", "namespace": NAMESPACE}, "spec": spec})
        )
        await clock.advance(1900)
        async with Counted(server.config, clock, 0, done=done) as client:
            mortal = Cluster(client, clock)
            await mortal.run(CronJobController)

            async def has_died() -> bool:
                return client.is_dead and len((await cluster.client.list(Job, NAMESPACE)).items) == done

            await eventually(has_died)
            await mortal.stop()
        await cluster.run(CronJobController)

        async def noted() -> CronJob | None:
            found = await cluster.client.get(CronJob, "tick", NAMESPACE)
            return found if found.status.active else None

        found = await until(cluster, noted)
        (made,) = (await cluster.client.list(Job, NAMESPACE)).items
        (active,) = found.status.active
        assert active.uid == made.metadata.uid
