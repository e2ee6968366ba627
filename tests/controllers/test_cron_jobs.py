"""CronJobs: jobs made when they are due, and only then."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.batch_v1 import CronJob, Job
from api.clock import ManualClock
from client.config import ClientConfig
from controller_manager.cron_job.controller import SCHEDULED, CronJobController, job_name
from controller_manager.cron_job.times import NoTimes, Times
from controller_manager.job.controller import JobController
from controller_manager.pod_template import controller_reference
from controller_manager.ttl_after_finished import TtlAfterFinishedController
from tests.client.real_server import RealServer
from tests.controllers.batch import (
    NAMESPACE,
    Node,
    batch_cluster,
    conditions,
    events,
    job,
    running,
    server_in,
    succeeds,
    told,
    until,
)
from tests.controllers.cluster import Cluster


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with server_in(tmp_path_factory.mktemp("server")) as served:
        yield served


@pytest.fixture
async def batch(server: RealServer) -> AsyncIterator[tuple[Cluster, Node]]:
    controllers = (CronJobController, JobController, TtlAfterFinishedController)
    async with batch_cluster(server.config, *controllers) as made:
        yield made


def cron_job(schedule: str = "* * * * *", name: str = "tick", job_spec: Any = None, **spec: Any) -> CronJob:
    template = {"spec": {**job().to_dict()["spec"], **(job_spec or {})}}
    return CronJob.from_dict(
        {
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"schedule": schedule, "jobTemplate": template, **spec},
        }
    )


async def jobs(cluster: Cluster) -> list[Job]:
    found = (await cluster.client.list(Job, NAMESPACE)).items
    return sorted(found, key=lambda job: job.metadata.name)


async def live(cluster: Cluster) -> CronJob:
    return await cluster.client.get(CronJob, "tick", NAMESPACE)


async def jobs_made(cluster: Cluster, count: int) -> list[Job]:
    async def are_there() -> list[Job] | None:
        found = await jobs(cluster)
        return found if len(found) >= count else None

    made: list[Job] = await until(cluster, are_there, 1)
    return made


async def pass_time(cluster: Cluster, seconds: int) -> None:
    end = cluster.clock.now() + timedelta(seconds=seconds)

    async def is_over() -> bool:
        return cluster.clock.now() >= end

    await until(cluster, is_over, 1)
    await cluster.settled()


async def test_makes_a_job_every_time_it_is_due(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] CronJob should schedule multiple jobs concurrently [Conformance]'"""
    cluster, _node = batch
    await cluster.client.create(cron_job(timeZone="Asia/Tokyo"))
    first, second, *_ = await jobs_made(cluster, 2)

    async def both_active() -> CronJob | None:
        found = await live(cluster)
        return found if len(found.status.active) >= 2 else None

    found = await until(cluster, both_active)
    assert [active.name for active in found.status.active][:2] == [first.metadata.name, second.metadata.name]
    assert {active.kind for active in found.status.active} == {"Job"}
    due = found.status.lastScheduleTime
    assert due is not None
    assert due.second == 0
    assert job_name(found, due) == found.status.active[-1].name
    (reference,) = second.metadata.ownerReferences
    assert (reference.kind, reference.name, reference.controller) == ("CronJob", "tick", True)
    shown = datetime.fromisoformat(second.metadata.annotations[SCHEDULED])
    assert shown.utcoffset() == timedelta(hours=9)
    assert job_name(found, shown) == second.metadata.name
    await told(cluster, "Normal", "SuccessfulCreate", f"Created job {first.metadata.name}", name="tick")


