"""The line of a pod in `kubectl get pods`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from api.core_v1 import Pod
from apiserver.registry.human_duration import human_duration
from apiserver.registry.pods import Pods
from tests.registry.builders import NOW


def cells(status: dict[str, Any], spec: dict[str, Any] | None = None, *, deleting: bool = False) -> list[Any]:
    spec = {"containers": [{"name": "c", "image": "i"}], **(spec or {})}
    obj = Pod.from_dict({"metadata": {"name": "p"}, "spec": spec, "status": status})
    obj.metadata.creationTimestamp = NOW - timedelta(minutes=5)
    if deleting:
        obj.metadata.deletionTimestamp = NOW
    return Pods().cells(obj, NOW)


def container(name: str = "c", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "i", "imageID": "", "ready": False, "restartCount": 0, **fields}


RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


def test_a_running_pod() -> None:
    status = {"phase": "Running", "podIP": "10.1.0.2", "containerStatuses": [container(ready=True, state=RUNNING)]}
    assert cells(status, {"nodeName": "n1"}) == [
        "p", "1/1", "Running", "0", "5m", "10.1.0.2", "n1", "<none>", "<none>",
    ]  # fmt: skip


def test_restarts_and_the_last_of_them() -> None:
    state = {"terminated": {"exitCode": 1, "finishedAt": "2026-01-02T02:59:05Z"}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    found = cells(
        {"phase": "Running", "containerStatuses": [container(restartCount=4, state=waiting, lastState=state)]}
    )
    assert found[1:4] == ["0/1", "CrashLoopBackOff", "4 (5m ago)"]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ({"terminated": {"exitCode": 3, "signal": 9}}, "Signal:9"),
        ({"terminated": {"exitCode": 3}}, "ExitCode:3"),
        ({"terminated": {"exitCode": 0, "reason": "Completed"}}, "Completed"),
        ({"waiting": {"reason": "ImagePullBackOff"}}, "ImagePullBackOff"),
    ],
)
def test_what_keeps_a_container_from_running(state: dict[str, Any], status: str) -> None:
    assert cells({"phase": "Running", "containerStatuses": [container(state=state)]})[2] == status


def test_one_of_two_containers_completed() -> None:
    done = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    statuses = [container("a", state=done), container("b", ready=True, state=RUNNING)]
    two = {"containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]}
    assert cells({"phase": "Running", "containerStatuses": statuses}, two)[1:3] == ["1/2", "NotReady"]
    ready = [{"type": "Ready", "status": "True"}]
    assert cells({"phase": "Running", "conditions": ready, "containerStatuses": statuses}, two)[2] == "Running"


INIT = {"initContainers": [{"name": "one", "image": "i"}, {"name": "two", "image": "i"}]}
DONE = container("one", ready=True, state={"terminated": {"exitCode": 0}})


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ({"waiting": {"reason": "PodInitializing"}}, "Init:1/2"),
        ({"terminated": {"exitCode": 7}}, "Init:ExitCode:7"),
        ({"terminated": {"exitCode": 1, "reason": "Error"}}, "Init:Error"),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, "Init:CrashLoopBackOff"),
    ],
)
def test_init_containers(state: dict[str, Any], status: str) -> None:
    found = cells({"phase": "Pending", "initContainerStatuses": [DONE, container("two", state=state)]}, INIT)
    assert found[2] == status


def test_a_sidecar_counts_as_a_container() -> None:
    spec = {"initContainers": [{"name": "side", "image": "i", "restartPolicy": "Always"}]}
    status = {
        "phase": "Running",
        "initContainerStatuses": [container("side", ready=True, started=True, restartCount=2, state=RUNNING)],
        "containerStatuses": [container(ready=True, state=RUNNING)],
    }
    assert cells(status, spec)[1:4] == ["2/2", "Running", "2"]


def test_deletion() -> None:
    assert cells({"phase": "Running"}, deleting=True)[2] == "Terminating"
    assert cells({"phase": "Succeeded"}, deleting=True)[2] == "Succeeded"
    assert cells({"phase": "Running", "reason": "NodeLost"}, deleting=True)[2] == "Unknown"


def test_gates() -> None:
    gated = [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]
    assert cells({"phase": "Pending", "conditions": gated})[2] == "SchedulingGated"
    met = [{"type": "a/x", "status": "True"}]
    gates = {"readinessGates": [{"conditionType": "a/x"}, {"conditionType": "a/y"}]}
    assert cells({"phase": "Running", "conditions": met}, gates)[8] == "1/2"


def test_finished_rows_are_marked() -> None:
    (condition,) = Pods().row_conditions(Pod.from_dict({"status": {"phase": "Succeeded"}}))
    assert (condition["type"], condition["reason"]) == ("Completed", "Succeeded")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-0.5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (7.5 * 3600, "7h30m"),
        (47 * 3600, "47h"),
        (50 * 3600, "2d2h"),
        (8 * 86400, "8d"),
        (2 * 365 * 86400, "2y"),
        (3 * 365 * 86400 + 86400, "3y1d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_ages(seconds: float, text: str) -> None:
    assert human_duration(timedelta(seconds=seconds)) == text
