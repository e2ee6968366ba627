"""Writes into claims what was decided: their devices, and the pod that uses them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from api.errors import Conflict, Invalid, NotFound, StatusError
from api.resource_v1 import AllocationResult, ResourceClaim, ResourceClaimConsumerReference
from client.store import key_of
from scheduler.devices.binding_conditions import (
    BindingFailed,
    drivers_to_wait_for,
    has_timed_out,
    have_conditions,
    is_ready,
)
from scheduler.framework import PluginError
from scheduler.handle import Handle
from scheduler.pod_info import PodInfo

if TYPE_CHECKING:
    from scheduler.plugins.dynamic_resources import Plan, PodDevices

log = logging.getLogger(__name__)

FINALIZER = "resource.kubernetes.io/delete-protection"
"""On a claim that has devices."""
_ATTEMPTS = 5


class _TimedOut(PluginError):
    """Devices did not get ready in time."""


def allocated(claim: ResourceClaim, allocation: AllocationResult) -> ResourceClaim:
    """The claim as it will be with these devices."""
    made = claim.copy_deep()
    if FINALIZER not in made.metadata.finalizers:
        made.metadata.finalizers.append(FINALIZER)
    made.status.allocation = allocation
    return made


class Writing:
    """What it cannot do it says by PluginError."""

    def __init__(self, handle: Handle, binding_seconds: float) -> None:
        self._handle, self._writer, self._inventory = handle, handle.writer, handle.devices
        self._binding_seconds = binding_seconds

    async def bind(self, devices: PodDevices, pod: PodInfo, node_name: str) -> None:
        """Give the pod its claims, with the chosen devices where they had none, and wait until these are ready."""
        plan = devices.chosen
        assert plan is not None
        allocations = iter(plan.allocations)
        for index, claim in enumerate(devices.claims):
            allocation = next(allocations) if claim.status.allocation is None else None
            if all(user.uid != pod.uid for user in claim.status.reservedFor):
                devices.claims[index] = await self._reserved(claim, allocation, pod)
        used = list(devices.claims)
        if plan.extended is not None:
            used.append(await self._bind_extended(plan.extended, next(allocations), devices, plan, pod))
        if have_conditions(used):
            message = f"waiting for binding conditions for device on node {node_name}"
            self._writer.event(pod.pod, "Normal", "BindingConditionsPending", message, "Scheduling")
            await self._wait(used, pod)

    async def _reserved(self, claim: ResourceClaim, allocation: AllocationResult | None, pod: PodInfo) -> ResourceClaim:
        """Others may change the claim at the same time: it is tried again with a newer version of it."""
        current, shown = claim, key_of(claim)
        attempts = 0
        while True:
            attempts += 1
            try:
                written = await self._reserve(current.copy_deep(), allocation, pod)
            except Conflict as conflict:
                if attempts == _ATTEMPTS:
                    raise PluginError(f"add reservation to claim {shown}: {conflict}") from None
                meta = claim.metadata
                try:
                    current = await self._writer.read_resource_claim(meta.namespace, meta.name)
                except StatusError as error:
                    raise PluginError(f"get updated claim {shown} after conflict: {error}") from None
            except StatusError as error:
                what = "allocation and reservation" if allocation is not None else "reservation"
                raise PluginError(f"add {what} to claim {shown}: {error}") from None
            else:
                self._inventory.assume(written)
                return written

    async def _reserve(self, claim: ResourceClaim, allocation: AllocationResult | None, pod: PodInfo) -> ResourceClaim:
        shown = key_of(claim)
        if claim.metadata.deletionTimestamp is not None:
            raise PluginError(f"claim {shown} got deleted in the meantime")
        if allocation is not None:
            if claim.status.allocation is not None:
                raise PluginError(f"claim {shown} got allocated elsewhere in the meantime")
            if FINALIZER not in claim.metadata.finalizers:
                claim = await self._protected(claim)
            claim.status.allocation = allocation.copy_deep()
        if claim.status.allocation is None:
            raise PluginError(f"claim {shown} got deallocated elsewhere in the meantime")
        user = ResourceClaimConsumerReference(resource="pods", name=pod.name, uid=pod.uid)
        claim.status.reservedFor = [*claim.status.reservedFor, user]
        if claim.status.allocation.allocationTimestamp is None:
            claim.status.allocation.allocationTimestamp = self._handle.clock.now()
        return await self._writer.update_resource_claim(claim, "status")

    async def _protected(self, claim: ResourceClaim) -> ResourceClaim:
        """The claim with its finalizer, or as it is if it cannot have one: who wrote it with blanks in its opaque
        parameters has made a spec that no client of JSON can write again, and another is a change of it."""
        protected = claim.copy_deep()
        protected.metadata.finalizers.append(FINALIZER)
        try:
            return await self._writer.update_resource_claim(protected)
        except Invalid as error:
            log.warning("claim %s gets devices without the finalizer %s: %s", key_of(claim), FINALIZER, error)
            return claim

    async def _bind_extended(
        self, draft: ResourceClaim, allocation: AllocationResult, devices: PodDevices, plan: Plan, pod: PodInfo
    ) -> ResourceClaim:
        """Make the claim of the pod's extended resources, and say in the pod's status what is whose."""
        new = draft.copy_deep()
        new.metadata.name = new.metadata.uid = ""
        try:
            devices.written = await self._writer.create_resource_claim(new)
        except StatusError as error:
            self._handle.metrics.claim_made("failure")
            raise PluginError(f"create claim for extended resources {key_of(new)}: {error}") from None
        self._handle.metrics.claim_made("success")
        devices.written = await self._reserved(devices.written, allocation, pod)
        mappings = [mapping.to_dict() for mapping in plan.mappings]
        status = {"requestMappings": mappings, "resourceClaimName": devices.written.metadata.name}
        try:
            await self._writer.patch_status(pod.pod, {"extendedResourceClaimStatus": status})
        except StatusError as error:
            raise PluginError(f"update pod {pod.key} ExtendedResourceClaimStatus: {error}") from None
        return devices.written

    async def _wait(self, claims: Sequence[ResourceClaim], pod: PodInfo) -> None:
        clock, metrics = self._handle.clock, self._handle.metrics
        since, status = clock.monotonic(), "error"
        try:
            await self._until_ready(claims)
            status = "success"
        except _TimedOut:
            status = "timeout"
            raise
        except PluginError:
            status = "failure"
            raise
        finally:
            profile = self._handle.framework_of(pod).scheduler_name
            metrics.waited_for_devices(profile, drivers_to_wait_for(claims), status, clock.monotonic() - since)

    async def _until_ready(self, claims: Sequence[ResourceClaim]) -> None:
        keys = [key_of(claim) for claim in claims]

        def ready() -> bool:
            for key in keys:
                claim = self._inventory.claims.get(key)
                if claim is None:
                    raise BindingFailed(f'could not find ResourceClaim "{key}"')
                if not is_ready(claim):
                    if has_timed_out(claim, self._handle.clock.now(), self._binding_seconds):
                        raise _TimedOut(f"device binding timeout: claim={claim.metadata.name}")
                    return False
            return True

        try:
            if not await self._inventory.until(ready, self._binding_seconds):
                raise _TimedOut("device binding timeout: context deadline exceeded")
        except BindingFailed as failed:
            raise PluginError(str(failed)) from None

    async def give_back(self, claims: Sequence[ResourceClaim], made: ResourceClaim | None, pod: PodInfo) -> None:
        """The pod does not use the claims after all.  What fails is tried again with the pod."""
        for claim in claims:
            users = [{"$patch": "delete", "uid": pod.uid}]
            await _tried(key_of(claim), lambda: self._writer.patch_resource_claim(claim, {"reservedFor": users}))  # noqa: B023
        if made is not None:
            await _tried(key_of(made), lambda: self.delete(made))

    async def delete(self, claim: ResourceClaim) -> None:
        """Delete a claim that protects its devices.  Raises StatusError."""
        current = claim
        for attempt in range(1, _ATTEMPTS + 1):
            current = current.copy_deep()
            current.metadata.finalizers = [each for each in current.metadata.finalizers if each != FINALIZER]
            try:
                await self._writer.update_resource_claim(current)
                break
            except Conflict:
                if attempt == _ATTEMPTS:
                    raise
                current = await self._writer.read_resource_claim(claim.metadata.namespace, claim.metadata.name)
        await self._writer.delete_resource_claim(claim)


async def _tried(what: str, act: Callable[[], Awaitable[object]]) -> None:
    try:
        await act()
    except NotFound:
        return
    except (StatusError, OSError) as error:
        log.warning("giving back claim %s: %s", what, error)
