"""What becomes of pods on a node with the sim runtime, on a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.clock import ManualClock
from api.core_v1 import Pod
from kubelet.runtime.sim import EXIT_CODE, RUN_SECONDS, START_ERROR, SimRuntime
from kubelet.timers import Timers
from tests.kubelet.fake_api import FakeApi
from tests.kubelet.support import TestNode, pod, running, settle, until


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def node(clock: ManualClock) -> AsyncIterator[TestNode]:
    async with running(TestNode(clock, FakeApi(clock))) as found:
        yield found


async def test_a_pod_becomes_ready_with_one_status_write(node: TestNode, clock: ManualClock) -> None:
    node.api.add(pod("web"))
    await until(lambda: node.ready("web"))
    written = node.api.pod("web").status
    assert written.phase == "Running"
    assert written.podIP == "10.9.0.2"
    assert [ip.ip for ip in written.podIPs] == ["10.9.0.2"]
    assert written.hostIP == "192.168.7.1"
    assert written.startTime is not None
    assert [(c.type, c.status) for c in written.conditions] == [
        ("PodReadyToStartContainers", "True"),
        ("Initialized", "True"),
        ("Ready", "True"),
        ("ContainersReady", "True"),
        ("PodScheduled", "True"),
    ]
    container = written.containerStatuses[0]
    assert container.ready
    assert container.started
    assert container.state.running is not None
    assert container.containerID.startswith("sim://")
    assert len(node.api.statuses) == 1
    await clock.advance(60)
    assert len(node.api.statuses) == 1


async def test_events_tell_the_start(node: TestNode) -> None:
    node.api.add(pod("web"))
    await until(lambda: node.api.events("Started"))
    told = [(e.reason, e.message, e.involvedObject.fieldPath) for e in node.api.events()]
    assert told == [
        (
            "Pulled",
            'Container image "img:1" already present on machine and can be accessed by the pod',
            "spec.containers{main}",
        ),
        ("Created", "Container created", "spec.containers{main}"),
        ("Started", "Container started", "spec.containers{main}"),
    ]


async def test_a_deleted_pod_ends_and_is_removed(node: TestNode) -> None:
    node.api.add(pod("web"))
    await until(lambda: node.ready("web"))
    await node.api.delete(Pod, "web", "default")
    await until(lambda: node.api.pod("web") is None)
    await until(lambda: not node.kubelet.workers)
    assert await node.runtime.list_sandboxes() == []
    last = node.api.statuses[-1]
    assert last["phase"] == "Succeeded"
    await until(lambda: [e.message for e in node.api.events("Killing")] == ["Stopping container main"])


async def test_a_pod_that_vanished_is_ended(node: TestNode) -> None:
    node.api.add(pod("web"))
    await until(lambda: node.ready("web"))
    node.api.remove(node.api.pod("web"))
    await until(lambda: not node.kubelet.workers)
    assert await node.runtime.list_containers() == []


async def test_a_container_that_ends_restarts_with_growing_back_off(node: TestNode, clock: ManualClock) -> None:
    node.api.add(pod("web", annotations={RUN_SECONDS: "1", EXIT_CODE: "3"}))
    await until(lambda: node.ready("web"))
    await clock.advance(1.1)
    await until(lambda: node.container("web").restartCount == 1)  # the first time at once
    assert node.container("web").lastState.terminated.exitCode == 3
    assert node.container("web").lastState.terminated.reason == "Error"
    await clock.advance(1.1)
    waiting = await until(lambda: node.container("web").state.waiting)
    assert waiting.reason == "CrashLoopBackOff"
    assert waiting.message == "back-off 10s restarting failed container=main pod=web_default(uid-web)"
    assert node.phase("web") == "Running"
    assert not node.ready("web")
    await clock.advance(9)
    assert node.container("web").restartCount == 1
    await clock.advance(2)
    await until(lambda: node.container("web").restartCount == 2)
    await clock.advance(1.1)
    await until(lambda: "back-off 20s" in (node.container("web").state.waiting or waiting).message)
    message = "Back-off restarting failed container main in pod web_default(uid-web)"
    await until(lambda: [e.message for e in node.api.events("BackOff")] == [message])


@pytest.mark.parametrize(
    ("policy", "code", "phase"),
    [("Never", "0", "Succeeded"), ("Never", "4", "Failed"), ("OnFailure", "0", "Succeeded")],
)
async def test_a_pod_ends_with_its_containers(
    node: TestNode, clock: ManualClock, policy: str, code: str, phase: str
) -> None:
    node.api.add(pod("job", restartPolicy=policy, annotations={RUN_SECONDS: "5", EXIT_CODE: code}))
    await until(lambda: node.ready("job"))
    await clock.advance(5.1)
    await until(lambda: node.phase("job") == phase)
    status = node.api.pod("job").status
    conditions = {c.type: (c.status, c.reason) for c in status.conditions}
    reason = "PodCompleted" if phase == "Succeeded" else "PodFailed"
    assert conditions["Ready"] == ("False", reason)
    assert conditions["ContainersReady"] == ("False", reason)
    assert status.containerStatuses[0].state.terminated.exitCode == int(code)
    assert status.podIP == "10.9.0.2"


async def test_init_containers_run_one_after_another(node: TestNode, clock: ManualClock) -> None:
    node.api.add(pod("web", initContainers=[{"name": "first"}, {"name": "second"}], annotations={RUN_SECONDS: "5"}))
    first = await until(lambda: (c := node.api.pod("web").status.initContainerStatuses) and c[0].state.running and c)
    assert first[1].state.waiting.reason == "PodInitializing"
    assert node.container("web").state.waiting.reason == "PodInitializing"
    condition = next(c for c in node.api.pod("web").status.conditions if c.type == "Initialized")
    assert condition.message == "containers with incomplete status: [first second]"
    assert node.phase("web") == "Pending"
    await clock.advance(5.1)
    await until(lambda: node.container("web", "second").state.running)
    assert node.container("web", "first").state.terminated.reason == "Completed"
    assert node.container("web", "first").ready
    await clock.advance(5.1)
    await until(lambda: node.ready("web"))


async def test_a_failed_init_container_fails_a_pod_that_never_restarts(node: TestNode, clock: ManualClock) -> None:
    node.api.add(pod("web", restartPolicy="Never", initContainers=[{}], annotations={RUN_SECONDS: "1", EXIT_CODE: "1"}))
    await until(lambda: node.phase("web") == "Failed", clock=clock)


async def test_sidecars_start_first_and_end_last(node: TestNode, clock: ManualClock) -> None:
    node.api.add(pod("web", initContainers=[{"name": "proxy", "restartPolicy": "Always"}]))
    await until(lambda: node.ready("web"))
    assert node.container("web", "proxy").started
    await node.api.delete(Pod, "web", "default")
    await until(lambda: node.api.pod("web") is None)
    order = ["Stopping container main", "Stopping container proxy"]
    await until(lambda: [e.message for e in node.api.events("Killing")] == order)


async def test_a_container_that_cannot_start_says_why(node: TestNode, clock: ManualClock) -> None:
    node.api.add(pod("web", annotations={START_ERROR: "no such file"}))
    status = await until(lambda: node.api.pod("web").status.containerStatuses and node.container("web"))
    assert status.state.waiting.reason == "RunContainerError"
    assert status.state.waiting.message == "no such file"
    assert status.lastState.terminated.reason == "StartError"
    assert status.lastState.terminated.exitCode == 128
    await until(lambda: node.container("web").state.waiting.reason == "CrashLoopBackOff", clock=clock)
    assert node.phase("web") == "Running"


async def test_the_deadline_fails_a_pod(node: TestNode, clock: ManualClock) -> None:
    node.api.add(pod("web", activeDeadlineSeconds=30))
    await until(lambda: node.ready("web"))
    await clock.advance(31)
    await until(lambda: node.phase("web") == "Failed")
    status = node.api.pod("web").status
    assert status.reason == "DeadlineExceeded"
    assert status.message == "Pod was active on the node longer than the specified deadline"


async def test_readiness_gates_hold_a_pod_back(node: TestNode) -> None:
    node.api.add(pod("web", readinessGates=[{"conditionType": "example.com/lb"}]))
    await until(lambda: node.phase("web") == "Running")
    ready = next(c for c in node.api.pod("web").status.conditions if c.type == "Ready")
    assert (ready.status, ready.reason) == ("False", "ReadinessGatesNotReady")
    assert ready.message == 'corresponding condition of pod readiness gate "example.com/lb" does not exist.'
    body = {"status": {"conditions": [{"type": "example.com/lb", "status": "True"}]}}
    await node.api.patch(Pod, "web", "default", body, subresource="status")
    await until(lambda: node.ready("web"))
    assert any(c.type == "example.com/lb" for c in node.api.pod("web").status.conditions)


async def test_a_pod_that_does_not_fit_is_refused(node: TestNode) -> None:
    node.api.add(pod("big", containers=[{"resources": {"requests": {"cpu": "5"}}}]))
    await until(lambda: node.phase("big") == "Failed")
    status = node.api.pod("big").status
    assert status.reason == "OutOfcpu"
    assert status.message == (
        "Pod was rejected: Node didn't have enough resource: cpu, requested: 5000, used: 0, capacity: 4000"
    )
    assert status.containerStatuses == [], "nothing of it is being started"


async def test_resources_that_somebody_gave_the_node_are_for_pods(node: TestNode) -> None:
    dongle = "example.com/dongle"
    wants = {"resources": {"requests": {dongle: "2"}, "limits": {dongle: "2"}}}
    node.api.add(pod("early", containers=[wants]))
    await until(lambda: node.phase("early") == "Running")  # nobody here counts what the node knows nothing of
    given = node.node().copy_deep()
    given.status.capacity[dongle] = "5"
    node.api.change(given)
    await until(lambda: node.node().status.allocatable.get(dongle) == "5")
    node.api.add(pod("fits", containers=[wants]))
    node.api.add(pod("more", containers=[wants]))
    await until(lambda: (node.phase("fits"), node.phase("more")) == ("Running", "Failed"))
    assert node.api.pod("more").status.reason == f"OutOf{dongle}"
    taken = node.node().copy_deep()
    del taken.status.capacity[dongle]
    node.api.change(taken)
    await until(lambda: dongle not in node.node().status.allocatable)


async def test_a_changed_image_restarts_the_container(node: TestNode, clock: ManualClock) -> None:
    node.api.add(pod("web"))
    await until(lambda: node.ready("web"))
    changed = node.api.pod("web").copy_deep()
    changed.spec.containers[0].image = "img:2"
    changed.metadata.generation = 2
    node.api.change(changed)
    await until(lambda: node.container("web").restartCount == 1 and node.container("web").image == "img:2")
    assert node.api.pod("web").status.observedGeneration == 2
    message = "Container main definition changed, will be restarted"
    await until(lambda: [e.message for e in node.api.events("Killing")] == [message])


async def test_status_written_by_others_is_set_right_again(node: TestNode) -> None:
    node.api.add(pod("web"))
    await until(lambda: node.ready("web"))
    body = {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "NodeNotReady"}]}}
    await node.api.patch(Pod, "web", "default", body, subresource="status")
    assert not node.ready("web")
    await until(lambda: node.ready("web"))


async def test_what_an_answer_tells_before_the_watch_does_is_acted_on(
    node: TestNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody changes a pod just before its status is written: the watch will tell nothing that is newer."""
    api, patch = node.api, node.api.patch
    changed: list[Pod] = []

    async def overtaken(model: type, name: str, *arguments: Any, **options: Any) -> Any:
        if model is Pod and not changed:
            monkeypatch.setattr(api, "_tell", lambda kind, obj: None)
            changed.append(api.pod(name).copy_deep())
            changed[0].metadata.generation += 1
            changed[0].spec.containers[0].image = "img:2"
            api.change(changed[0])
        return await patch(model, name, *arguments, **options)

    monkeypatch.setattr(api, "patch", overtaken)
    api.add(pod("web"))
    await until(lambda: api.pod("web").status.observedGeneration == 2)


