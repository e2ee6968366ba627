"""Statuses on their way into the API."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from api.clock import ManualClock
from api.core_v1 import PodStatus
from api.errors import Conflict
from client.metrics import Registry
from client.rest import RestClient
from kubelet.metrics import KubeletMetrics
from kubelet.status_writer import StatusEntry, StatusWriter
from kubelet.timers import Timers
from tests.kubelet.fake_api import FakeApi
from tests.kubelet.support import pod, settle, until


class HeldApi(FakeApi):
    """Takes a status only once it is let."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.let = asyncio.Event()

    async def patch(self, *arguments: Any, **options: Any) -> Any:
        await self.let.wait()
        return await super().patch(*arguments, **options)


async def test_a_pod_that_ends_while_its_status_is_written_is_deleted_with_its_last_one() -> None:
    clock = ManualClock()
    api = HeldApi(clock)
    writer = StatusWriter(cast(RestClient, api), clock, Timers(clock), KubeletMetrics(Registry()))

    def written(answer: Any) -> None:
        entry.pod = answer

    entry = StatusEntry(api.add(pod("web")), written, PodStatus(phase="Running"))
    writer.submit(entry)
    await settle()
    entry.wanted, entry.delete = PodStatus(phase="Succeeded"), True
    writer.submit(entry)
    api.let.set()
    await writer.drain()
    assert [status["phase"] for status in api.statuses] == ["Running", "Succeeded"]
    assert api.pod("web") is None


async def test_a_conflict_is_not_the_end() -> None:
    """Others wrote too often meanwhile.  Where another pod has the name, the worker is told that its own is gone."""
    clock = ManualClock()
    api, timers = FakeApi(clock), Timers(clock)
    api.fail = [Conflict("again")]
    writer = StatusWriter(cast(RestClient, api), clock, timers, KubeletMetrics(Registry()))
    firing = asyncio.create_task(timers.run())
    writer.submit(StatusEntry(api.add(pod("web")), lambda _: None, PodStatus(phase="Running")))
    await until(lambda: api.statuses, clock=clock)
    assert api.pod("web").status.phase == "Running"
    firing.cancel()
    await asyncio.gather(firing, return_exceptions=True)
