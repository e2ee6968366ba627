"""Jobs: pods that run until enough have succeeded."""

from collections.abc import AsyncIterator, Iterator

import pytest

from api.batch_v1 import Job
from api.clock import ManualClock
from api.core_v1 import Pod
from api.errors import NotFound
from controller_manager.garbage_collector.controller import GarbageCollector
from controller_manager.job.controller import JobController
from controller_manager.job.pods import TRACKING
from tests.client.real_server import RealServer
from tests.controllers.batch import (
    NAMESPACE,
    Node,
    batch_cluster,
    conditions,
    ended,
    events,
    get,
    job,
    pods,
    running,
    server_in,
    succeeds,
    told,
    until,
)
from tests.controllers.cluster import Cluster

REACHED = ("CompletionsReached", "Reached expected number of succeeded pods")
LIMIT = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with server_in(tmp_path_factory.mktemp("server")) as served:
        yield served


@pytest.fixture
async def batch(server: RealServer) -> AsyncIterator[tuple[Cluster, Node]]:
    async with batch_cluster(server.config, JobController) as made:
        yield made


async def test_runs_pods_until_all_completions_are_reached(batch: tuple[Cluster, Node]) -> None:
    cluster, node = batch
    await cluster.client.create(job(completions=5, parallelism=2))
    for left in (2, 2, 1):
        for pod in await running(cluster, left):
            assert TRACKING in pod.metadata.finalizers
            assert pod.metadata.labels["batch.kubernetes.io/job-name"] == "work"
            assert pod.metadata.name.startswith("work-")
            await node.exit(pod, 0)
    done = await ended(cluster)
    assert conditions(done) == [("SuccessCriteriaMet", "True", *REACHED), ("Complete", "True", *REACHED)]
    status = done.status
    assert (status.succeeded, status.failed, status.active, status.ready, status.terminating) == (5, 0, 0, 0, 0)
    assert status.startTime is not None
    assert status.completionTime is not None
    assert status.completionTime == status.conditions[1].lastTransitionTime >= status.startTime
    uncounted = status.uncountedTerminatedPods
    assert uncounted is not None
    assert not uncounted.succeeded
    await told(cluster, "Normal", "Completed", "Job completed")
    assert sum(reason == "SuccessfulCreate" for _, reason, _ in await events(cluster)) == 5
    assert [pod.metadata.finalizers for pod in await pods(cluster)] == [[]] * 5


async def test_without_completions_one_success_is_enough_and_the_others_may_end(batch: tuple[Cluster, Node]) -> None:
    cluster, node = batch
    await cluster.client.create(job(parallelism=3))
    first, second, third = await running(cluster, 3)
    await node.exit(first, 0)
    await running(cluster, 2)
    await node.exit(second, 1)
    await node.exit(third, 0)
    done = await ended(cluster)
    assert (done.status.succeeded, done.status.failed) == (2, 1)
    assert len(node.started) == 3


@pytest.mark.parametrize("suspend", [False, True])
async def test_a_job_with_nothing_to_do_is_complete(batch: tuple[Cluster, Node], suspend: bool) -> None:
    cluster, node = batch
    await cluster.client.create(job(completions=0, suspend=suspend))
    done = await ended(cluster)
    assert conditions(done)[-1] == ("Complete", "True", *REACHED)
    assert (done.status.startTime is None) == suspend
    assert node.started == []


async def test_pods_of_an_orphaning_deletion_stay_without_finalizers(batch: tuple[Cluster, Node]) -> None:
    cluster, _node = batch
    await cluster.run(GarbageCollector)
    await cluster.client.create(job(parallelism=2, completions=2))
    await running(cluster, 2)
    await cluster.client.delete(Job, "work", NAMESPACE, propagation="Orphan")

    async def are_alone() -> bool:
        return all(not (pod.metadata.finalizers or pod.metadata.ownerReferences) for pod in await pods(cluster))

    await until(cluster, are_alone)
    assert [pod.metadata.deletionTimestamp for pod in await pods(cluster)] == [None, None]


