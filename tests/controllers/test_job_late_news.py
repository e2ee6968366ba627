"""A job's pods change while its controller is at work with what it knew of them."""

from __future__ import annotations

from typing import Any, cast

from api.batch_v1 import Job
from api.clock import ManualClock
from api.core_v1 import Pod
from client.controller import SharedInformers
from client.events import EventRecorder
from client.rest import RestClient
from client.store import key_of
from controller_manager.job.controller import JobController
from controller_manager.job.pods import TRACKING, new_pod
from tests.controllers.batch import job


class Server:
    """Takes writes; `on_create` happens before a pod is made."""

    def __init__(self) -> None:
        self.succeeded: list[int] = []

    def on_create(self) -> None:
        """Whatever the test says."""

    async def create(self, obj: Any) -> Any:
        if isinstance(obj, Pod):
            self.on_create()
        return obj

    async def update(self, obj: Job, *, subresource: str) -> Job:
        self.succeeded.append(obj.status.succeeded)
        written = obj.copy_deep()
        written.metadata.resourceVersion = str(int(obj.metadata.resourceVersion) + 1)
        return written

    async def patch(self, *_: Any, **__: Any) -> None:
        return None


async def test_a_pod_that_is_seen_to_be_free_while_others_are_made_is_not_counted_again() -> None:
    server, clock = Server(), ManualClock()
    client = cast(RestClient, server)
    events = EventRecorder(client, "test", clock)
    controller = JobController(client, clock, SharedInformers(client, clock), events)
    work = job(completions=3, parallelism=1, selector={"matchLabels": {"job": "work"}})
    work.metadata.uid, work.metadata.resourceVersion = "uid", "1"
    work.spec.template.metadata.labels = {"job": "work"}
    work.status.succeeded = 1
    counted = new_pod(work)
    counted.metadata.name, counted.metadata.namespace, counted.metadata.uid = "counted", "default", "counted"
    counted.status.phase = "Succeeded"
    controller.jobs.put(work)
    controller.pods.put(counted)
    controller._coming_off[key_of(work)].add("counted")  # its end is in the status, and its finalizer taken away

    def hear() -> None:
        free = counted.copy_deep()
        free.metadata.finalizers.remove(TRACKING)
        controller.pods.put(free)
        assert list(controller._pod_changed(counted, free)) == [key_of(work)]

    server.on_create = hear  # type: ignore[method-assign]
    await controller.reconcile(key_of(work))
    await events.close()
    assert set(server.succeeded) == {1}
