"""One of several replicas works, the others stand by (https://kubernetes.io/docs/concepts/architecture/leases/)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from math import ceil

from api.clock import Clock
from api.coordination_v1 import Lease, LeaseSpec
from api.core_v1 import ObjectReference
from api.errors import Conflict, NotFound, StatusError
from api.meta_v1 import ObjectMeta
from client.events import EventRecorder
from client.rest import RestClient, Unreachable

log = logging.getLogger(__name__)

_RELEASING = 5.0
"""Seconds that the end of a leader may wait for its Lease to be released."""


class LostLeadership(Exception):
    """The Lease could not be renewed in time: another may lead now, so stop at once."""


class LeaderElector:
    """Holds a Lease as long as it can be renewed.

    Guarantees, as long as clocks run at about the same rate (they need not agree on the time of day):

    - A candidate takes a Lease only when it saw it unchanged for the whole `lease_duration`, or released.
    - The leader stops before others may take over: it gives up after `renew_deadline` without a renewal.

    Durations are in seconds; `renew_deadline` < `lease_duration`, `retry_period` * 1.2 < `renew_deadline`.
    """

    def __init__(
        self,
        client: RestClient,
        namespace: str,
        name: str,
        identity: str,
        clock: Clock,
        *,
        lease_duration: float = 15.0,
        renew_deadline: float = 10.0,
        retry_period: float = 2.0,
        events: EventRecorder | None = None,
    ) -> None:
        if not retry_period * 1.2 < renew_deadline < lease_duration:
            raise ValueError("leader election needs retry period * 1.2 < renew deadline < lease duration")
        self._client, self._clock, self._events = client, clock, events
        self._namespace, self._name, self.identity = namespace, name, identity
        self._lease_duration, self._renew_deadline, self._retry_period = lease_duration, renew_deadline, retry_period
        self._lease: Lease | None = None
        self._seen: tuple[str, datetime | None] = ("", None)
        self._seen_at = 0.0
        self.leading = False

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait to become leader, then run `lead` until it returns, this is cancelled, or the Lease is lost.

        Releases the Lease at the end, so that the next leader need not wait.  Raises LostLeadership.
        """
        await self._acquire()
        work = asyncio.ensure_future(lead())
        renewal = asyncio.create_task(self._renew(), name=f"renew lease {self._name}")
        try:
            await asyncio.wait([work, renewal], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
            else:
                renewal.result()
        finally:
            self.leading = False
            work.cancel()
            renewal.cancel()
            await asyncio.gather(work, renewal, return_exceptions=True)
            await self._release()

    async def _acquire(self) -> None:
        while not await self._try():
            await self._clock.sleep(self._retry_period * (1 + random.random() * 0.2))
        self.leading = True
        log.info("%s leads %s/%s", self.identity, self._namespace, self._name)
        if self._events is not None:
            about = ObjectReference(
                apiVersion="coordination.k8s.io/v1", kind="Lease", namespace=self._namespace, name=self._name
            )
            self._events.event(about, "Normal", "LeaderElection", f"{self.identity} became leader")

    async def _renew(self) -> None:
        renewed = self._clock.monotonic()
        while True:
            await self._clock.sleep(self._retry_period)
            left = renewed + self._renew_deadline - self._clock.monotonic()
            try:
                # A try that begins late must not last beyond the Lease; but one is due even after a long stall.
                # `wait_for` of Python 3.11 may lose a cancellation.
                async with asyncio.timeout(max(left, self._retry_period)):
                    done = await self._try()
            except TimeoutError:
                done = False
            if done:
                renewed = self._clock.monotonic()
            elif self._clock.monotonic() - renewed > self._renew_deadline:
                raise LostLeadership(f"the lease {self._namespace}/{self._name} was lost")

    async def _try(self) -> bool:
        """Take or renew the Lease.  Returns whether it is ours now."""
        try:
            if self.leading and self._lease is not None:
                try:
                    self._lease = await self._client.update(self._claimed(self._lease))
                    return True
                except StatusError:
                    pass  # changed under us: look again
            lease = await self._client.get(Lease, self._name, self._namespace)
        except NotFound:
            return await self._create()
        except (StatusError, Unreachable) as error:
            log.debug("lease %s/%s: %s", self._namespace, self._name, error)
            return False
        state = (lease.metadata.resourceVersion, lease.spec.renewTime)
        if state != self._seen:
            self._seen, self._seen_at = state, self._clock.monotonic()
        holder = lease.spec.holderIdentity or ""
        expires = self._seen_at + (lease.spec.leaseDurationSeconds or self._lease_duration)
        if holder and holder != self.identity and self._clock.monotonic() < expires:
            return False
        return await self._write(lease)

    async def _write(self, lease: Lease) -> bool:
        try:
            self._lease = await self._client.update(self._claimed(lease))
        except (StatusError, Unreachable) as error:
            log.debug("lease %s/%s: %s", self._namespace, self._name, error)
            return False
        return True

    async def _create(self) -> bool:
        lease = Lease(metadata=ObjectMeta(namespace=self._namespace, name=self._name), spec=LeaseSpec())
        try:
            self._lease = await self._client.create(self._claimed(lease))
        except (StatusError, Unreachable) as error:
            log.debug("lease %s/%s: %s", self._namespace, self._name, error)
            return False
        return True

    def _claimed(self, lease: Lease) -> Lease:
        lease, now = lease.copy_deep(), self._clock.now()
        spec = lease.spec
        if spec.holderIdentity != self.identity:
            if spec.holderIdentity is not None:
                spec.leaseTransitions = (spec.leaseTransitions or 0) + 1
            spec.holderIdentity, spec.acquireTime = self.identity, now
        spec.leaseTransitions = spec.leaseTransitions or 0
        spec.leaseDurationSeconds, spec.renewTime = ceil(self._lease_duration), now
        return lease

    async def _release(self) -> None:
        if self._lease is None:
            return
        self._lease = None
        try:
            async with asyncio.timeout(_RELEASING):
                while not await self._released():
                    pass
        except (StatusError, Unreachable, TimeoutError) as error:
            log.debug("lease %s/%s was not released: %s", self._namespace, self._name, error)

    async def _released(self) -> bool:
        """Whether the Lease is ours no more.  A renewal that was cancelled under way may come to the server late."""
        lease = await self._client.get(Lease, self._name, self._namespace)
        if lease.spec.holderIdentity != self.identity:
            return True
        lease.spec.holderIdentity, lease.spec.leaseDurationSeconds = "", 1
        lease.spec.renewTime = lease.spec.acquireTime = self._clock.now()
        try:
            await self._client.update(lease)
        except Conflict:
            return False
        return True
