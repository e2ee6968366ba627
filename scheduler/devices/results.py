"""Solutions of the search as the `status.allocation` of claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import orjson

from api.core_v1 import NodeSelector, NodeSelectorRequirement, NodeSelectorTerm
from api.resource_v1 import (
    AllocationResult,
    DeviceAllocationConfiguration,
    DeviceAllocationResult,
    DeviceClass,
    DeviceRequestAllocationResult,
    OpaqueDeviceConfiguration,
    ResourceClaim,
)
from scheduler.devices.allocator import Given, Solution
from scheduler.devices.requests import Wish


def allocations(solution: Solution, classes: Mapping[str, DeviceClass], node_name: str) -> list[AllocationResult]:
    """One for each claim."""
    return [
        AllocationResult(
            devices=DeviceAllocationResult(
                results=[_result(each) for each in given],
                config=[*_of_classes(wishes, classes), *_of_claim(claim, wishes)],
            ),
            nodeSelector=node_selector(given, node_name),
        )
        for claim, given, wishes in zip(solution.claims, solution.given, solution.wishes, strict=True)
    ]


def _result(given: Given) -> DeviceRequestAllocationResult:
    driver, pool, name = given.offer.id
    return DeviceRequestAllocationResult(
        request=given.wish.name,
        driver=driver,
        pool=pool,
        device=name,
        adminAccess=True if given.wish.admin else None,
        tolerations=list(given.wish.tolerations),
        shareID=given.share,
        consumedCapacity=dict(given.consumed),
        bindingConditions=list(given.offer.device.bindingConditions),
        bindingFailureConditions=list(given.offer.device.bindingFailureConditions),
    )


def _of_classes(wishes: Sequence[Wish], classes: Mapping[str, DeviceClass]) -> Iterator[DeviceAllocationConfiguration]:
    """The settings of each class, once, for all requests of it."""
    requests: dict[str, list[str]] = {}
    for wish in wishes:
        requests.setdefault(wish.class_name, []).append(wish.name)
    for class_name, names in requests.items():
        for config in classes[class_name].spec.config:
            yield DeviceAllocationConfiguration(
                source="FromClass", requests=list(names), opaque=_in_order(config.opaque)
            )


def _of_claim(claim: ResourceClaim, wishes: Sequence[Wish]) -> Iterator[DeviceAllocationConfiguration]:
    """The claim's own settings as far as they are for what was taken: for all requests, or once for each of theirs."""
    for config in claim.spec.devices.config:
        theirs = sum(wish.request in config.requests or wish.name in config.requests for wish in wishes)
        for _ in range(theirs if config.requests else 1):
            yield DeviceAllocationConfiguration(
                source="FromClaim", requests=list(config.requests), opaque=_in_order(config.opaque)
            )


def _in_order(opaque: OpaqueDeviceConfiguration | None) -> OpaqueDeviceConfiguration | None:
    """What is for a driver, its parameters in the order of their names.  Strategic merge patch and apply write
    them in that order, which would be a change of the allocation otherwise: that is immutable."""
    if opaque is None:
        return None
    parameters = orjson.loads(orjson.dumps(opaque.parameters, option=orjson.OPT_SORT_KEYS))
    return opaque.model_copy(update={"parameters": parameters})


def node_selector(given: Sequence[Given], node_name: str) -> NodeSelector | None:
    """The nodes on which all the devices can be used; None for all nodes."""
    term = NodeSelectorTerm()
    for each in given:
        place = each.offer.place
        if place.is_one_node or each.offer.device.bindsToNode:
            here = NodeSelectorRequirement(key="metadata.name", operator="In", values=[node_name])
            return NodeSelector(nodeSelectorTerms=[NodeSelectorTerm(matchFields=[here])])
        for of_place in place.selector.nodeSelectorTerms if place.selector is not None else ():
            _merge(term.matchFields, of_place.matchFields)
            _merge(term.matchExpressions, of_place.matchExpressions)
    return NodeSelector(nodeSelectorTerms=[term]) if term.matchFields or term.matchExpressions else None


def _merge(known: list[NodeSelectorRequirement], more: Sequence[NodeSelectorRequirement]) -> None:
    for requirement in more:
        if not any(
            (each.key, each.operator, set(each.values))
            == (requirement.key, requirement.operator, set(requirement.values))
            for each in known
        ):
            known.append(requirement)
