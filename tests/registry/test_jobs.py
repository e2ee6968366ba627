"""Jobs and the CronJobs that make them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from api.batch_v1 import CronJob, Job, JobStatus
from api.meta_v1 import LabelSelector
from apiserver.registry.cron_jobs import CronJobs
from apiserver.registry.job_spec import count_indexes
from apiserver.registry.jobs import Jobs
from tests.registry.builders import NOW, complaints, created, update_complaints

LABELS = {
    "batch.kubernetes.io/controller-uid": "u",
    "batch.kubernetes.io/job-name": "j",
    "controller-uid": "u",
    "job-name": "j",
}


def template(**spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never", **spec}}


def job(**spec: Any) -> Job:
    spec.setdefault("template", template())
    return Job.from_dict({"metadata": {"name": "j", "namespace": "n", "uid": "u"}, "spec": spec})


def cron_job(schedule: str = "* * * * *", job_spec: dict[str, Any] | None = None, **spec: Any) -> CronJob:
    spec |= {"schedule": schedule, "jobTemplate": {"spec": {"template": template(), **(job_spec or {})}}}
    return CronJob.from_dict({"metadata": {"name": "c", "namespace": "n"}, "spec": spec})


def test_a_job_gets_labels_of_its_own_and_a_selector_for_them() -> None:
    found = created(Jobs(), job())
    assert found.spec.template.metadata.labels == LABELS
    assert found.spec.selector == LabelSelector(matchLabels={"batch.kubernetes.io/controller-uid": "u"})
    assert found.metadata.labels == {}
    Jobs().canonicalize(found)
    assert found.metadata.labels == LABELS


@pytest.mark.parametrize(
    ("spec", "completions", "parallelism"),
    [({}, 1, 1), ({"parallelism": 3}, None, 3), ({"completions": 3}, 3, 1)],
)
def test_how_often_a_job_runs(spec: dict[str, int], completions: int | None, parallelism: int) -> None:
    found = created(Jobs(), job(**spec))
    assert (found.spec.completions, found.spec.parallelism) == (completions, parallelism)


def test_a_job_that_counts_failures_by_index_has_no_limit_for_all() -> None:
    found = created(Jobs(), job(completionMode="Indexed", completions=2, backoffLimitPerIndex=1))
    assert found.spec.backoffLimit == 2**31 - 1
    assert created(Jobs(), job()).spec.backoffLimit == 6


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        (
            {"parallelism": -1, "template": template(restartPolicy="Always")},
            [
                "spec.parallelism: Invalid value: -1: must be greater than or equal to 0",
                'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
            ],
        ),
        ({"completionMode": "Indexed"}, []),
        (
            {"completionMode": "Indexed", "parallelism": 100_001},
            [
                "spec.completions: Required value: when completion mode is Indexed",
                "spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is "
                "Indexed",
            ],
        ),
        (
            {"backoffLimitPerIndex": 1},
            ["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"],
        ),
        (
            {"managedBy": "mine"},
            ['spec.managedBy: Invalid value: "mine": must be a domain-prefixed path (such as "acme.io/foo")'],
        ),
        (
            {"podFailurePolicy": {"rules": [{"action": "FailJob"}]}},
            [
                "spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is "
                "required"
            ],
        ),
        (
            {
                "podFailurePolicy": {
                    "rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [3, 0, 3]}}]
                }
            },
            [
                "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In "
                "operator",
                "spec.podFailurePolicy.rules[0].onExitCodes.values[2]: Duplicate value: 3",
                "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,0,3]: must be ordered",
            ],
        ),
        (
            {
                "completionMode": "Indexed",
                "completions": 5,
                "successPolicy": {
                    "rules": [{"succeededIndexes": "0-9"}, {"succeededIndexes": "1", "succeededCount": 2}]
                },
            },
            [
                'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "0-9": error parsing succeededIndexes: '
                'too large index: "9"',
                "spec.successPolicy.rules[1].succeededCount: Invalid value: 2: must be less than or equal to 1 (the "
                "number of indexes in the specified succeededIndexes field)",
            ],
        ),
        (
            {"podReplacementPolicy": "TerminatingOrFailed", "podFailurePolicy": {"rules": []}},
            ['spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"'],
        ),
        (
            {"manualSelector": True, "selector": {"matchLabels": {"a": "b"}}},
            ["spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`"],
        ),
        (
            {"selector": {"matchLabels": {"a": "b"}}},
            [
                'spec.selector: Invalid value: {"matchLabels":{"a":"b","batch.kubernetes.io/controller-uid":"u"}}: '
                "`selector` not auto-generated",
                "spec.template.metadata.labels: Invalid value: "
                '{"batch.kubernetes.io/controller-uid":"u","batch.kubernetes.io/job-name":"j","controller-uid":"u",'
                '"job-name":"j"}: `selector` does not match template `labels`',
            ],
        ),
    ],
)
def test_rules_of_jobs(spec: dict[str, Any], expected: list[str]) -> None:
    assert complaints(Jobs(), job(**spec)) == expected


def _image(obj: Job) -> None:
    obj.spec.template.spec.containers[0].image = "other"


def _node(obj: Job) -> None:
    obj.spec.template.spec.nodeSelector = {"a": "b"}


def _completions(obj: Job) -> None:
    obj.spec.completions = 7


def _elastic(obj: Job) -> None:
    obj.spec.completions = obj.spec.parallelism = 7


@pytest.mark.parametrize(
    ("spec", "change", "fields"),
    [
        ({}, _image, ["spec.template"]),
        ({}, _node, ["spec.template"]),
        ({"suspend": True}, _node, []),
        ({"suspend": True}, _image, ["spec.template.spec"]),
        ({}, _completions, ["spec.completions"]),
        ({"completionMode": "Indexed", "completions": 2}, _completions, ["spec.completions"]),
        ({"completionMode": "Indexed", "completions": 2}, _elastic, []),
    ],
)
def test_what_may_change_of_a_job(spec: dict[str, Any], change: Any, fields: list[str]) -> None:
    assert [text.split(":")[0] for text in update_complaints(Jobs(), job(**spec), change)] == fields


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("3", 1), ("0,2-4", 4), ("4,2", None), ("2-1", None), ("1-2-3", None), ("a", None)]
)
def test_indexes_as_text(text: str, count: int | None) -> None:
    if count is None:
        with pytest.raises(ValueError, match=r"order|parts|integer"):
            count_indexes(text, 5)
    else:
        assert count_indexes(text, 5) == count


def _with_status(**status: Any) -> Job:
    found: Job = created(Jobs(), job())
    found.status = JobStatus.from_dict(status)
    return found


def condition(kind: str) -> dict[str, str]:
    return {"type": kind, "status": "True"}


START = "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"active": 1, "startTime": START}, []),
        (
            {"succeeded": 2},
            {"succeeded": 1, "active": -1},
            [
                "status.active: Invalid value: -1: must be greater than or equal to 0",
                "status.succeeded: Invalid value: 1: cannot decrease the succeeded counter",
            ],
        ),
        (
            {"startTime": START},
            {"startTime": START, "conditions": [condition("Complete"), condition("SuccessCriteriaMet")]},
            ["status.completionTime: Required value: completionTime is required for Complete jobs"],
        ),
        (
            {},
            {"conditions": [condition("Failed")], "active": 1},
            [
                "status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true "
                "condition",
                "status.active: Invalid value: 1: active>0 is invalid for finished job",
                "status.startTime: Required value: startTime is required for finished job",
            ],
        ),
        (
            {"startTime": START},
            {},
            ["status.startTime: Invalid value: null: field is immutable for unsuspended job once set"],
        ),
        ({"startTime": "2026-01-01T00:00:00Z", "conditions": [condition("Suspended")]}, {"startTime": START}, []),
        (
            {"conditions": [condition("Failed"), condition("FailureTarget")]},
            {"conditions": [condition("FailureTarget")]},
            ["status.conditions: Invalid value: cannot disable the terminal Failed=True condition"],
        ),
    ],
)
def test_what_may_be_said_of_a_job(before: dict[str, Any], after: dict[str, Any], expected: list[str]) -> None:
    found = Jobs().subresources[0].validate_update(_with_status(**after), _with_status(**before))
    assert [str(error) for error in found] == expected


@pytest.mark.parametrize(
    ("status", "cells"),
    [
        ({}, ["Running", "0/1", ""]),
        ({"startTime": START, "succeeded": 1}, ["Running", "1/1", "90s"]),
        ({"conditions": [condition("Complete")]}, ["Complete", "0/1", ""]),
        ({"conditions": [condition("Suspended")]}, ["Suspended", "0/1", ""]),
    ],
)
def test_how_jobs_are_shown(status: dict[str, Any], cells: list[str]) -> None:
    assert Jobs().cells(_with_status(**status), NOW + timedelta(seconds=90))[1:4] == cells


def test_a_long_name_is_not_good_for_a_jobs_pods() -> None:
    assert [text.split(":")[0] for text in Jobs().warnings(job(), None)] == []
    named = job()
    named.metadata.name = "a.b"
    assert [text.split(":")[0] for text in Jobs().warnings(named, None)] == ["metadata.name"]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (cron_job(), []),
        (cron_job(timeZone="Europe/Berlin"), []),
        (cron_job(""), ["spec.schedule: Required value"]),
        (cron_job("x"), ['spec.schedule: Invalid value: "x": expected exactly 5 fields, found 1: [x]']),
        (
            cron_job("TZ=UTC 0 0 * * *"),
            [
                'spec.schedule: Invalid value: "TZ=UTC 0 0 * * *": cannot use TZ or CRON_TZ in schedule, use timeZone '
                "field instead"
            ],
        ),
        (cron_job(timeZone="Not/There"), ['spec.timeZone: Invalid value: "Not/There": unknown time zone Not/There']),
        (cron_job(timeZone="../etc"), ['spec.timeZone: Invalid value: "../etc": unknown time zone ../etc']),
        (
            cron_job(concurrencyPolicy="Never", failedJobsHistoryLimit=-1),
            [
                'spec.concurrencyPolicy: Unsupported value: "Never": supported values: "Allow", "Forbid", "Replace"',
                "spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0",
            ],
        ),
        (
            cron_job(job_spec={"selector": {"matchLabels": {"a": "b"}}, "manualSelector": True}),
            [
                'spec.jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` will be '
                "auto-generated",
                'spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"',
            ],
        ),
    ],
    ids=lambda value: value.spec.schedule if isinstance(value, CronJob) else None,
)
def test_rules_of_cron_jobs(made: CronJob, expected: list[str]) -> None:
    assert complaints(CronJobs(), made) == expected


def test_cron_jobs_leave_room_in_their_names() -> None:
    made = cron_job()
    made.metadata.name = "x" * 53
    assert complaints(CronJobs(), made) == [
        f'metadata.name: Invalid value: "{"x" * 53}": must be no more than 52 characters'
    ]
    assert update_complaints(CronJobs(), made, lambda _: None) == []
