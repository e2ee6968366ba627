"""DynamicResources: devices for the ResourceClaims of pods, by structured parameters (KEP-4381).

https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/.  Each node that is looked at is
searched for devices; those of the chosen node are taken at once (`reserve`) and written into the claims before the pod
is bound (`pre_bind`), together with the pod as the claims' user.  Extended resources may stand for devices, too
(KEP-5004).  What does the work is imported when the first pod asks for devices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from api.resources import names_devices
from client.store import key_of
from scheduler.cluster_event import Change, ClusterEvent
from scheduler.devices.inventory import Inventory
from scheduler.framework import (
    SKIP,
    Code,
    CycleState,
    PluginError,
    Status,
    normalized,
    unresolvable,
    unschedulable,
)
from scheduler.handle import Handle
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from api.core_v1 import ContainerExtendedResourceRequest, Pod
    from api.resource_v1 import AllocationResult, ResourceClaim
    from scheduler.devices.allocator import Solution
    from scheduler.devices.requests import Asked
    from scheduler.devices.writing import Writing
    from scheduler.selectors import NodeTerm

FILTER_SECONDS = 10.0
BINDING_SECONDS = 600.0
MOST_CONSUMERS = 256
"""That a claim can be reserved for."""
MOST_ALTERNATIVES = 8
"""That a request can have."""

_IN_USE = unresolvable("resourceclaim in use")
_NOT_HERE = unresolvable("resourceclaim not available on the node")
_CANNOT = unresolvable("cannot allocate all claims")
_LEFT_OVER = unresolvable("cannot schedule extended resource claim")
_NO_RESOURCE = unresolvable("cannot fit resource")


@dataclass(slots=True)
class Plan:
    """What happens if the pod goes to a node."""

    solution: Solution | None = None
    """Devices for the claims that need some."""
    allocations: list[AllocationResult] = field(default_factory=list)
    """What is written into these claims, once the node is chosen."""
    extended: ResourceClaim | None = None
    """The claim that has to be made for the pod's extended resources."""
    mappings: list[ContainerExtendedResourceRequest] = field(default_factory=list)


@dataclass(slots=True)
class PodDevices:
    """The claims of a pod during its cycle."""

    claims: list[ResourceClaim]
    """Those that the pod names; replaced by newer versions as they are written."""
    extended: ResourceClaim | None
    """That of its extended resources: one left over from before, or a draft."""
    places: dict[int, tuple[NodeTerm, ...]] = field(default_factory=dict)
    """Where the allocated ones can be used, by their index, if not everywhere."""
    unavailable: set[int] = field(default_factory=set)
    plans: dict[str, Plan] = field(default_factory=dict)
    chosen: Plan | None = None
    pending: list[ResourceClaim] = field(default_factory=list)
    written: ResourceClaim | None = None
    """The claim of the extended resources, once it is in the API."""

    asked: Asked | None = None
    """The claims without devices, as they are asked of nodes."""

    def needed(self, plan: Plan) -> Asked:
        """The claims that need devices."""
        from scheduler.devices.requests import Asked

        if self.asked is None:
            self.asked = Asked([claim for claim in self.claims if claim.status.allocation is None])
        return self.asked if plan.extended is None else Asked([*self.asked.claims, plan.extended])