async def test_failed_pods_are_replaced_after_longer_and_longer_waits_up_to_a_limit(
    batch: tuple[Cluster, Node],
) -> None:
    cluster, node = batch
    node.outcome = lambda pod: 3
    await cluster.client.create(job(backoffLimit=2))
    begun = cluster.clock.now()
    failed = await ended(cluster, step=0.5)
    assert 30 <= (cluster.clock.now() - begun).total_seconds() < 60  # 10 + 20, not 20 + 40
    assert conditions(failed) == [("FailureTarget", "True", *LIMIT), ("Failed", "True", *LIMIT)]
    assert (failed.status.failed, failed.status.succeeded) == (3, 0)
    assert failed.status.completionTime is None
    await told(cluster, "Warning", *LIMIT)


async def test_containers_that_restart_too_often_fail_the_job(batch: tuple[Cluster, Node]) -> None:
    cluster, node = batch
    await cluster.client.create(job(restart="OnFailure", backoffLimit=2))
    (pod,) = await running(cluster, 1)
    await node.report(pod, "Running", ready=True, restarts=1)
    await node.report(pod, "Running", ready=True, restarts=2)
    failed = await ended(cluster)
    assert conditions(failed)[-1] == ("Failed", "True", *LIMIT)
    assert (failed.status.failed, failed.status.active) == (1, 0)


async def test_tasks_that_fail_and_are_restarted_in_place_complete(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] Job should run a job to completion when tasks sometimes fail and are locally restarted
    [Conformance]'"""
    cluster, node = batch
    await cluster.client.create(job(restart="OnFailure", completions=2, parallelism=2))
    for pod in await running(cluster, 2):
        await node.report(pod, "Running", ready=True, restarts=1)
        await node.exit(pod, 0)
    assert (await ended(cluster)).status.succeeded == 2


async def test_a_job_that_is_active_too_long_fails_and_its_pods_end(batch: tuple[Cluster, Node]) -> None:
    cluster, _node = batch
    await cluster.client.create(job(parallelism=2, completions=2, activeDeadlineSeconds=30))
    await running(cluster, 2)
    failed = await ended(cluster, step=1)
    message = "Job was active longer than specified deadline"
    assert conditions(failed)[-1] == ("Failed", "True", "DeadlineExceeded", message)
    assert (failed.status.failed, failed.status.active, failed.status.terminating) == (2, 0, 0)
    await told(cluster, "Warning", "DeadlineExceeded", message)


async def test_a_job_has_not_failed_before_its_pods_have_ended(batch: tuple[Cluster, Node]) -> None:
    cluster, node = batch
    node.stubborn = True
    await cluster.client.create(job(activeDeadlineSeconds=5))
    await running(cluster, 1)

    async def failing() -> Job | None:
        live = await get(cluster)
        return live if live.status.conditions else None

    await until(cluster, failing, 1)
    await cluster.settled()
    live = await get(cluster)
    assert [each[0] for each in conditions(live)] == ["FailureTarget"]
    assert live.status.terminating == 1
    await node.kill_those_that_were_deleted()
    assert conditions(await ended(cluster))[-1][0] == "Failed"