async def test_notes_jobs_that_end_and_keeps_the_latest(batch: tuple[Cluster, Node]) -> None:
    cluster, node = batch
    node.outcome = succeeds
    await cluster.client.create(cron_job(successfulJobsHistoryLimit=2))
    await jobs_made(cluster, 2)
    first = (await jobs(cluster))[0].metadata.name

    async def first_is_gone() -> list[str] | None:
        names = [job.metadata.name for job in await jobs(cluster)]
        return names if first not in names and len(names) == 2 else None

    await until(cluster, first_is_gone, 1)
    found = await live(cluster)
    assert found.status.lastSuccessfulTime is not None
    message = f"Saw completed job: {first}, condition: Complete"
    await told(cluster, "Normal", "SawCompletedJob", message, name="tick")
    await told(cluster, "Normal", "SuccessfulDelete", f"Deleted job {first}", name="tick")


async def test_keeps_one_failed_job(batch: tuple[Cluster, Node]) -> None:
    cluster, node = batch
    node.outcome = lambda pod: 1
    await cluster.client.create(cron_job(job_spec={"backoffLimit": 0}))
    first = (await jobs_made(cluster, 1))[0].metadata.name

    async def only_another() -> bool:
        names = [job.metadata.name for job in await jobs(cluster)]
        return len(names) == 1 and first not in names

    await until(cluster, only_another, 1)
    assert (await live(cluster)).status.lastSuccessfulTime is None


async def test_makes_no_jobs_while_suspended(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] CronJob should not schedule jobs when suspended [Slow] [Conformance]'"""
    cluster, _node = batch
    await cluster.client.create(cron_job(suspend=True))
    await pass_time(cluster, 150)
    assert await jobs(cluster) == []
    await cluster.client.patch(CronJob, "tick", NAMESPACE, {"spec": {"suspend": False}})
    (one,) = await jobs_made(cluster, 1)  # what was missed is made up for once
    assert datetime.fromisoformat(one.metadata.annotations[SCHEDULED]) <= cluster.clock.now()


async def test_forbids_a_job_while_another_runs(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] CronJob should not schedule new jobs when ForbidConcurrent [Slow] [Conformance]'"""
    cluster, node = batch
    await cluster.client.create(cron_job(concurrencyPolicy="Forbid"))
    (first,) = await jobs_made(cluster, 1)
    await pass_time(cluster, 130)
    assert [job.metadata.name for job in await jobs(cluster)] == [first.metadata.name]
    message = "Not starting job because prior execution is running and concurrency policy is Forbid"
    await told(cluster, "Normal", "JobAlreadyActive", message, name="tick")
    (pod,) = await running(cluster, 1, first.metadata.name)
    await node.exit(pod, 0)
    assert len(await jobs_made(cluster, 2)) == 2


async def test_replaces_the_job_that_runs(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] CronJob should replace jobs when ReplaceConcurrent [Conformance]'"""
    cluster, _node = batch
    await cluster.client.create(cron_job(concurrencyPolicy="Replace"))
    (first,) = await jobs_made(cluster, 1)

    async def replaced() -> CronJob | None:
        names = [job.metadata.name for job in await jobs(cluster)]
        found = await live(cluster)
        same = names == [active.name for active in found.status.active]
        return found if same and len(names) == 1 and first.metadata.name not in names else None

    await until(cluster, replaced, 1)
    await told(cluster, "Normal", "SuccessfulDelete", f"Deleted job {first.metadata.name}", name="tick")


async def test_a_job_that_somebody_deletes_is_active_no_more(batch: tuple[Cluster, Node]) -> None:
    cluster, _node = batch
    await cluster.client.create(cron_job())
    (first,) = await jobs_made(cluster, 1)
    await cluster.client.delete(Job, first.metadata.name, NAMESPACE, propagation="Background")
    await told(cluster, "Normal", "MissingJob", f"Active job went missing: {first.metadata.name}", name="tick")

    async def is_active_no_more() -> bool:
        return first.metadata.name not in [active.name for active in (await live(cluster)).status.active]

    await until(cluster, is_active_no_more)


