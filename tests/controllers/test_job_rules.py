"""What the controller of jobs decides from a job and its pods: no server."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.batch_v1 import Job, PodFailurePolicy, SuccessPolicy
from api.core_v1 import Pod
from controller_manager.job import tracking
from controller_manager.job.backoff import Failures, finished_at, remaining
from controller_manager.job.failure_policy import judge
from controller_manager.job.indexes import COMPLETION_INDEX, Indexes
from controller_manager.job.pods import FAILURE_COUNT, TRACKING, new_pod, surplus
from controller_manager.job.progress import look, outcome, pending_indexes, wanted_active
from controller_manager.job.success_policy import first_rule_met
from tests.controllers.batch import job

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "completions", "shown"),
    [
        ("", 5, ""),
        ("0", 5, "0"),
        ("0,1", 5, "0,1"),
        ("0,1,2", 5, "0-2"),
        ("0-2,3,7", 10, "0-3,7"),
        ("1-8", 5, "1-4"),
        ("3,5", 5, "3"),
        ("1,x,3-y,4", 5, "1,4"),
    ],
)
def test_sets_of_indexes_as_text(text: str, completions: int, shown: str) -> None:
    assert str(Indexes.parse(text, completions)) == shown


def test_sets_of_indexes() -> None:
    numbers = Indexes.of([5, 1, 2, 9])
    assert [n for n in range(11) if n in numbers] == [1, 2, 5, 9]
    assert len(numbers) == 4
    assert str(numbers | Indexes.of([3, 4])) == "1-5,9"
    assert numbers.first_missing(3, 10) == [0, 3, 4]
    assert numbers.first_missing(10, 8) == [0, 3, 4, 6, 7]
    assert Indexes().first_missing(2, 3) == [0, 1]
    assert numbers.shared_with(Indexes.parse("2-6", 10)) == 2


def pod(name: str, phase: str = "Running", index: int | None = None, **more: Any) -> Pod:
    annotations = {**({} if index is None else {COMPLETION_INDEX: str(index)}), **more.pop("annotations", {})}
    meta = {
        "name": name, "namespace": "default", "uid": name, "finalizers": [TRACKING], "annotations": annotations,
        "creationTimestamp": "2026-01-01T00:00:00Z", **more.pop("metadata", {}),
    }  # fmt: skip
    return Pod.from_dict({"metadata": meta, "spec": {"containers": []}, "status": {"phase": phase, **more}})


def ended(name: str, code: int, **more: Any) -> Pod:
    state = {"terminated": {"exitCode": code, "finishedAt": "2026-01-01T00:00:10Z"}}
    status = [{"name": "c", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": state}]
    return pod(name, "Failed" if code else "Succeeded", containerStatuses=status, **more)


@pytest.mark.parametrize(
    ("rule", "failed", "fits"),
    [
        ({"onExitCodes": {"operator": "In", "values": [1, 5]}}, ended("p", 5), True),
        ({"onExitCodes": {"operator": "In", "values": [1]}}, ended("p", 5), False),
        ({"onExitCodes": {"operator": "NotIn", "values": [1]}}, ended("p", 5), True),
        ({"onExitCodes": {"operator": "NotIn", "values": [5]}}, ended("p", 5), False),
        ({"onExitCodes": {"operator": "NotIn", "values": [1]}}, ended("p", 0), False),
        ({"onExitCodes": {"containerName": "d", "operator": "In", "values": [5]}}, ended("p", 5), False),
        ({"onPodConditions": [{"type": "T", "status": "True"}]},
         pod("p", "Failed", conditions=[{"type": "T", "status": "True"}]), True),
        ({"onPodConditions": [{"type": "T", "status": "True"}]},
         pod("p", "Failed", conditions=[{"type": "T", "status": "False"}]), False),
    ],
)  # fmt: skip
def test_rules_for_pods_that_fail(rule: dict[str, Any], failed: Pod, fits: bool) -> None:
    policy = PodFailurePolicy.from_dict({"rules": [{"action": "Ignore", **rule}, {"action": "Count", **rule}]})
    verdict = judge(policy, failed)
    assert (verdict.action, verdict.counts) == (("Ignore", False) if fits else ("", True))


def test_a_policy_says_which_rule_failed_the_job() -> None:
    rule = {"action": "FailJob", "onPodConditions": [{"type": "ConfigIssue", "status": "True"}]}
    failed = pod("p", "Failed", conditions=[{"type": "ConfigIssue", "status": "True"}])
    message = judge(PodFailurePolicy.from_dict({"rules": [rule]}), failed).message
    assert message == "Pod default/p has condition ConfigIssue matching FailJob rule at index 0"


@pytest.mark.parametrize(
    ("rules", "succeeded", "met"),
    [
        ([{"succeededCount": 2}], "0", None),
        ([{"succeededCount": 2}], "0,7", 0),
        ([{"succeededIndexes": "0-2"}], "0,1", None),
        ([{"succeededIndexes": "0-2"}], "0-5", 0),
        ([{"succeededIndexes": "0-2", "succeededCount": 2}], "1,2,9", 0),
        ([{"succeededIndexes": "0-2", "succeededCount": 2}], "2,9", None),
        ([{"succeededIndexes": "5"}, {"succeededCount": 1}], "2", 1),
        ([{"succeededCount": 0}], "", None),
    ],
)
def test_when_a_job_succeeds_early(rules: list[dict[str, Any]], succeeded: str, met: int | None) -> None:
    policy = SuccessPolicy.from_dict({"rules": rules})
    assert first_rule_met(policy, 10, Indexes.parse(succeeded, 10)) == met


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0), (1, 10), (2, 20), (3, 40), (6, 320), (7, 600), (50, 600)]
)  # fmt: skip
def test_waits_grow(failures: int, seconds: float) -> None:
    assert remaining(failures, NOW, NOW) == seconds
    assert remaining(failures, NOW, NOW + timedelta(seconds=seconds + 1)) == 0


def test_a_success_ends_a_row_of_failures() -> None:
    def failed(name: str, at: int) -> Pod:
        ready = {"type": "Ready", "status": "False", "lastTransitionTime": f"2026-01-01T00:00:{at:02}Z"}
        return pod(name, "Failed", conditions=[ready])

    three = Failures().after([], [failed("a", 1), failed("b", 3), failed("c", 2)])
    assert three == Failures(3, NOW + timedelta(seconds=3))
    assert three.after([], []) == three
    assert three.after([failed("s", 5)], [failed("d", 4)]) == Failures(0, None)
    assert three.after([failed("s", 5)], [failed("d", 4), failed("e", 6)]).count == 1


def test_when_a_pod_ended() -> None:
    assert finished_at(ended("p", 1)) == NOW + timedelta(seconds=10)
    deleted = pod("p", metadata={"deletionTimestamp": "2026-01-01T00:01:00Z", "deletionGracePeriodSeconds": 30})
    assert finished_at(deleted) == NOW + timedelta(seconds=30)
    assert finished_at(pod("p")) == NOW


def test_long_names_leave_room_for_the_index() -> None:
    long = job("a" * 63, completionMode="Indexed", completions=20)
    made = new_pod(long, 12)
    assert made.metadata.generateName == "a" * 54 + "-12-"
    assert made.spec.hostname == "a" * 63 + "-12"
    assert new_pod(job("work")).metadata.generateName == "work-"


def test_a_replacement_takes_the_failures_of_its_index_over() -> None:
    asked = job(completionMode="Indexed", completions=2, backoffLimitPerIndex=5)
    assert new_pod(asked, 1).metadata.annotations[FAILURE_COUNT] == "0"
    before = pod("p", "Failed", 1, annotations={FAILURE_COUNT: "3"})
    assert new_pod(asked, 1, before).metadata.annotations[FAILURE_COUNT] == "4"
    assert new_pod(asked, 1, pod("p", "Failed", 1)).metadata.annotations[FAILURE_COUNT] == "1"


def test_pods_that_are_too_many() -> None:
    asked = job(completionMode="Indexed", completions=3)
    found = [pod("a", index=0), pod("b", "Pending", 0), pod("c", index=1), pod("d", index=7), pod("e")]
    assert {each.metadata.name for each in surplus(asked, found, 0, NOW)} == {"b", "d", "e"}
    plain = [pod("a"), pod("b", "Pending"), pod("c")]
    assert [each.metadata.name for each in surplus(job(), plain, 1, NOW)] == ["b"]


def stated(asked: Job, **status: Any) -> Job:
    asked.status = type(asked.status).from_dict(status)
    asked.spec.backoffLimit = 6 if asked.spec.backoffLimit is None else asked.spec.backoffLimit
    return asked


def test_pods_are_counted_by_what_the_status_has_not() -> None:
    """Pods that it names are known, those without a finalizer are in its numbers, the others are new."""
    uncounted = {"succeeded": ["named"], "failed": ["lost"]}
    asked = stated(job(completions=9, parallelism=9), succeeded=2, failed=1, uncountedTerminatedPods=uncounted)
    free = pod("free", "Succeeded", metadata={"finalizers": []})
    found = [pod("named", "Succeeded"), pod("new", "Succeeded"), pod("off", "Succeeded"), free, pod("bad", "Failed")]
    progress = look(asked, [*found, pod("on")], {"off"}, Failures())
    assert (progress.succeeded, progress.failed, progress.active) == (4, 3, 1)
    assert wanted_active(progress) == 5
    to_free, all_named = tracking.name_uncounted(progress, None)
    assert [each.metadata.uid for each in to_free] == ["named", "new", "bad"]
    assert all_named
    assert (progress.uncounted.succeeded, progress.uncounted.failed) == (["named", "new"], ["lost", "bad"])
    tracking.count(progress.job.status, {"new"})
    assert (progress.job.status.succeeded, progress.job.status.failed) == (3, 3)
    assert (progress.uncounted.succeeded, progress.uncounted.failed) == (["new"], [])
    assert asked.status.succeeded == 2  # what was looked at is not changed


def test_only_so_many_pods_are_named_at_a_time() -> None:
    asked = stated(job(completions=600, parallelism=600))
    progress = look(asked, [pod(f"p{n}", "Succeeded") for n in range(600)], (), Failures())
    to_free, all_named = tracking.name_uncounted(progress, None)
    assert (len(to_free), all_named) == (tracking.MOST_UNCOUNTED, False)


def test_an_index_that_failed_waits_for_its_pod_to_be_replaced() -> None:
    asked = stated(job(completionMode="Indexed", completions=3, parallelism=3, backoffLimitPerIndex=1))
    failed, again = pod("a", "Failed", 0), pod("b", "Failed", 0, annotations={FAILURE_COUNT: "1"})
    progress = look(asked, [failed, pod("c", index=1)], (), Failures())
    assert progress.kept == {0: failed}
    assert pending_indexes(progress, 3) == [0, 2]
    assert tracking.name_uncounted(progress, None)[0] == []
    progress = look(asked, [failed, again], (), Failures())
    assert str(progress.failed_indexes) == "0"
    assert pending_indexes(progress, 3) == [1, 2]


@pytest.mark.parametrize(
    ("spec", "found", "reason"),
    [
        ({"backoffLimit": 0}, [pod("a", "Failed")], "BackoffLimitExceeded"),
        ({"backoffLimit": 1}, [pod("a", "Failed")], None),
        ({"activeDeadlineSeconds": 5}, [], "DeadlineExceeded"),
        ({"activeDeadlineSeconds": 5, "suspend": True}, [], None),
        ({"activeDeadlineSeconds": 500}, [], None),
        ({"completionMode": "Indexed", "completions": 2, "backoffLimitPerIndex": 0, "maxFailedIndexes": 0},
         [pod("a", "Failed", 1)], "MaxFailedIndexesExceeded"),
        ({"completionMode": "Indexed", "completions": 2, "backoffLimitPerIndex": 0},
         [pod("a", "Failed", 1), pod("b", "Succeeded", 0)], "FailedIndexes"),
        ({"completionMode": "Indexed", "completions": 2, "backoffLimitPerIndex": 0}, [pod("a", "Failed", 1)], None),
    ],
)  # fmt: skip
def test_what_ends_a_job(spec: dict[str, Any], found: list[Pod], reason: str | None) -> None:
    asked = stated(job(**spec), startTime="2025-12-31T23:59:30Z")
    if "backoffLimitPerIndex" in spec:
        asked.spec.backoffLimit = 2**31 - 1
    end = outcome(look(asked, found, (), Failures()), NOW)
    assert (end and (end.type, end.reason)) == (reason and ("FailureTarget", reason))