async def test_suspending_ends_pods_without_counting_them_and_resuming_starts_anew(
    batch: tuple[Cluster, Node],
) -> None:
    cluster, node = batch
    await cluster.client.create(job(parallelism=2, completions=2, suspend=True, activeDeadlineSeconds=100))

    async def says(status: str) -> Job | None:
        live = await get(cluster)
        return live if [each[:2] for each in conditions(live)] == [("Suspended", status)] else None

    suspended = await until(cluster, lambda: says("True"))
    assert conditions(suspended) == [("Suspended", "True", "JobSuspended", "Job suspended")]
    assert suspended.status.startTime is None
    assert not node.started
    await cluster.client.patch(Job, "work", NAMESPACE, {"spec": {"suspend": False}})
    await running(cluster, 2)
    resumed = await until(cluster, lambda: says("False"))
    assert conditions(resumed) == [("Suspended", "False", "JobResumed", "Job resumed")]
    first_start = resumed.status.startTime
    await cluster.client.patch(Job, "work", NAMESPACE, {"spec": {"suspend": True}})
    await running(cluster, 0)
    await until(cluster, lambda: says("True"))
    assert isinstance(cluster.clock, ManualClock)
    await cluster.clock.advance(200)  # more than the deadline, which does not hold meanwhile
    await cluster.client.patch(Job, "work", NAMESPACE, {"spec": {"suspend": False}})
    await running(cluster, 2)
    resumed = await until(cluster, lambda: says("False"))
    assert first_start is not None
    assert resumed.status.startTime is not None
    assert (resumed.status.startTime - first_start).total_seconds() >= 200
    assert resumed.status.failed == 0
    await told(cluster, "Normal", "Suspended", "Job suspended")
    await told(cluster, "Normal", "Resumed", "Job resumed")


async def test_parallelism_can_change_meanwhile(batch: tuple[Cluster, Node]) -> None:
    cluster, _node = batch
    await cluster.client.create(job(parallelism=1, completions=5))
    await running(cluster, 1)
    await cluster.client.patch(Job, "work", NAMESPACE, {"spec": {"parallelism": 4}})
    await running(cluster, 4)
    await cluster.client.patch(Job, "work", NAMESPACE, {"spec": {"parallelism": 2}})
    await running(cluster, 2)
    assert (await get(cluster)).status.failed == 0


async def test_pods_that_are_deleted_count_as_failed_and_are_replaced_at_once(batch: tuple[Cluster, Node]) -> None:
    cluster, node = batch
    node.stubborn = True
    await cluster.client.create(job())
    (pod,) = await running(cluster, 1)
    await cluster.client.delete(Pod, pod.metadata.name, NAMESPACE)

    async def replaced() -> Job | None:
        live = await get(cluster)
        return live if (live.status.active, live.status.failed, live.status.terminating) == (1, 1, 1) else None

    await until(cluster, replaced, 0.5)
    await node.kill_those_that_were_deleted()
    await running(cluster, 1)
    assert (await get(cluster)).status.failed == 1


async def test_with_the_policy_failed_pods_are_replaced_only_once_they_have_ended(batch: tuple[Cluster, Node]) -> None:
    cluster, node = batch
    node.stubborn = True
    await cluster.client.create(job(podReplacementPolicy="Failed"))
    (pod,) = await running(cluster, 1)
    await cluster.client.delete(Pod, pod.metadata.name, NAMESPACE)

    async def waiting() -> bool:
        status = (await get(cluster)).status
        return (status.active, status.failed, status.terminating) == (0, 0, 1)

    await until(cluster, waiting)
    assert len(node.started) == 1
    await node.kill_those_that_were_deleted()
    (replacement,) = await running(cluster, 1, step=0.5)
    assert replacement.metadata.uid != pod.metadata.uid
    assert (await get(cluster)).status.failed == 1


async def test_adopts_orphans_that_match_and_releases_pods_that_do_not(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] Job should adopt matching orphans and release non-matching pods [Conformance]'"""
    cluster, node = batch
    await cluster.client.create(job(parallelism=2, completions=2))
    orphan, _other = await running(cluster, 2)
    body: dict[str, object] = {"metadata": {"ownerReferences": None}}
    await cluster.client.patch(Pod, orphan.metadata.name, NAMESPACE, body)

    async def adopted() -> bool:
        live = await cluster.client.get(Pod, orphan.metadata.name, NAMESPACE)
        return bool(live.metadata.ownerReferences) and TRACKING in live.metadata.finalizers

    await until(cluster, adopted)
    labels = dict.fromkeys(orphan.metadata.labels)
    await cluster.client.patch(Pod, orphan.metadata.name, NAMESPACE, {"metadata": {"labels": labels}})

    async def released() -> bool:
        live = await cluster.client.get(Pod, orphan.metadata.name, NAMESPACE)
        return not live.metadata.ownerReferences and not live.metadata.finalizers

    await until(cluster, released)

    async def replaced() -> bool:
        return (await get(cluster)).status.active == 2 and len(node.started) == 3

    await until(cluster, replaced)


