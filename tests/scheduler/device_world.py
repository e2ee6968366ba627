"""A scheduler without a server, with devices: slices, classes and claims from a few words."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

from api.core_v1 import Node, Pod
from api.errors import Conflict, NotFound
from api.model import Model
from api.resource_v1 import DeviceClass, ResourceClaim, ResourceSlice
from scheduler.watching_devices import callbacks
from tests.scheduler.world import World, make_pod

DRIVER = "gpu.example.com"
_numbers = itertools.count(1)


def make_class(name: str = "gpu", *expressions: str, **spec: Any) -> DeviceClass:
    """A class of all devices that the expressions select; all of DRIVER's when there are none."""
    chosen = expressions or (f"device.driver == '{DRIVER}'",)
    selectors = [{"cel": {"expression": each}} for each in chosen]
    return DeviceClass.from_dict({"metadata": {"name": name}, "spec": {"selectors": selectors, **spec}})


def make_slice(
    name: str,
    *devices: str | Mapping[str, Any],
    node: str | None = None,
    pool: str = "",
    generation: int = 1,
    count: int = 1,
    driver: str = DRIVER,
    **spec: Any,
) -> ResourceSlice:
    """Devices by name, or in full; on a node, else wherever the rest of the spec says."""
    listed = [{"name": each} if isinstance(each, str) else dict(each) for each in devices]
    of_pool = {"name": pool or node or "pool", "generation": generation, "resourceSliceCount": count}
    place = {"nodeName": node} if node is not None else {}
    return ResourceSlice.from_dict(
        {"metadata": {"name": name}, "spec": {"driver": driver, "pool": of_pool, "devices": listed, **place, **spec}}
    )


def exactly(
    name: str = "r", device_class: str = "gpu", count: int = 1, *expressions: str, **more: Any
) -> dict[str, Any]:
    """A request."""
    return {"name": name, "exactly": one_of(device_class, count, *expressions, **more)}


def one_of(device_class: str = "gpu", count: int = 1, *expressions: str, **more: Any) -> dict[str, Any]:
    """What is in a request, or (with name=) in one of its alternatives."""
    if more.get("allocationMode") != "All":
        more = {"allocationMode": "ExactCount", "count": count, **more}
    selectors = [{"cel": {"expression": each}} for each in expressions]
    return {"deviceClassName": device_class, "selectors": selectors, **more}


def make_claim(name: str, *requests: Mapping[str, Any], **devices: Any) -> ResourceClaim:
    """A claim in the namespace default with these requests (one of one device of the class gpu when there are none)."""
    asked = [dict(each) for each in requests] or [exactly()]
    metadata = {"name": name, "namespace": "default", "uid": f"claim-uid-{next(_numbers)}"}
    return ResourceClaim.from_dict({"metadata": metadata, "spec": {"devices": {"requests": asked, **devices}}})


def pod_with(*claims: str, **more: Any) -> Pod:
    """A pod that names these claims."""
    wishes = [{"name": f"c{i}", "resourceClaimName": claim} for i, claim in enumerate(claims)]
    return make_pod(cpu="1", resourceClaims=wishes, **more)


class DeviceWorld(World):
    """Claims that are written are kept in `api`; the watch shows them when it is told to (`show`)."""

    def __init__(self, *nodes: Node, **more: Any) -> None:
        super().__init__(*nodes, **more)
        self.api: dict[str, ResourceClaim] = {}
        self.shown: dict[str, ResourceClaim] = {}
        self.refuse_claims: Exception | None = None
        self._seen = callbacks(self.handle.devices, self.queue)
        self._others: dict[tuple[type[Model], str], Any] = {}

    def offer(self, *objects: DeviceClass | ResourceSlice) -> None:
        """The watch shows classes and slices."""
        for obj in objects:
            key = (type(obj), obj.metadata.name)
            self._seen[type(obj)](self._others.get(key), obj)
            self._others[key] = obj

    def claim(self, *claims: ResourceClaim) -> None:
        """Claims are made, and the watch shows them."""
        for claim in claims:
            self._store(claim)
        self.show()

    def show(self) -> None:
        """The watch catches up with what was written."""
        for key in {**self.shown, **self.api}:
            old, new = self.shown.get(key), self.api.get(key)
            if old is not new:
                self._seen[ResourceClaim](old, new)
        self.shown = dict(self.api)

    def of(self, name: str) -> ResourceClaim:
        return self.api[f"default/{name}"]

    def devices_of(self, name: str) -> list[str]:
        allocation = self.of(name).status.allocation
        return [] if allocation is None else [result.device for result in allocation.devices.results]

    def users_of(self, name: str) -> list[str]:
        return [user.name for user in self.of(name).status.reservedFor]

    def _store(self, claim: ResourceClaim) -> ResourceClaim:
        claim.metadata.resourceVersion = str(next(_numbers))
        self.api[f"{claim.metadata.namespace}/{claim.metadata.name}"] = claim
        return claim.copy_deep()

    async def read_resource_claim(self, namespace: str, name: str) -> ResourceClaim:
        await asyncio.sleep(0)
        return self.api[f"{namespace}/{name}"].copy_deep()

    async def create_resource_claim(self, claim: ResourceClaim) -> ResourceClaim:
        await asyncio.sleep(0)
        if self.refuse_claims is not None:
            raise self.refuse_claims
        made = claim.copy_deep()
        made.metadata.uid = f"claim-uid-{next(_numbers)}"
        made.metadata.name = f"{claim.metadata.generateName}{next(_numbers)}"
        return self._store(made)

    async def update_resource_claim(self, claim: ResourceClaim, subresource: str = "") -> ResourceClaim:
        await asyncio.sleep(0)
        if self.refuse_claims is not None:
            raise self.refuse_claims
        stored = self.api.get(f"{claim.metadata.namespace}/{claim.metadata.name}")
        if stored is None:
            raise NotFound("gone")
        if stored.metadata.resourceVersion != claim.metadata.resourceVersion:
            raise Conflict("changed")
        new = stored.copy_deep()
        if subresource:
            new.status = claim.status.copy_deep()
        else:
            new.metadata = claim.metadata.copy_deep()
        return self._store(new)

    async def patch_resource_claim(self, claim: ResourceClaim, status: Mapping[str, Any]) -> None:
        await asyncio.sleep(0)
        gone = {user["uid"] for user in status["reservedFor"]}
        new = self.api[f"{claim.metadata.namespace}/{claim.metadata.name}"].copy_deep()
        new.status.reservedFor = [user for user in new.status.reservedFor if user.uid not in gone]
        self._store(new)

    async def delete_resource_claim(self, claim: ResourceClaim) -> None:
        await asyncio.sleep(0)
        self.api.pop(f"{claim.metadata.namespace}/{claim.metadata.name}", None)