class DynamicResources:
    name = "DynamicResources"

    def __init__(
        self, handle: Handle, filter_seconds: float = FILTER_SECONDS, binding_seconds: float = BINDING_SECONDS
    ) -> None:
        """A search on one node may take `filter_seconds` (0: for ever), and devices have `binding_seconds` to get
        ready before the pod is bound."""
        self._handle = handle
        self._inventory: Inventory = handle.devices
        self._filter_seconds, self._binding_seconds = filter_seconds, binding_seconds

    # --- may it be tried? ---------------------------------------------------------------------------

    def pre_enqueue(self, pod: PodInfo) -> Status | None:
        """Before it is known which claims there are, everything is tried: `pre_filter` asks the same."""
        if not pod.pod.spec.resourceClaims or not self._inventory.is_known:
            return None
        problem = self._problem(pod.pod)
        return unresolvable(problem) if problem else None

    def _problem(self, pod: Pod) -> str:
        try:
            list(self._claims_of(pod))
        except _Missing as missing:
            return str(missing)
        return ""

    def _claims_of(self, pod: Pod) -> Iterator[ResourceClaim]:
        """The claims that a pod names.  Raises _Missing when one of them cannot be used."""
        meta = pod.metadata
        where = f"{meta.namespace}/{meta.name}"
        made = {status.name: status.resourceClaimName for status in pod.status.resourceClaimStatuses}
        for wish in pod.spec.resourceClaims:
            if wish.resourceClaimName is None and wish.resourceClaimTemplateName is None:
                raise _Missing(f'pod "{where}", spec.resourceClaim "{wish.name}": none of the supported fields are set')
            if wish.resourceClaimName is None and wish.name not in made:
                raise _Missing(f'pod "{where}": ResourceClaim not created yet')
            name = wish.resourceClaimName or made.get(wish.name)
            if name is None:
                continue  # the controller found that none is needed
            claim = self._inventory.claims.get(f"{meta.namespace}/{name}")
            if claim is None:
                raise _Missing(f'could not find ResourceClaim "{meta.namespace}/{name}"')
            if claim.metadata.deletionTimestamp is not None:
                raise _Missing(f'resourceclaim "{name}" is being deleted')
            owners = claim.metadata.ownerReferences
            if wish.resourceClaimName is None and not any(o.controller and o.uid == meta.uid for o in owners):
                whose = f"{meta.namespace}/{name}"
                raise _Missing(f"ResourceClaim {whose} was not created for pod {where} (pod is not owner)")
            yield claim

    def helps(self, event: ClusterEvent, pod: PodInfo) -> bool:
        if event.change & (Change.DEVICE_CLASS | Change.RESOURCE_SLICE):
            return True
        if event.change & (Change.NODE_ADDED | Change.NODE_LABELS | Change.NODE_ALLOCATABLE):
            return True
        if not event.change & (Change.RESOURCE_CLAIM | Change.DEVICES_FREED) or event.resource_claim is None:
            return False
        try:
            claims = list(self._claims_of(pod.pod))
        except _Missing:
            return False
        uid = event.resource_claim.metadata.uid
        return bool(event.change & Change.DEVICES_FREED) or any(claim.metadata.uid == uid for claim in claims)

    # --- which nodes? -------------------------------------------------------------------------------

    def pre_filter(self, state: CycleState, pod: PodInfo) -> Status | None:
        state[self.name] = None
        if not pod.pod.spec.resourceClaims and not pod.device_backed:
            return SKIP
        from scheduler.selectors import compile_node_selector

        try:
            claims = list({claim.metadata.uid: claim for claim in self._claims_of(pod.pod)}.values())
        except _Missing as missing:
            return unresolvable(str(missing))
        devices = PodDevices(claims, self._for_extended_resources(pod))
        if not claims and devices.extended is None:
            return SKIP
        for index, claim in enumerate(claims):
            allocation = claim.status.allocation
            if allocation is None:
                if self._inventory.is_pending(claim):
                    return unresolvable(f"resource claim {key_of(claim)} is in the process of being allocated")
                if problem := self._unknown_class(claim):
                    return unresolvable(problem)
            elif len(claim.status.reservedFor) >= MOST_CONSUMERS and not is_reserved(claim, pod):
                return _IN_USE
            elif (terms := compile_node_selector(allocation.nodeSelector)) is not None:
                devices.places[index] = terms
        state[self.name] = devices
        return None

    def _for_extended_resources(self, pod: PodInfo) -> ResourceClaim | None:
        if not pod.device_backed:
            return None
        from scheduler.devices.extended_resources import draft

        return self._inventory.made_for_extended_resources(pod.pod) or draft(pod.pod)

    def _unknown_class(self, claim: ResourceClaim) -> str:
        from scheduler.devices.requests import alternatives

        for request in claim.spec.devices.requests:
            wishes = alternatives(request)
            if not wishes:
                return f"resource claim {key_of(claim)}, request {request.name}: unknown request type"
            for wish in wishes:
                if wish.class_name not in self._inventory.classes:
                    return f"request {wish.name}: device class {wish.class_name} does not exist"
        return ""

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        devices: PodDevices = state[self.name]
        plan = Plan()
        if devices.extended is not None:
            refusal = self._plan_extended(devices.extended, pod, node, plan)
            if refusal is not None:
                return refusal
        unavailable = [i for i, claim in enumerate(devices.claims) if not self._is_available(devices, i, claim, node)]
        asked = devices.needed(plan)
        if asked.claims:
            found = self._search(asked, node)
            if isinstance(found, Status):
                return found
            plan.solution = found
        if unavailable:
            devices.unavailable.update(unavailable)
            return _NOT_HERE
        devices.plans[node.name] = plan
        return None

    def _plan_extended(self, claim: ResourceClaim, pod: PodInfo, node: NodeInfo, plan: Plan) -> Status | None:
        """What has to be asked for on a node, which may have some of the resources itself."""
        from scheduler.devices.extended_resources import requests_for

        if claim.spec.devices.requests:
            return _LEFT_OVER  # of an attempt that failed: it is removed, then the pod is tried again
        classes = {}
        for resource in pod.scalars:
            of_class = self._inventory.class_of(resource) if names_devices(resource) else None
            if of_class is not None and not node.alloc_scalars.get(resource):
                classes[resource] = of_class
            elif names_devices(resource) and resource not in node.alloc_scalars:
                return _NO_RESOURCE
        if classes:
            plan.extended = claim.copy_deep()
            plan.extended.spec.devices.requests, plan.mappings = requests_for(pod.pod, classes)
        return None

    def _is_available(self, devices: PodDevices, index: int, claim: ResourceClaim, node: NodeInfo) -> bool:
        """Whether an allocated claim can be used on a node, and its devices are ready or can still get so."""
        if claim.status.allocation is None:
            return True
        terms = devices.places.get(index)
        if terms is not None and not any(term.matches(node.name, node.labels) for term in terms):
            return False
        from scheduler.devices.binding_conditions import BindingFailed, has_timed_out, is_ready

        try:
            return is_ready(claim) or not has_timed_out(claim, self._handle.clock.now(), self._binding_seconds)
        except BindingFailed:
            return False

    def _search(self, asked: Asked, node: NodeInfo) -> Solution | Status:
        """Devices for the claims, or why there are none.  Raises PluginError."""
        from scheduler.devices.allocator import Search
        from scheduler.devices.errors import AllocationError, OnlyThisNode

        inventory = self._inventory
        pools = inventory.pools.of(node)
        try:
            found = Search(node, pools, inventory.allocated, inventory.classes, asked, self._deadline()).run()
        except OnlyThisNode as problem:
            return unresolvable(str(problem))
        except TimeoutError:
            raise self._error(f"node {node.name}: timed out trying to allocate devices") from None
        except AllocationError as problem:
            raise self._error(str(problem)) from None
        return _CANNOT if found is None else found

    def _deadline(self) -> Callable[[], bool]:
        monotonic, end = self._handle.clock.monotonic, self._handle.clock.monotonic() + self._filter_seconds
        return lambda: self._filter_seconds > 0 and monotonic() > end

    def _error(self, message: str) -> PluginError:
        return PluginError(f'running "{self.name}" filter plugin: {message}')

    # --- no node; which of several nodes ------------------------------------------------------------

    async def post_filter(self, state: CycleState, pod: PodInfo, statuses: Mapping[str, Status]) -> Status:
        """Take back the devices of a claim that nobody uses and that is of no use where it is.  Raises StatusError."""
        if self.name not in state:  # another plugin's pre-filter turned the pod down
            return Status(Code.ERROR, ("not found",))
        devices: PodDevices | None = state[self.name]
        if devices is None:
            return unschedulable("no new claims to deallocate")
        for index in devices.unavailable:
            claim = devices.claims[index]
            if all(user.uid == pod.uid for user in claim.status.reservedFor):
                freed = claim.copy_deep()
                freed.status.reservedFor, freed.status.allocation, freed.status.devices = [], None, []
                await self._handle.writer.update_resource_claim(freed, "status")
                return unschedulable("deallocation of ResourceClaim completed")
        if devices.extended is not None and devices.extended.metadata.resourceVersion:
            await self._writing().delete(devices.extended)
            return unschedulable("deletion of ResourceClaim completed")
        return unschedulable("still not schedulable")

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        return SKIP if state.get(self.name) is None else None

    def score_all(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        """Better alternatives are better."""
        devices: PodDevices = state[self.name]
        return normalized([self._score(devices, devices.plans.get(node.name)) for node in nodes])

    def _score(self, devices: PodDevices, plan: Plan | None) -> int:
        if plan is None:
            return 0
        score = 0
        planned = iter(plan.solution.wishes if plan.solution is not None else ())
        for claim in devices.claims:
            allocation = claim.status.allocation
            if allocation is None:
                taken = {wish.name for wish in next(planned)}
            else:
                taken = {result.request for result in allocation.devices.results}
            for request in claim.spec.devices.requests:
                for i, alternative in enumerate(request.firstAvailable):
                    if f"{request.name}/{alternative.name}" in taken:
                        score += MOST_ALTERNATIVES - i
        return score

    # --- from the decision to the binding -----------------------------------------------------------

    def reserve(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        devices: PodDevices | None = state.get(self.name)
        plan = devices.plans.get(node_name) if devices is not None else None
        if devices is None or plan is None:
            return None
        devices.chosen = plan
        if plan.solution is None:
            return None
        from scheduler.devices.results import allocations
        from scheduler.devices.writing import allocated

        plan.allocations = allocations(plan.solution, self._inventory.classes, node_name)
        devices.pending = list(map(allocated, plan.solution.claims, plan.allocations))
        for claim in devices.pending:
            self._inventory.begin(claim)
        return None

    def unreserve(self, state: CycleState, pod: PodInfo, node_name: str) -> Awaitable[None] | None:
        devices: PodDevices | None = state.get(self.name)
        if devices is None or devices.chosen is None:
            return None
        self._end(devices)
        users = [claim for claim in devices.claims if is_reserved(claim, pod)]
        if not users and devices.written is None:
            return None
        return self._writing().give_back(users, devices.written, pod)

    def pre_bind_pre_flight(self, state: CycleState, pod: PodInfo, node_name: str) -> bool:
        return state.get(self.name) is not None

    async def pre_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        devices: PodDevices | None = state.get(self.name)
        if devices is None or devices.chosen is None:
            return None
        try:
            await self._writing().bind(devices, pod, node_name)
        except PluginError as problem:
            return Status(Code.ERROR, (str(problem),))
        self._end(devices)
        return None

    def _end(self, devices: PodDevices) -> None:
        for claim in devices.pending:
            self._inventory.end(claim)
        devices.pending = []

    def _writing(self) -> Writing:
        from scheduler.devices.writing import Writing

        return Writing(self._handle, self._binding_seconds)


class _Missing(Exception):
    """A claim that a pod names cannot be used."""


def is_reserved(claim: ResourceClaim, pod: PodInfo) -> bool:
    return any(user.uid == pod.uid for user in claim.status.reservedFor)
