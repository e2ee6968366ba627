"""Searches devices for claims on one node.

One device after the other is tried for what is asked for, in the order of claims, requests and devices, going back
where it leads nowhere; the first complete solution is taken, as in Kubernetes.  Devices of one request are
interchangeable, so only their combinations are tried and not all orders: the first solution is the same.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from api.quantity import parse
from api.resource_v1 import DeviceClass, ResourceClaim
from client.store import key_of
from scheduler.devices.allocated import Allocated, DeviceId
from scheduler.devices.capacity import NOTHING, taken
from scheduler.devices.constraints import Constraint
from scheduler.devices.errors import AllocationError, OnlyThisNode
from scheduler.devices.pools import Counters, Offer, Pool
from scheduler.devices.requests import Asked, Wish, is_kept_off
from scheduler.devices.selectors import selects_all
from scheduler.node_info import NodeInfo

MOST_DEVICES = 32
"""That a claim can have."""


@dataclass(frozen=True, slots=True)
class Given:
    """A device for a wish; `share` and `consumed` where it is only a share of one."""

    wish: Wish
    offer: Offer
    share: str | None = None
    consumed: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Solution:
    """For each claim the devices, and the alternative that was taken of each request."""

    claims: Sequence[ResourceClaim]
    given: list[list[Given]]
    wishes: list[list[Wish]]


class _TooMany(Exception):
    """No choice of devices helps: a claim would have more than it can."""


class Search:
    """One search.  `classes` are those there are, `is_over` says when it has taken too long."""

    def __init__(
        self,
        node: NodeInfo,
        pools: Sequence[Pool],
        allocated: Allocated,
        classes: Mapping[str, DeviceClass],
        asked: Asked,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        self._node, self._pools, self._allocated, self._classes = node, pools, allocated, classes
        self._claims, self._wishes, self._is_over = asked.claims, asked.wishes, is_over
        self._offers = [(pool, offer) for pool in pools for offer in pool.offers]
        self._constraints = [[Constraint(each) for each in claim.spec.devices.constraints] for claim in asked.claims]
        self._usable: dict[tuple[int, Wish, DeviceId], bool] = {}
        self._all: dict[tuple[int, Wish], list[tuple[Pool, Offer]]] = {}
        self._in_use: Counter[DeviceId] = Counter()
        self._in_claim: list[Counter[DeviceId]] = [Counter() for _ in asked.claims]
        self._consumed: dict[DeviceId, dict[str, Decimal]] = {}
        self._shares: Counter[DeviceId] = Counter()
        self._left: dict[tuple[str, str], Counters] = {}
        self._given: list[list[Given]] = [[] for _ in asked.claims]
        self._taken: list[list[Wish]] = [[] for _ in asked.claims]

    def run(self) -> Solution | None:
        """None when the node does not have the devices.

        Raises AllocationError; OnlyThisNode when nothing was found and a pool contradicts itself; TimeoutError.
        """
        for i, claim in enumerate(self._claims):
            self._check(i, claim)
        if self._claim(0):
            return Solution(self._claims, self._given, self._taken)
        if any(pool.invalid for pool in self._pools):
            raise OnlyThisNode("invalid resource pools were encountered")
        return None

    # --- what is asked for --------------------------------------------------------------------------

    def _check(self, i: int, claim: ResourceClaim) -> None:
        least = 0
        for of_request in self._wishes[i]:
            least += min((self._needs(i, wish) for wish in of_request), default=0)
        if least > MOST_DEVICES:
            raise AllocationError(
                f"claim {key_of(claim)}: number of requested devices {least} exceeds the claim limit of {MOST_DEVICES}"
            )

    def _needs(self, i: int, wish: Wish) -> int:
        """How many devices a wish asks for."""
        if wish.class_name not in self._classes:
            raise AllocationError(
                f"{self._whose(i, wish)}: could not retrieve device class {wish.class_name}: "
                f'deviceclass.resource.k8s.io "{wish.class_name}" not found'
            )
        return len(self._everything(i, wish)) if wish.everything else wish.count

    def _everything(self, i: int, wish: Wish) -> list[tuple[Pool, Offer]]:
        """The devices that are wanted by who wants all that match.  Raises AllocationError while that is unknown."""
        found = self._all.get((i, wish))
        if found is None:
            for pool in self._pools:
                if pool.incomplete or pool.invalid:
                    state = "being updated" if pool.incomplete else "invalid"
                    raise AllocationError(
                        f"{self._whose(i, wish)}: asks for all devices, but resource pool {pool.shown} "
                        f"is currently {state}"
                    )
            found = [
                (pool, offer)
                for pool, offer in self._offers
                if self._is_usable(i, wish, offer) and self._capacity(wish, offer) is not None
            ]
            self._all[i, wish] = found
        return found

    def _whose(self, i: int, wish: Wish) -> str:
        return f"claim {key_of(self._claims[i])}, request {wish.own_name}"

    # --- the search ---------------------------------------------------------------------------------

    def _claim(self, i: int) -> bool:
        if i == len(self._claims):
            return True
        try:
            return self._request(i, 0)
        except _TooMany:
            return False

    def _request(self, i: int, j: int) -> bool:
        if j == len(self._wishes[i]):
            return self._claim(i + 1)
        too_many = True
        for wish in self._wishes[i][j]:
            self._taken[i].append(wish)
            try:
                if self._devices(i, j, wish, 0, 0):
                    return True
                too_many = False
            except _TooMany:
                pass
            self._taken[i].pop()
        if too_many:
            raise _TooMany
        return False

    def _devices(self, i: int, j: int, wish: Wish, have: int, start: int) -> bool:
        """Find the devices of a wish from the one with number `have` on, and of all that comes after it."""
        needed = self._needs(i, wish)
        if wish.everything and not needed:
            return False
        if have == needed:
            return self._request(i, j + 1)
        if len(self._given[i]) + needed - have > MOST_DEVICES:
            raise _TooMany
        if self._is_over():
            raise TimeoutError
        if wish.everything:
            pool, offer = self._everything(i, wish)[have]
            return self._try(i, j, wish, have, have, pool, offer)
        for at in range(start, len(self._offers)):
            pool, offer = self._offers[at]
            if self._is_taken(i, wish, offer) or not self._is_usable(i, wish, offer):
                continue
            if self._try(i, j, wish, have, at, pool, offer):
                return True
        return False

    def _try(self, i: int, j: int, wish: Wish, have: int, at: int, pool: Pool, offer: Offer) -> bool:
        undo = self._give(i, wish, pool, offer)
        if undo is None:
            return False
        try:
            if self._devices(i, j, wish, have + 1, at):
                return True
        except _TooMany:
            undo()
            raise
        undo()
        return False

    # --- one device ---------------------------------------------------------------------------------

    def _is_taken(self, i: int, wish: Wish, offer: Offer) -> bool:
        if wish.admin:
            return offer.id in self._in_claim[i]
        others = self._allocated.devices if offer.device.allowMultipleAllocations else self._allocated
        return offer.id in others or offer.id in self._in_use

    def _is_usable(self, i: int, wish: Wish, offer: Offer) -> bool:
        """Whether the device is of the class, is selected, and can be used on the node."""
        key = (i, wish, offer.id)
        answer = self._usable.get(key)
        if answer is None:
            of_class = self._classes[wish.class_name]
            answer = self._usable[key] = (
                selects_all(offer, of_class.spec.selectors, f"class {wish.class_name}")
                and selects_all(offer, wish.selectors, f"claim {key_of(self._claims[i])}")
                and (offer.slice_place is not None or offer.place.has(self._node))
            )
        return answer

    def _capacity(self, wish: Wish, offer: Offer) -> dict[str, str] | None:
        """What a wish takes of a device's capacities; None when it does not have that."""
        used = self._allocated.consumed.get(offer.id, NOTHING)
        if trying := self._consumed.get(offer.id):
            used = {name: used.get(name, Decimal(0)) + trying.get(name, 0) for name in {*used, *trying}}
        return taken(offer.device, wish.capacity, used)

    def _give(self, i: int, wish: Wish, pool: Pool, offer: Offer) -> Callable[[], None] | None:
        """Take the device as given out.  Returns what takes it back; None when it cannot be given."""
        shared = bool(offer.device.allowMultipleAllocations)
        if self._is_taken(i, wish, offer) or is_kept_off(offer.device.taints, wish.tolerations):
            return None
        capacity = self._capacity(wish, offer)
        if capacity is None:
            return None
        # The shares of a device take its part of what devices have in common once, all together.
        counts = bool(offer.counters) and not (
            shared and (offer.id in self._allocated.shares or self._shares[offer.id])
        )
        if counts and not self._take_counters(pool, offer):
            return None
        held: list[Constraint] = []
        for constraint in self._constraints[i]:
            if not constraint.concerns(wish.request, wish.name):
                continue
            if not constraint.add(offer):
                if wish.everything:
                    raise AllocationError(
                        f"{self._whose(i, wish)}: cannot add device {'/'.join(offer.id)} because a claim constraint "
                        "would not be satisfied"
                    )
                self._back(pool, offer, held, counts)
                return None
            held.append(constraint)
        share = str(uuid.uuid4()) if shared else None
        self._given[i].append(Given(wish, offer, share, capacity if shared else {}))
        change = self._consume if shared else self._occupy
        change(i, offer, capacity, wish, 1)

        def undo() -> None:
            change(i, offer, capacity, wish, -1)
            self._given[i].pop()
            self._back(pool, offer, held, counts)

        return undo

    def _back(self, pool: Pool, offer: Offer, held: list[Constraint], counts: bool) -> None:
        for constraint in held:
            constraint.remove()
        if counts:
            self._change_counters(pool, offer, 1)

    def _occupy(self, i: int, offer: Offer, capacity: Mapping[str, str], wish: Wish, sign: int) -> None:
        for counter in (self._in_claim[i], *(() if wish.admin else (self._in_use,))):
            counter[offer.id] += sign
            if not counter[offer.id]:
                del counter[offer.id]

    def _consume(self, i: int, offer: Offer, capacity: Mapping[str, str], wish: Wish, sign: int) -> None:
        self._shares[offer.id] += sign
        consumed = self._consumed.setdefault(offer.id, {})
        for name, amount in capacity.items():
            consumed[name] = consumed.get(name, Decimal(0)) + sign * parse(amount)

    # --- what devices share -------------------------------------------------------------------------

    def _take_counters(self, pool: Pool, offer: Offer) -> bool:
        if pool.id not in self._left:
            self._left[pool.id] = {name: dict(counters) for name, counters in pool.counters.items()}
            for other in (*pool.offers, *pool.elsewhere):
                if other.id in self._allocated:
                    self._change_counters(pool, other, -1)
        left = self._left[pool.id]
        self._change_counters(pool, offer, -1)
        if any(left[name][each] < 0 for name, used in offer.counters.items() for each in used):
            self._change_counters(pool, offer, 1)
            return False
        return True

    def _change_counters(self, pool: Pool, offer: Offer, sign: int) -> None:
        left = self._left[pool.id]
        for name, used in offer.counters.items():
            for each, amount in used.items():
                left[name][each] += sign * amount
