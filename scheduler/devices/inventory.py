"""Claims to devices, the slices that offer them and their classes, as the watches show it and as just decided."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

from api.clock import Clock
from api.resources import DEVICE_CLASS
from client.store import key_of
from scheduler.known import Assumable, Known

if TYPE_CHECKING:  # most clusters' schedulers never meet one
    from api.core_v1 import Pod
    from api.resource_v1 import DeviceClass, ResourceClaim, ResourceSlice
    from scheduler.devices.allocated import Allocated
    from scheduler.devices.pools import Pools

EXTENDED_RESOURCE_CLAIM = "resource.kubernetes.io/extended-resource-claim"
"""The annotation of claims that the scheduler makes for a pod's extended resources."""


class Inventory(Known):
    """Claims are known by "namespace/name", slices and classes by name.

    `synced` opens the watches when it is first called, and returns when everything is known.  A claim is *pending*
    from the decision about its devices until that is written, or taken back: others leave it and them alone.
    """

    def __init__(self, clock: Clock, synced: Callable[[], Awaitable[None]]) -> None:
        super().__init__(clock)
        self._open = synced
        self.is_known = False
        """Whether the watches have shown what there is."""
        self.claims: Assumable[ResourceClaim] = Assumable()
        self.classes: dict[str, DeviceClass] = {}
        self._pending: dict[str, ResourceClaim] = {}
        self._counted: dict[str, ResourceClaim] = {}
        self._allocated: Allocated | None = None
        self._pools: Pools | None = None
        self._by_resource: dict[str, str] | None = None

    async def synced(self) -> None:
        await self._open()
        self.is_known = True

    @property
    def allocated(self) -> Allocated:
        """The devices in use."""
        if self._allocated is None:
            from scheduler.devices.allocated import Allocated

            self._allocated = Allocated()
        return self._allocated

    @property
    def pools(self) -> Pools:
        """The devices there are."""
        if self._pools is None:
            from scheduler.devices.pools import Pools

            self._pools = Pools()
        return self._pools

    # --- what the watches bring ---------------------------------------------------------------------

    def claim_seen(self, old: ResourceClaim | None, new: ResourceClaim | None) -> None:
        seen = new or old
        assert seen is not None
        key = key_of(seen)
        if new is not None:
            self.claims.set(key, new)
        else:
            self.claims.remove(key, seen)
        if old is not None and (new is None or old.metadata.uid != new.metadata.uid):
            self._count(old.metadata.uid, self._pending.get(old.metadata.uid))
        if new is not None:
            self._recount(new)

    def slice_seen(self, old: ResourceSlice | None, new: ResourceSlice | None) -> None:
        if new is not None:
            self.pools.set(new)
        elif old is not None:
            self.pools.remove(old.metadata.name)

    def class_seen(self, old: DeviceClass | None, new: DeviceClass | None) -> None:
        self._by_resource = None
        if new is not None:
            self.classes[new.metadata.name] = new
        elif old is not None:
            self.classes.pop(old.metadata.name, None)

    # --- what is decided ----------------------------------------------------------------------------

    def begin(self, claim: ResourceClaim) -> None:
        """The claim, which now has an allocation, is pending."""
        self._pending[claim.metadata.uid] = claim
        self._count(claim.metadata.uid, claim)

    def end(self, claim: ResourceClaim) -> None:
        """It no longer is: what is known of the claim counts again."""
        if self._pending.pop(claim.metadata.uid, None) is not None:
            self._recount(claim)

    def is_pending(self, claim: ResourceClaim) -> bool:
        return claim.metadata.uid in self._pending

    def assume(self, claim: ResourceClaim) -> None:
        """The claim was written like this."""
        self.claims.assume(key_of(claim), claim)
        self._recount(claim)

    def _recount(self, claim: ResourceClaim) -> None:
        uid = claim.metadata.uid
        known = self.claims.get(key_of(claim))
        if known is not None and known.metadata.uid != uid:
            known = None
        self._count(uid, self._pending.get(uid) or known)

    def _count(self, uid: str, claim: ResourceClaim | None) -> None:
        before = self._counted.pop(uid, None)
        if before is not claim:
            if before is not None:
                self.allocated.remove(before)
            if claim is not None and claim.status.allocation is not None:
                self.allocated.add(claim)
        if claim is not None and claim.status.allocation is not None:
            self._counted[uid] = claim

    # --- questions ----------------------------------------------------------------------------------

    def made_for_extended_resources(self, pod: Pod) -> ResourceClaim | None:
        """The claim that was made for a pod's extended resources, if one was."""
        return next((claim for claim in self.claims.values() if _is_made_for(claim, pod)), None)

    def class_of(self, resource: str) -> str | None:
        """The class of the devices that an extended resource stands for."""
        if self._by_resource is None:
            self._by_resource = dict(self._resources())
        return self._by_resource.get(resource)

    def _resources(self) -> Iterator[tuple[str, str]]:
        # Of several classes for one resource the youngest counts, of equally young ones the first by name.
        for name in sorted(self.classes, reverse=True):
            yield DEVICE_CLASS + name, name
        named = [each for each in self.classes.values() if each.spec.extendedResourceName]
        named.sort(key=lambda each: each.metadata.name, reverse=True)
        named.sort(key=lambda each: str(each.metadata.creationTimestamp or ""))
        for each in named:
            yield each.spec.extendedResourceName or "", each.metadata.name


def _is_made_for(claim: ResourceClaim, pod: Pod) -> bool:
    return claim.metadata.annotations.get(EXTENDED_RESOURCE_CLAIM) == "true" and any(
        owner.controller and owner.name == pod.metadata.name and owner.uid == pod.metadata.uid
        for owner in claim.metadata.ownerReferences
    )
