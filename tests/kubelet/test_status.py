"""A pod's status as a function of what is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.core_v1 import PodStatus
from kubelet.pod_view import PodView, Waiting
from kubelet.runtime.protocol import (
    ContainerConfig,
    ContainerState,
    ContainerStatus,
    Sandbox,
    SandboxConfig,
    SandboxState,
)
from kubelet.status import pod_status, qos_class
from kubelet.status_writer import status_patch
from tests.kubelet.support import pod

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SANDBOX = Sandbox("s", SandboxConfig("uid-web", "web", "default", "web"), SandboxState.READY, NOW, ("10.0.0.5",))


def run(name: str = "main", state: str = "running", *, attempt: int = 0, code: int = 0) -> ContainerStatus:
    ended = NOW if state == "exited" else None
    return ContainerStatus(
        f"id-{name}-{attempt}",
        "s",
        "uid-web",
        ContainerConfig(name, "img:1", ("run",), attempt=attempt),
        ContainerState(state),
        NOW,
        started_at=NOW,
        finished_at=ended,
        exit_code=code,
        reason=("Error" if code else "Completed") if ended else "",
    )


def view(*runs: ContainerStatus, subject: Any = None, **fields: Any) -> PodView:
    history: dict[str, list[ContainerStatus]] = {}
    for item in runs:
        history.setdefault(item.name, []).append(item)
    fields.setdefault("sandbox", SANDBOX)
    return PodView(subject or pod("web"), history=history, runtime_name="test", **fields)


def two(**spec: Any) -> Any:
    return pod("web", containers=[{"name": "a"}, {"name": "b"}], **spec)


@pytest.mark.parametrize(
    ("subject", "runs", "phase"),
    [
        (pod("web"), [], "Pending"),
        (pod("web"), [run()], "Running"),
        (two(), [run("a")], "Pending"),
        (two(), [run("a"), run("b")], "Running"),
        (two(), [run("a"), run("b", "exited", code=1)], "Running"),
        (two(restartPolicy="Never"), [run("a", "exited"), run("b", "exited", code=1)], "Failed"),
        (two(restartPolicy="Never"), [run("a", "exited"), run("b", "exited")], "Succeeded"),
        (two(restartPolicy="Never"), [run("a"), run("b", "exited", code=1)], "Running"),
        (two(restartPolicy="OnFailure"), [run("a", "exited"), run("b", "exited", code=1)], "Running"),
        (pod("web"), [run(state="exited")], "Running"),
        (pod("web", initContainers=[{}]), [], "Pending"),
        (pod("web", initContainers=[{}]), [run("init0")], "Pending"),
        (pod("web", initContainers=[{}]), [run("init0", "exited")], "Pending"),
        (pod("web", initContainers=[{}]), [run("init0", "exited"), run()], "Running"),
        (pod("web", initContainers=[{}], restartPolicy="Never"), [run("init0", "exited", code=2)], "Failed"),
        (pod("web", initContainers=[{}]), [run("init0", "exited", code=2)], "Pending"),
    ],
)
def test_the_phase_sums_up_the_containers(subject: Any, runs: list[ContainerStatus], phase: str) -> None:
    assert pod_status(view(*runs, subject=subject), NOW).phase == phase


def test_a_pod_that_ends_is_judged_by_its_exit_codes() -> None:
    assert pod_status(view(run(state="exited"), terminating=True), NOW).phase == "Succeeded"
    assert pod_status(view(run(state="exited", code=143), terminating=True), NOW).phase == "Failed"
    assert pod_status(view(run(), terminating=True), NOW).phase == "Running"


def test_a_finished_pod_never_comes_back() -> None:
    subject = pod("web")
    subject.status.phase = "Failed"
    assert pod_status(view(run(), subject=subject), NOW).phase == "Failed"


def test_waiting_replaces_an_end_that_is_not_the_last() -> None:
    found = pod_status(view(run(state="exited", code=1), waiting={"main": Waiting("CrashLoopBackOff", "wait")}), NOW)
    status = found.containerStatuses[0]
    assert status.state.waiting is not None
    assert status.state.waiting.reason == "CrashLoopBackOff"
    assert status.lastState.terminated is not None
    assert status.lastState.terminated.exitCode == 1


def test_the_run_before_is_the_last_state() -> None:
    found = pod_status(view(run(attempt=2), run(state="exited", attempt=1, code=9)), NOW).containerStatuses[0]
    assert found.restartCount == 2
    assert found.lastState.terminated is not None
    assert found.lastState.terminated.exitCode == 9


def test_startup_and_readiness_hold_back() -> None:
    running = run()
    held = pod_status(view(running, not_started=frozenset({running.id})), NOW).containerStatuses[0]
    assert (held.started, held.ready) == (False, False)
    unready = pod_status(view(running, unready=frozenset({running.id})), NOW)
    assert (unready.containerStatuses[0].started, unready.containerStatuses[0].ready) == (True, False)
    condition = next(c for c in unready.conditions if c.type == "Ready")
    assert (condition.reason, condition.message) == (
        "ContainersNotReady",
        "containers with unready status: [main]",
    )


def test_condition_times_change_only_with_the_status() -> None:
    subject = pod("web")
    subject.status = pod_status(view(run(), subject=subject), NOW)
    later = NOW + timedelta(minutes=1)
    again = pod_status(view(run(), subject=subject), later)
    assert {c.lastTransitionTime for c in again.conditions} == {NOW}
    changed = pod_status(view(run(), subject=subject, unready=frozenset({"id-main-0"})), later)
    assert {c.type for c in changed.conditions if c.lastTransitionTime == later} == {"Ready", "ContainersReady"}


def test_a_lost_container_is_said_to_be_unknown() -> None:
    subject = pod("web")
    subject.status = pod_status(view(run(), subject=subject), NOW)
    gone = pod_status(view(subject=subject, terminating=True), NOW).containerStatuses[0].state.terminated
    assert gone is not None
    assert (gone.exitCode, gone.reason) == (137, "ContainerStatusUnknown")


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_quality_of_service(resources: dict[str, Any], expected: str) -> None:
    assert qos_class(pod("web", containers=[{"resources": resources}])) == expected


def test_nothing_changed_is_no_patch() -> None:
    status = pod_status(view(run()), NOW)
    assert status_patch(status, status) == {}


def test_a_patch_leaves_others_conditions_alone() -> None:
    old = pod_status(view(run()), NOW)
    with_gate = PodStatus.from_dict(old.to_dict())
    extra = {"type": "example.com/gate", "status": "True"}
    with_gate = PodStatus.from_dict({**with_gate.to_dict(), "conditions": [*with_gate.to_dict()["conditions"], extra]})
    assert status_patch(with_gate, old) == {}
    unready = pod_status(view(run(), unready=frozenset({"id-main-0"})), NOW)
    patch = status_patch(with_gate, unready)
    assert {c["type"] for c in patch["conditions"]} == {"Ready", "ContainersReady"}
    back = status_patch(unready, old)
    assert all(c["reason"] is None and c["message"] is None for c in back["conditions"])


def test_addresses_are_replaced_as_a_whole() -> None:
    old = pod_status(view(run()), NOW)
    new = pod_status(view(run(), sandbox=replace(SANDBOX, ips=("10.0.0.6",))), NOW)
    patch = status_patch(old, new)
    assert patch["podIPs"] == [{"$patch": "replace"}, {"ip": "10.0.0.6"}]
    assert patch["podIP"] == "10.0.0.6"
