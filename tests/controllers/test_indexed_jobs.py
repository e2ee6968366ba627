"""Jobs with indexes, and the policies of when pods, indexes and jobs fail or succeed."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from api.batch_v1 import Job
from api.core_v1 import Pod
from controller_manager.job.controller import JobController
from controller_manager.job.indexes import COMPLETION_INDEX, Indexes, completion_index
from controller_manager.job.pods import FAILURE_COUNT, IGNORED_FAILURE_COUNT
from tests.client.real_server import RealServer
from tests.controllers.batch import (
    NAMESPACE,
    Node,
    batch_cluster,
    conditions,
    ended,
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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with server_in(tmp_path_factory.mktemp("server")) as served:
        yield served


@pytest.fixture
async def batch(server: RealServer) -> AsyncIterator[tuple[Cluster, Node]]:
    async with batch_cluster(server.config, JobController) as made:
        yield made


def indexed(completions: int, parallelism: int | None = None, **spec: Any) -> Job:
    return job(completionMode="Indexed", completions=completions, parallelism=parallelism or completions, **spec)


def index(pod: Pod) -> int:
    number = completion_index(pod)
    assert number is not None
    return number


def odd_ones_fail(pod: Pod) -> int:
    return index(pod) % 2


EXIT_CODE_5 = {"onExitCodes": {"operator": "In", "values": [5]}}
DISRUPTED = {"onPodConditions": [{"type": "DisruptionTarget"}]}


async def test_every_pod_knows_its_index(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] Job should create pods for an Indexed job with completion indexes and specified hostname
    [Conformance]'"""
    cluster, node = batch
    node.outcome = succeeds
    await cluster.client.create(indexed(4, 2))
    done = await ended(cluster)
    assert (done.status.completedIndexes, done.status.succeeded) == ("0-3", 4)
    assert sorted(map(index, node.started)) == [0, 1, 2, 3]
    for pod in node.started:
        number = str(index(pod))
        assert pod.metadata.labels[COMPLETION_INDEX] == number
        assert pod.spec.hostname == f"work-{number}"
        assert pod.metadata.name.startswith(f"work-{number}-")
        (variable,) = [each for each in pod.spec.containers[0].env if each.name == "JOB_COMPLETION_INDEX"]
        assert variable.valueFrom is not None
        assert variable.valueFrom.fieldRef is not None
        assert variable.valueFrom.fieldRef.fieldPath == f"metadata.labels['{COMPLETION_INDEX}']"


async def test_a_failed_index_is_tried_again(batch: tuple[Cluster, Node]) -> None:
    cluster, node = batch
    node.outcome = lambda pod: int(index(pod) == 1 and len([p for p in node.started if index(p) == 1]) == 1)
    await cluster.client.create(indexed(3))
    done = await ended(cluster, step=0.5)
    assert (done.status.completedIndexes, done.status.failed) == ("0-2", 1)
    assert done.status.failedIndexes is None


async def test_elastic_jobs_shrink_and_grow(batch: tuple[Cluster, Node]) -> None:
    cluster, node = batch
    await cluster.client.create(indexed(4))
    for pod in await running(cluster, 4):
        if index(pod) == 3:
            await node.exit(pod, 0)
    await running(cluster, 3)
    await cluster.client.patch(Job, "work", NAMESPACE, {"spec": {"completions": 2, "parallelism": 2}})
    left = await running(cluster, 2)
    assert sorted(map(index, left)) == [0, 1]
    assert (await get(cluster)).status.succeeded == 0
    await cluster.client.patch(Job, "work", NAMESPACE, {"spec": {"completions": 3, "parallelism": 3}})
    for pod in await running(cluster, 3):
        await node.exit(pod, 0)
    done = await ended(cluster)
    assert (done.status.completedIndexes, done.status.failed) == ("0-2", 0)