async def test_pods_of_a_deleted_job_can_go(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] Job should delete a job [Conformance]': the pods' finalizers do not keep them."""
    cluster, _node = batch
    await cluster.client.create(job(parallelism=2, completions=2))
    await running(cluster, 2)
    await cluster.client.delete(Job, "work", NAMESPACE, propagation="Background")

    async def free() -> bool:
        return all(not pod.metadata.finalizers for pod in await pods(cluster))

    await until(cluster, free)
    with pytest.raises(NotFound):
        await get(cluster)


async def test_jobs_managed_by_others_are_left_alone(batch: tuple[Cluster, Node]) -> None:
    cluster, node = batch
    await cluster.client.create(job("theirs", managedBy="example.com/queue"))
    await cluster.client.create(job("ours", managedBy="kubernetes.io/job-controller"))
    node.outcome = succeeds
    await ended(cluster, "ours")
    theirs = await get(cluster, "theirs")
    assert theirs.status.startTime is None
    assert len(node.started) == 1


async def test_a_controller_that_starts_when_all_is_known_frees_pods_of_jobs_that_are_over(
    batch: tuple[Cluster, Node],
) -> None:
    cluster, node = batch
    node.outcome = succeeds
    await cluster.client.create(job())
    await ended(cluster)
    for task in cluster.tasks[:1]:  # the controller; what it watched goes on
        task.cancel()
    (pod,) = await pods(cluster)
    await cluster.client.patch(Pod, pod.metadata.name, NAMESPACE, {"metadata": {"finalizers": [TRACKING]}})

    async def is_seen() -> bool:
        known = cluster.informers.of(Pod).store.get(f"{NAMESPACE}/{pod.metadata.name}")
        return known is not None and known.metadata.finalizers == [TRACKING]

    await until(cluster, is_seen)
    await cluster.run(JobController)

    async def is_free() -> bool:
        return (await pods(cluster))[0].metadata.finalizers == []

    await until(cluster, is_free)


async def test_the_status_can_be_changed_by_hand(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] Job should apply changes to a job status [Conformance]'"""
    cluster, _node = batch
    await cluster.client.create(job(parallelism=2, completions=2))
    await running(cluster, 2)
    body = {"metadata": {"annotations": {"patched": "yes"}}}
    await cluster.client.patch(Job, "work", NAMESPACE, body, subresource="status")
    live = await get(cluster)
    assert live.metadata.annotations["patched"] == "yes"
    assert live.status.active == 2


async def test_a_suspended_job_goes_through_its_life(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] Job should manage the lifecycle of a job [Conformance]'"""
    cluster, _node = batch
    await cluster.client.create(job(suspend=True, parallelism=2, completions=2))

    async def suspended() -> bool:
        return [each[:2] for each in conditions(await get(cluster))] == [("Suspended", "True")]

    await until(cluster, suspended)
    await cluster.client.patch(Job, "work", NAMESPACE, {"metadata": {"labels": {"kind": "e2e"}}})
    await cluster.settled()
    live = await get(cluster)
    live.metadata.annotations["updated"] = "yes"
    await cluster.client.update(live)
    (found,) = (await cluster.client.list(Job, label_selector="kind=e2e")).items
    assert found.metadata.annotations["updated"] == "yes"
    await cluster.client.delete_collection(Job, NAMESPACE, label_selector="kind=e2e", propagation="Background")

    async def gone() -> bool:
        return not (await cluster.client.list(Job, label_selector="kind=e2e")).items

    await until(cluster, gone)