async def test_status_writes_are_retried(node: TestNode, clock: ManualClock) -> None:
    from tests.kubelet.fake_api import forbidden

    node.api.fail = [forbidden(), forbidden()]
    node.api.add(pod("web"))
    await until(lambda: node.ready("web"), clock=clock)


async def test_a_restarted_kubelet_adopts_its_pods(clock: ManualClock) -> None:
    api = FakeApi(clock)
    async with running(TestNode(clock, api)) as node:
        api.add(pod("web"))
        await until(lambda: node.ready("web"))
    writes = len(api.statuses)
    async with running(TestNode(clock, api)) as node:
        await until(lambda: node.kubelet.workers)
        await settle()
        assert node.container("web").restartCount == 0
        assert len(api.statuses) == writes
        await api.delete(Pod, "web", "default")
        await until(lambda: api.pod("web") is None)


class HastyRuntime(SimRuntime):
    """Its containers have ended by the time they are started."""

    async def start_container(self, container_id: str) -> None:
        await super().start_container(container_id)
        await self.signal_container(container_id, 15)


async def test_an_end_before_the_start_is_noted_is_not_missed(clock: ManualClock) -> None:
    runtime = HastyRuntime(clock, Timers(clock), "10.9.0.0/24")
    async with running(TestNode(clock, FakeApi(clock), runtime)) as node:
        node.api.add(pod("web"))
        await until(lambda: (c := node.container("web")) and c.restartCount == 1)
        waiting = await until(lambda: node.container("web").state.waiting)
        assert waiting.reason == "CrashLoopBackOff"