async def test_of_two_pods_with_one_index_one_goes(batch: tuple[Cluster, Node]) -> None:
    cluster, _node = batch
    await cluster.client.create(indexed(2))
    first, _ = await running(cluster, 2)
    twin = Pod.from_dict({"metadata": {}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    twin.metadata = first.metadata.copy_deep()
    twin.metadata.name, twin.metadata.resourceVersion = "twin", ""
    await cluster.client.create(twin)

    async def two() -> bool:
        live = [pod for pod in await pods(cluster) if pod.metadata.deletionTimestamp is None]
        return len(live) == 2

    await until(cluster, two)
    assert sorted(map(index, await running(cluster, 2))) == [0, 1]
    await cluster.settled()
    assert (await get(cluster)).status.failed == 0


# --- backoffLimitPerIndex -----------------------------------------------------------------------------


async def test_all_indexes_run_though_some_fail(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] Job should execute all indexes despite some failing when using backoffLimitPerIndex
    [Conformance]'"""
    cluster, node = batch
    node.outcome = odd_ones_fail
    await cluster.client.create(indexed(4, 2, backoffLimitPerIndex=1))
    failed = await ended(cluster, step=0.5)
    assert conditions(failed)[-1] == ("Failed", "True", "FailedIndexes", "Job has failed indexes")
    status = failed.status
    assert (status.completedIndexes, status.failedIndexes) == ("0,2", "1,3")
    assert (status.succeeded, status.failed) == (2, 4)
    counts = [p.metadata.annotations[FAILURE_COUNT] for p in node.started if index(p) == 1]
    assert counts == ["0", "1"]


async def test_a_job_ends_when_too_many_indexes_have_failed(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] Job should terminate job execution when the number of failed indexes exceeds maxFailedIndexes
    [Conformance]'"""
    cluster, node = batch
    node.outcome = lambda pod: None if index(pod) == 0 else 1
    await cluster.client.create(indexed(10, 4, backoffLimitPerIndex=0, maxFailedIndexes=2))
    failed = await ended(cluster)
    message = "Job has exceeded the specified maximal number of failed indexes"
    assert conditions(failed)[-1] == ("Failed", "True", "MaxFailedIndexesExceeded", message)
    failed_indexes = Indexes.parse(failed.status.failedIndexes or "", 10)
    assert len(failed_indexes) > 2
    assert 0 not in failed_indexes

    async def each_was_counted() -> bool:
        return len(node.started) == failed.status.failed  # once the node has heard of all

    await until(cluster, each_was_counted)
    assert failed.status.active == failed.status.terminating == 0


async def test_an_index_can_be_given_up_at_once(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] Job should mark indexes as failed when the FailIndex action is matched in podFailurePolicy
    [Conformance]'"""
    cluster, node = batch
    node.outcome = lambda pod: 5 * odd_ones_fail(pod)
    rules = [{"action": "FailIndex", **EXIT_CODE_5}]
    await cluster.client.create(indexed(4, backoffLimitPerIndex=3, podFailurePolicy={"rules": rules}))
    failed = await ended(cluster)
    assert conditions(failed)[-1] == ("Failed", "True", "FailedIndexes", "Job has failed indexes")
    assert (failed.status.failedIndexes, failed.status.completedIndexes) == ("1,3", "0,2")
    assert len(node.started) == 4


# --- podFailurePolicy ---------------------------------------------------------------------------------


async def test_an_exit_code_can_fail_the_job_early(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] Job should allow to use the pod failure policy on exit code to fail the job early [Conformance]'"""
    cluster, node = batch
    await cluster.client.create(
        job(parallelism=2, completions=2, podFailurePolicy={"rules": [{"action": "FailJob", **EXIT_CODE_5}]})
    )
    failing, _ = await running(cluster, 2)
    await node.exit(failing, 5)
    failed = await ended(cluster)
    message = (
        f"Container c for pod default/{failing.metadata.name} failed with exit code 5 matching FailJob rule at index 0"
    )
    assert conditions(failed) == [
        ("FailureTarget", "True", "PodFailurePolicy", message),
        ("Failed", "True", "PodFailurePolicy", message),
    ]
    assert failed.status.failed == 2
    await told(cluster, "Warning", "PodFailurePolicy", message)


async def test_disruptions_can_be_ignored(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] Job should allow to use a pod failure policy to ignore failure matching on DisruptionTarget
    condition [Conformance]'"""
    cluster, node = batch
    rules = [{"action": "Ignore", **DISRUPTED}]
    await cluster.client.create(indexed(2, backoffLimit=0, podFailurePolicy={"rules": rules}))
    for pod in await running(cluster, 2):
        await node.exit(pod, 1, {"type": "DisruptionTarget", "status": "True"})
    for pod in await running(cluster, 2, step=0.5):
        await node.exit(pod, 0)
    done = await ended(cluster)
    assert (done.status.succeeded, done.status.failed) == (2, 0)


async def test_ignored_failures_of_an_index_are_numbered_too(batch: tuple[Cluster, Node]) -> None:
    cluster, node = batch
    rules = [{"action": "Ignore", **DISRUPTED}]
    await cluster.client.create(indexed(1, backoffLimitPerIndex=0, podFailurePolicy={"rules": rules}))
    (pod,) = await running(cluster, 1)
    await node.exit(pod, 1, {"type": "DisruptionTarget", "status": "True"})

    async def replaced() -> bool:
        return len(node.started) == 2

    await until(cluster, replaced, 0.5)
    (pod,) = await running(cluster, 1)
    assert pod.metadata.annotations[FAILURE_COUNT] == "0"
    assert pod.metadata.annotations[IGNORED_FAILURE_COUNT] == "1"
    await node.exit(pod, 0)
    assert (await ended(cluster)).status.completedIndexes == "0"


# --- successPolicy ------------------------------------------------------------------------------------


async def succeeded_early(cluster: Cluster, rule: int = 0) -> Job:
    done = await ended(cluster)
    why = ("SuccessPolicy", f"Matched rules at index {rule}")
    assert conditions(done) == [("SuccessCriteriaMet", "True", *why), ("Complete", "True", *why)]
    assert done.status.active == done.status.terminating == done.status.failed == 0
    return done


async def test_success_policy_with_all_indexes(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] Job with successPolicy should succeeded when all indexes succeeded [Conformance]'"""
    cluster, node = batch
    node.outcome = succeeds
    rules = [{"succeededCount": 2, "succeededIndexes": "0-1"}]
    await cluster.client.create(indexed(2, successPolicy={"rules": rules}))
    assert (await succeeded_early(cluster)).status.completedIndexes == "0,1"


async def test_success_policy_with_a_number_of_indexes(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] Job with successPolicy succeededCount rule should succeeded even when some indexes remain pending
    [Conformance]'"""
    cluster, node = batch
    node.outcome = lambda pod: 0 if index(pod) == 0 else None
    await cluster.client.create(indexed(5, 2, successPolicy={"rules": [{"succeededCount": 1}]}))
    assert (await succeeded_early(cluster)).status.completedIndexes == "0"


async def test_success_policy_with_certain_indexes(batch: tuple[Cluster, Node]) -> None:
    """'[sig-apps] Job with successPolicy succeededIndexes rule should succeeded even when some indexes remain pending
    [Conformance]'"""
    cluster, node = batch
    node.outcome = lambda pod: 0 if index(pod) == 1 else None
    rules = [{"succeededIndexes": "2"}, {"succeededIndexes": "1"}]
    await cluster.client.create(indexed(3, 2, successPolicy={"rules": rules}))
    assert (await succeeded_early(cluster, 1)).status.completedIndexes == "1"
