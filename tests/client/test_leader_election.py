"""Leader election: one at a time, the next soon after."""

import asyncio
from typing import Any

import pytest

from api.clock import ManualClock
from api.coordination_v1 import Lease
from api.errors import InternalError
from client import leader_election
from client.leader_election import LeaderElector, LostLeadership
from client.rest import RestClient
from tests.client.api_double import ApiDouble
from tests.client.waiting import eventually


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine, a leader that ends has the time to release its Lease."""
    monkeypatch.setattr(leader_election, "_RELEASING", 60.0)


class Candidate:
    def __init__(self, client: RestClient, name: str, clock: ManualClock) -> None:
        self.elector = LeaderElector(client, "kube-system", "test", name, clock)
        self.working = False
        self.task = asyncio.create_task(self.elector.run(self._work))

    async def _work(self) -> None:
        self.working = True
        try:
            await asyncio.Event().wait()
        finally:
            self.working = False

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def until(clock: ManualClock, condition: Any, *, candidates: int = 1) -> None:
    """Let time pass until the condition holds, but not while one of the candidates waits for an answer."""

    async def moved() -> bool:
        if clock.sleepers >= candidates:
            await clock.advance(0.5)
        return bool(condition())

    await eventually(moved)


async def test_only_one_leads_and_the_next_takes_over_at_once_when_it_leaves(client: RestClient) -> None:
    clock = ManualClock()
    first = Candidate(client, "first", clock)
    await until(clock, lambda: first.working)
    second = Candidate(client, "second", clock)
    before = clock.monotonic()
    await until(clock, lambda: clock.monotonic() > before + 60, candidates=2)
    assert first.working
    assert not second.working
    lease = await client.get(Lease, "test", "kube-system")
    assert (lease.spec.holderIdentity, lease.spec.leaseDurationSeconds, lease.spec.leaseTransitions) == ("first", 15, 0)
    await first.end()
    left = clock.monotonic()
    await until(clock, lambda: second.working)
    assert clock.monotonic() - left <= 5
    assert (await client.get(Lease, "test", "kube-system")).spec.leaseTransitions == 1
    await second.end()


async def test_a_renewal_that_comes_late_does_not_keep_the_next_one_waiting(client: RestClient) -> None:
    clock = ManualClock()
    first = Candidate(client, "first", clock)
    await until(clock, lambda: first.working)
    lease = await client.get(Lease, "test", "kube-system")
    lease.spec.renewTime = clock.now()
    await client.update(lease)  # as a renewal does that was sent before the end and nobody waited for
    await first.end()
    assert (await client.get(Lease, "test", "kube-system")).spec.holderIdentity == ""


async def test_a_leader_that_ends_while_it_looks_for_its_lease_releases_it(
    client: RestClient, server: ApiDouble
) -> None:
    clock = ManualClock()
    first = Candidate(client, "first", clock)
    await until(clock, lambda: first.working)
    await client.patch(Lease, "test", "kube-system", {"metadata": {"labels": {"changed": "yes"}}})
    lost: list[str] = []

    def refuse(method: str, path: str) -> InternalError | None:
        if method != "GET":
            return None
        lost.append(path)
        return InternalError("not now")

    server.refuse = refuse
    await until(clock, lambda: lost)
    server.refuse = lambda method, path: None
    await first.end()
    assert (await client.get(Lease, "test", "kube-system")).spec.holderIdentity == ""


async def test_an_end_that_comes_with_the_answer_to_a_renewal_is_not_lost(
    client: RestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    first = Candidate(client, "first", clock)
    await until(clock, lambda: first.working)
    (renewal,) = (task for task in asyncio.all_tasks() if task.get_name() == "renew lease test")

    async def answered() -> bool:
        asyncio.get_running_loop().call_soon(renewal.cancel)
        return True

    monkeypatch.setattr(first.elector, "_try", answered)
    await until(clock, first.task.done)  # by itself: another end would come in the midst of the release
    assert renewal.cancelled()
    assert (await client.get(Lease, "test", "kube-system")).spec.holderIdentity == ""


async def test_a_leader_that_died_is_succeeded_when_its_lease_runs_out(client: RestClient, server: ApiDouble) -> None:
    clock = ManualClock()
    first = Candidate(client, "first", clock)
    await until(clock, lambda: first.working)
    died = clock.monotonic()
    first.elector._lease = None  # it cannot release any more
    await first.end()
    second = Candidate(client, "second", clock)
    await until(clock, lambda: second.working)
    assert 15 <= clock.monotonic() - died < 22
    await second.end()


async def test_a_leader_that_cannot_renew_stops(server: ApiDouble, client: RestClient) -> None:
    clock = ManualClock()
    first = Candidate(client, "first", clock)
    await until(clock, lambda: first.working)
    lost = clock.monotonic()
    await server.stop()
    await until(clock, first.task.done)
    assert not first.working
    assert clock.monotonic() - lost < 15
    with pytest.raises(LostLeadership):
        first.task.result()
    await server.start()


async def test_a_renewal_that_hangs_does_not_outlast_the_lease(
    client: RestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However late it begins: others may take over fifteen seconds after the last one."""
    clock = ManualClock()
    first = Candidate(client, "first", clock)
    await until(clock, lambda: first.working)
    renewed, timeout, ends = clock.monotonic(), asyncio.timeout, list[float]()

    def soon(seconds: float) -> asyncio.Timeout:
        if not first.elector.leading:
            return timeout(seconds)
        ends.append(clock.monotonic() + seconds)
        return timeout(0.0)

    with monkeypatch.context() as hanging:
        hanging.setattr(asyncio, "timeout", soon)
        hanging.setattr(first.elector, "_try", asyncio.Event().wait)
        await until(clock, first.task.done)
    assert len(ends) > 3
    assert max(ends) < renewed + 15
    with pytest.raises(LostLeadership):
        first.task.result()


async def test_refuses_durations_that_cannot_work(client: RestClient) -> None:
    with pytest.raises(ValueError, match="renew deadline"):
        LeaderElector(client, "n", "l", "me", ManualClock(), renew_deadline=20)
