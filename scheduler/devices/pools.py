"""Which devices a node can use: pools of ResourceSlices, whole and of their newest generation.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/resource-slice-v1/: only the slices of a pool's
highest generation count, and only when all of them are there.  In which order devices are looked at is by the names of
pools and slices; those that have to be prepared before a pod may be bound (binding conditions) come last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

from api.core_v1 import NodeSelector
from api.quantity import parse
from api.resource_v1 import Device, ResourceSlice
from scheduler.devices.allocated import DeviceId
from scheduler.node_info import NodeInfo
from scheduler.selectors import compile_node_selector

PoolId = tuple[str, str]
"""Driver, name."""

Counters = dict[str, dict[str, Decimal]]
"""Shared amounts by counter set and counter."""

_MOST_ANSWERS = 4096
K = TypeVar("K", str, PoolId)


class Place:
    """Where devices can be used: on one node, on all, or on those that a selector selects."""

    __slots__ = ("_all", "_name", "_terms", "selector")

    def __init__(self, name: str | None, everywhere: bool | None, selector: NodeSelector | None) -> None:
        self._name, self._all, self.selector = name, everywhere, selector
        self._terms = compile_node_selector(selector) or ()

    def has(self, node: NodeInfo) -> bool:
        if self._name:
            return self._name == node.name
        return bool(self._all) or any(term.matches(node.name, node.labels) for term in self._terms)

    @property
    def is_said(self) -> bool:
        return bool(self._name or self._all or self.selector is not None)

    @property
    def is_one_node(self) -> bool:
        return self._name is not None


@dataclass(eq=False, slots=True)
class Offer:
    """One device in its slice."""

    id: DeviceId
    device: Device
    place: Place
    counters: Counters
    """What it takes of what its pool's devices share."""
    slice_place: Place | None
    """None where each device has its own place."""
    answers: dict[str, bool] = field(default_factory=dict)
    """Which expressions select it."""

    def remember(self, expression: str, answer: bool) -> None:
        if len(self.answers) >= _MOST_ANSWERS:
            self.answers.clear()
        self.answers[expression] = answer


class Slice:
    """A ResourceSlice, read once."""

    def __init__(self, of: ResourceSlice) -> None:
        spec = of.spec
        self.name = of.metadata.name
        self.pool: PoolId = (spec.driver, spec.pool.name)
        self.generation, self.count = spec.pool.generation, spec.pool.resourceSliceCount
        self.place = Place(spec.nodeName, spec.allNodes, spec.nodeSelector)
        self.node_name = spec.nodeName or ""
        each = bool(spec.perDeviceNodeSelection)
        self.each_has_its_place = each
        self.counter_sets = spec.sharedCounters
        self.offers = [
            Offer(
                (*self.pool, device.name),
                device,
                Place(device.nodeName, device.allNodes, device.nodeSelector) if each else self.place,
                {
                    use.counterSet: {n: parse(c.value) for n, c in use.counters.items()}
                    for use in device.consumesCounters
                },
                None if each else self.place,
            )
            for device in spec.devices
        ]
        self.has_conditions = any(device.bindingConditions for device in spec.devices)

    def concerns(self, node: NodeInfo) -> bool:
        """Whether the slice has devices for the node, or amounts that devices share wherever they are."""
        if self.counter_sets:
            return True
        if self.place.is_said:
            return self.place.has(node)
        return self.each_has_its_place and any(offer.place.has(node) for offer in self.offers)


@dataclass(eq=False, slots=True)
class Pool:
    """What a node can use of a pool.  Of one that is being updated (`incomplete`) or that contradicts itself
    (`invalid`), nothing."""

    id: PoolId
    incomplete: bool = False
    invalid: bool = False
    offers: list[Offer] = field(default_factory=list)
    elsewhere: list[Offer] = field(default_factory=list)
    """Devices that only other nodes can use; those in use take their part of `counters`, too."""
    counters: Counters = field(default_factory=dict)
    has_conditions: bool = False

    @property
    def shown(self) -> str:
        return "/".join(self.id)


class Pools:
    """All slices.  What was found out for a node is kept until a slice or the node changes."""

    def __init__(self) -> None:
        self._slices: dict[str, Slice] = {}
        self._by_pool: dict[PoolId, dict[str, Slice]] = {}
        self._by_node: dict[str, dict[str, Slice]] = {}
        self._found: dict[str, tuple[dict[str, str], list[Pool]]] = {}

    def set(self, new: ResourceSlice) -> None:
        self.remove(new.metadata.name)
        read = Slice(new)
        self._slices[read.name] = read
        self._by_pool.setdefault(read.pool, {})[read.name] = read
        self._by_node.setdefault(_index(read), {})[read.name] = read

    def remove(self, name: str) -> None:
        self._found.clear()
        old = self._slices.pop(name, None)
        if old is not None:
            _drop(self._by_pool, old.pool, name)
            _drop(self._by_node, _index(old), name)

    def of(self, node: NodeInfo) -> list[Pool]:
        """The pools with devices for a node, in the order in which they are tried."""
        known = self._found.get(node.name)
        if known is not None and known[0] is node.labels:
            return known[1]
        pools = list(self._gather(node))
        pools.sort(key=lambda pool: (pool.has_conditions, pool.id))
        self._found[node.name] = node.labels, pools
        return pools

    def _gather(self, node: NodeInfo) -> Iterator[Pool]:
        mine = {**self._by_node.get(node.name, {}), **self._by_node.get("", {})}
        by_pool: dict[PoolId, list[Slice]] = {}
        for name in sorted(mine):
            if mine[name].concerns(node):
                by_pool.setdefault(mine[name].pool, []).append(mine[name])
        for id, slices in by_pool.items():
            newest = max(each.generation for each in slices)
            current = [each for each in slices if each.generation == newest]
            everything = list(self._by_pool[id].values())
            if any(each.generation > newest for each in everything):
                continue  # being replaced, by slices that are not for this node
            whole = [each for each in everything if each.generation == newest]
            if len(whole) != current[0].count:
                yield Pool(id, incomplete=True)
            else:
                yield _pool(id, current, [each for each in whole if each not in current])


def _drop(index: dict[K, dict[str, Slice]], key: K, name: str) -> None:
    del index[key][name]
    if not index[key]:
        del index[key]


def _index(of: Slice) -> str:
    return "" if of.counter_sets else of.node_name


def _pool(id: PoolId, slices: list[Slice], others: list[Slice]) -> Pool:
    with_devices = sorted((s for s in slices if not s.counter_sets), key=lambda s: s.has_conditions)
    offers = [offer for each in with_devices for offer in each.offers]
    sets = [counter_set for each in slices for counter_set in each.counter_sets]
    counters = {each.name: {name: parse(c.value) for name, c in each.counters.items()} for each in sets}
    elsewhere = [offer for each in others for offer in each.offers]
    if (
        len({offer.id for offer in offers}) < len(offers)
        or len(counters) < len(sets)
        or not _are_known((*offers, *elsewhere), counters)
    ):
        return Pool(id, invalid=True)
    return Pool(id, False, False, offers, elsewhere, counters, any(each.has_conditions for each in with_devices))


def _are_known(offers: Iterable[Offer], counters: Counters) -> bool:
    """Whether devices take only of what there is."""
    return all(
        set_name in counters and used.keys() <= counters[set_name].keys()
        for offer in offers
        for set_name, used in offer.counters.items()
    )