async def test_jobs_made_by_hand_are_told_of(batch: tuple[Cluster, Node]) -> None:
    cluster, _node = batch
    await cluster.client.create(cron_job("0 0 1 1 *"))
    made = job("manual")
    made.metadata.ownerReferences = [controller_reference(await live(cluster))]
    await cluster.client.create(made)
    message = "Saw a job that the controller did not create or forgot: manual"
    await told(cluster, "Warning", "UnexpectedJob", message, name="tick")
    assert (await live(cluster)).status.active == []


async def test_the_api_of_cron_jobs(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] CronJob should support CronJob API operations [Conformance]'"""
    cluster, _node = batch
    client = cluster.client
    await client.create(cron_job("0 0 1 1 *"))
    await client.patch(CronJob, "tick", NAMESPACE, {"metadata": {"labels": {"kind": "e2e"}}})
    found = await live(cluster)
    found.spec.successfulJobsHistoryLimit = 7
    await client.update(found)
    body = {"status": {"lastScheduleTime": "2026-01-01T00:00:00Z"}}
    patched = await client.patch(CronJob, "tick", NAMESPACE, body, subresource="status")
    assert patched.status.lastScheduleTime == datetime(2026, 1, 1, tzinfo=UTC)
    (listed,) = (await client.list(CronJob, label_selector="kind=e2e")).items
    assert listed.spec.successfulJobsHistoryLimit == 7
    await client.delete_collection(CronJob, NAMESPACE, label_selector="kind=e2e")
    assert (await client.list(CronJob, label_selector="kind=e2e")).items == []


# --- after a time away --------------------------------------------------------------------------------


async def came_back(config: ClientConfig, away: timedelta, cron: CronJob) -> AsyncIterator[Cluster]:
    """A cluster whose controller starts when the CronJob has been there for some time."""
    async with batch_cluster(config) as (cluster, _):
        await cluster.client.create(cron)
        assert isinstance(cluster.clock, ManualClock)
        await cluster.clock.advance(away.total_seconds())
        await cluster.run(CronJobController)
        yield cluster


async def test_after_many_missed_times_one_job_is_made_and_told_of(server: RealServer) -> None:
    async for cluster in came_back(server.config, timedelta(hours=3), cron_job(concurrencyPolicy="Forbid")):
        begun = cluster.clock.now()
        (made,) = await jobs_made(cluster, 1)
        due = datetime.fromisoformat(made.metadata.annotations[SCHEDULED])
        assert begun - timedelta(minutes=1) < due <= cluster.clock.now()
        message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        await told(cluster, "Warning", "TooManyMissedTimes", message, name="tick")


async def test_after_the_deadline_no_job_is_made(server: RealServer) -> None:
    now = datetime.now(UTC)
    hourly = cron_job(f"{(now.minute + 2) % 60} * * * *", startingDeadlineSeconds=60)
    async for cluster in came_back(server.config, timedelta(minutes=20), hourly):
        await pass_time(cluster, 60)
        assert await jobs(cluster) == []
        assert [reason for _, reason, _ in await events(cluster, "tick")] == []


# --- times --------------------------------------------------------------------------------------------


def times(schedule: str, created: str, zone: str | None = None, deadline: int | None = None, last: str = "") -> Times:
    made = cron_job(schedule, timeZone=zone, startingDeadlineSeconds=deadline)
    made.metadata.creationTimestamp = datetime.fromisoformat(created)
    if last:
        made.status.lastScheduleTime = datetime.fromisoformat(last)
    return Times(made)


@pytest.mark.parametrize(
    ("schedule", "created", "now", "deadline", "last", "missed"),
    [
        ("0 * * * *", "2026-01-01T10:10:00Z", "2026-01-01T10:50:00Z", None, None, 0),
        ("0 * * * *", "2026-01-01T10:10:00Z", "2026-01-01T11:00:00Z", None, "2026-01-01T11:00:00Z", 0),
        ("0 * * * *", "2026-01-01T10:10:00Z", "2026-01-01T14:30:00Z", None, "2026-01-01T14:00:00Z", 4),
        ("0 * * * *", "2026-01-01T10:10:00Z", "2026-01-01T14:30:00Z", 600, None, 0),
        ("* * * * *", "2026-01-01T10:10:00Z", "2026-01-01T15:00:30Z", None, "2026-01-01T15:00:00Z", 290),
        ("@every 90s", "2026-01-01T10:00:00Z", "2026-01-01T10:10:00Z", None, "2026-01-01T10:09:00Z", 6),
        ("30 6-16/4 * * 1-5", "2026-01-02T13:00:00Z", "2026-01-05T11:00:00Z", None, "2026-01-05T10:30:00Z", 2),
    ],
)
def test_what_is_due(
    schedule: str, created: str, now: str, deadline: int | None, last: str | None, missed: int
) -> None:
    due = times(schedule, created, deadline=deadline).due(datetime.fromisoformat(now))
    assert (due.last, due.missed) == (last and datetime.fromisoformat(last), missed)
    assert due.too_many == (missed > 100)


def test_the_clock_that_is_put_forward_leaves_a_time_out_and_back_has_it_twice() -> None:
    spring = times("30 2 * * *", "2026-03-28T12:00:00Z", "Europe/Berlin")
    assert spring.due(datetime(2026, 3, 30, 0, 30, tzinfo=UTC)).last == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)
    assert spring.due(datetime(2026, 3, 29, 23, 0, tzinfo=UTC)).last is None
    autumn = times("30 2 * * *", "2026-10-24T12:00:00Z", "Europe/Berlin")
    assert autumn.due(datetime(2026, 10, 25, 2, 0, tzinfo=UTC)).last == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_how_long_to_wait_for_the_next_time() -> None:
    now = datetime(2026, 1, 1, 11, 59, tzinfo=UTC)
    assert times("0 * * * *", "2026-01-01T10:10:00Z").seconds_to_next(now) == pytest.approx(60.1)
    done = times("0 * * * *", "2026-01-01T10:10:00Z", last="2026-01-01T11:00:00Z")
    assert done.seconds_to_next(now) == pytest.approx(60.1)


def test_a_day_that_never_comes() -> None:
    with pytest.raises(NoTimes, match="time difference between two schedules is less than 1 second"):
        times("0 0 31 2 *", "2026-01-01T10:10:00Z").due(datetime(2026, 1, 2, tzinfo=UTC))


# --- time to live -------------------------------------------------------------------------------------


async def test_ended_jobs_are_deleted_when_their_time_is_over(batch: tuple[Cluster, Node]) -> None:
    cluster, node = batch
    node.outcome = succeeds
    await cluster.client.create(job("short", ttlSecondsAfterFinished=60))
    await cluster.client.create(job("long", ttlSecondsAfterFinished=100_000))

    async def only_long() -> list[Job] | None:
        found = await jobs(cluster)
        going = [job.metadata.name for job in found if job.metadata.deletionTimestamp is None]
        return found if going == ["long"] else None

    begun = cluster.clock.now()
    found = await until(cluster, only_long, 1)
    assert (cluster.clock.now() - begun).total_seconds() >= 60
    for ended in found:
        assert conditions(ended)[-1][0] == "Complete"
        if ended.metadata.name == "short":  # with its pods first, which the garbage collector sees to
            assert ended.metadata.finalizers == ["foregroundDeletion"]


async def test_a_time_to_live_can_be_prolonged(batch: tuple[Cluster, Node]) -> None:
    cluster, node = batch
    node.outcome = succeeds
    await cluster.client.create(job("work", ttlSecondsAfterFinished=30))
    await told(cluster, "Normal", "Completed", "Job completed")
    await cluster.client.patch(Job, "work", NAMESPACE, {"spec": {"ttlSecondsAfterFinished": 100_000}})
    await pass_time(cluster, 60)
    assert [job.metadata.deletionTimestamp for job in await jobs(cluster)] == [None]
