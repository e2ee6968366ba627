"""The arguments of the built-in plugins in `pluginConfig`, checked, as what the plugins are made with.

https://kubernetes.io/docs/reference/config-api/kube-scheduler-config.v1/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import pydantic

from api.core_v1 import NodeAffinity, TopologySpreadConstraint
from api.duration import parse_duration
from api.errors import FieldError, duplicate, forbidden, invalid_value, not_supported, required
from api.model import Int32, Int64, Model
from scheduler.resource_scores import LeastAllocated, MostAllocated, RequestedToCapacityRatio, Strategy, Weighed
from scheduler.resources import CPU, MEMORY

API_VERSION = "kubescheduler.config.k8s.io/v1"
_ACTIONS = frozenset(("DoNotSchedule", "ScheduleAnyway"))


class ConfigurationError(ValueError):
    """What is wrong with a configuration, one line for each fault."""

    def __init__(self, *errors: object) -> None:
        super().__init__("\n".join(str(error) for error in errors))


class Args(Model):
    apiVersion: str = ""
    kind: str = ""


class ResourceSpec(Model):
    name: str = ""
    weight: Int64 = 0


class UtilizationShapePoint(Model):
    utilization: Int32 = 0
    score: Int32 = 0


class RequestedToCapacityRatioParam(Model):
    shape: list[UtilizationShapePoint] = []


class ScoringStrategy(Model):
    type: str = ""
    resources: list[ResourceSpec] = []
    requestedToCapacityRatio: RequestedToCapacityRatioParam | None = None


class NodeResourcesFitArgs(Args):
    ignoredResources: list[str] = []
    ignoredResourceGroups: list[str] = []
    scoringStrategy: ScoringStrategy | None = None


class NodeResourcesBalancedAllocationArgs(Args):
    resources: list[ResourceSpec] = []


class NodeAffinityArgs(Args):
    addedAffinity: NodeAffinity | None = None


class PodTopologySpreadArgs(Args):
    defaultConstraints: list[TopologySpreadConstraint] = []
    defaultingType: str = ""


class InterPodAffinityArgs(Args):
    hardPodAffinityWeight: Int32 | None = None
    ignorePreferredTermsOfExistingPods: bool = False


class DefaultPreemptionArgs(Args):
    minCandidateNodesPercentage: Int32 | None = None
    minCandidateNodesAbsolute: Int32 | None = None


class VolumeBindingArgs(Args):
    bindTimeoutSeconds: Int64 | None = None
    shape: list[UtilizationShapePoint] = []


class DynamicResourcesArgs(Args):
    filterTimeout: str | None = None
    bindingTimeout: str | None = None


A = TypeVar("A", bound=Args)


def keywords(plugin: str, document: Mapping[str, Any], ignored_resources: Sequence[str] = ()) -> dict[str, Any]:
    """What to make a built-in plugin with besides the handle.

    `ignored_resources` are those that extenders take care of.  Raises ConfigurationError.
    """
    if plugin not in _READ:
        if document:
            raise ConfigurationError(f"plugin {plugin} takes no arguments")
        return {}
    model, read = _READ[plugin]
    args = _decoded(plugin, model, document)
    errors: list[FieldError] = []
    found = read(args, errors)
    if errors:
        raise ConfigurationError(*errors)
    if plugin == "NodeResourcesFit" and ignored_resources:
        found["ignored"] = found.get("ignored", frozenset()).union(ignored_resources)
    return found


def _decoded(plugin: str, model: type[A], document: Mapping[str, Any]) -> A:
    kind = document.get("kind", model.__name__)
    version = document.get("apiVersion", API_VERSION)
    if (kind, version) != (model.__name__, API_VERSION):
        raise ConfigurationError(f"args of {plugin} are {kind} of {version}, and have to be {model.__name__}")
    return decoded(model, document, f"args of {plugin}")


M = TypeVar("M", bound=Model)


def decoded(model: type[M], document: Mapping[str, Any], what: str) -> M:
    """Read strictly: a field that there is not is an error.  Raises ConfigurationError."""
    try:
        return model.from_dict(document, unknown_fields=False)
    except pydantic.ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise ConfigurationError(*(f"{what}: {_told(problem)}" for problem in problems)) from None


def _told(problem: Mapping[str, Any]) -> str:
    place = ".".join(map(str, problem["loc"]))
    return f'unknown field "{place}"' if problem["type"] == "extra_forbidden" else f"{place}: {problem['msg']}"


# --- one plugin each ------------------------------------------------------------------------------------


def _fit(args: NodeResourcesFitArgs, errors: list[FieldError]) -> dict[str, Any]:
    for i, group in enumerate(args.ignoredResourceGroups):
        if "/" in group:
            errors.append(invalid_value(f"ignoredResourceGroups[{i}]", group, "resource group name can't contain '/'"))
    found: dict[str, Any] = {
        "ignored": frozenset(args.ignoredResources),
        "ignored_groups": frozenset(args.ignoredResourceGroups),
    }
    if args.scoringStrategy is not None:
        found["strategy"] = _strategy(args.scoringStrategy, errors)
    return found


def _strategy(wanted: ScoringStrategy, errors: list[FieldError]) -> Strategy | None:
    where = "scoringStrategy"
    resources = _resources(wanted.resources, f"{where}.resources", errors)
    if wanted.type in ("LeastAllocated", ""):
        return LeastAllocated(resources)
    if wanted.type == "MostAllocated":
        return MostAllocated(resources)
    if wanted.type != "RequestedToCapacityRatio":
        types = ["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"]
        errors.append(not_supported(f"{where}.type", wanted.type, types))
        return None
    parameters = wanted.requestedToCapacityRatio
    shape = parameters.shape if parameters is not None else []
    _check_shape(shape, f"{where}.requestedToCapacityRatio.shape", errors)
    return RequestedToCapacityRatio(resources, tuple((point.utilization, point.score * 10) for point in shape))


def _resources(given: Sequence[ResourceSpec], path: str, errors: list[FieldError]) -> list[Weighed]:
    for i, resource in enumerate(given):
        if not 0 <= resource.weight <= 100:
            detail = f"resource weight of {resource.name} not in valid range (0, 100]"
            errors.append(invalid_value(f"{path}[{i}].weight", resource.weight, detail))
    return [Weighed(r.name, r.weight or 1) for r in given] or [Weighed(CPU, 1), Weighed(MEMORY, 1)]


def _check_shape(shape: Sequence[UtilizationShapePoint], path: str, errors: list[FieldError]) -> None:
    if not shape:
        errors.append(required(path, "at least one point must be specified"))
    for i, point in enumerate(shape):
        if i and shape[i - 1].utilization >= point.utilization:
            errors.append(
                invalid_value(
                    f"{path}[{i}].utilization",
                    point.utilization,
                    "utilization values must be sorted in increasing order",
                )
            )
        if not 0 <= point.utilization <= 100:
            errors.append(invalid_value(f"{path}[{i}].utilization", point.utilization, "not in valid range [0-100]"))
        if not 0 <= point.score <= 10:
            errors.append(invalid_value(f"{path}[{i}].score", point.score, "not in valid range [0-10]"))


def _balance(args: NodeResourcesBalancedAllocationArgs, errors: list[FieldError]) -> dict[str, Any]:
    for i, resource in enumerate(args.resources):
        if resource.weight not in (0, 1):
            errors.append(
                invalid_value(f"resources[{i}].weight", resource.weight, "resource weight not in valid range [1, 1]")
            )
    return {"resources": [resource.name for resource in args.resources] or [CPU, MEMORY]}


def _affinity(args: NodeAffinityArgs, errors: list[FieldError]) -> dict[str, Any]:
    added = args.addedAffinity
    if added is None:
        return {}
    needed = added.requiredDuringSchedulingIgnoredDuringExecution
    if needed is not None and not needed.nodeSelectorTerms:
        where = "addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
        errors.append(required(where, "must have at least one node selector term"))
    for i, preferred in enumerate(added.preferredDuringSchedulingIgnoredDuringExecution):
        if not 1 <= preferred.weight <= 100:
            where = f"addedAffinity.preferredDuringSchedulingIgnoredDuringExecution[{i}].weight"
            errors.append(invalid_value(where, preferred.weight, "must be in the range 1-100"))
    return {"added": added}


def _spread(args: PodTopologySpreadArgs, errors: list[FieldError]) -> dict[str, Any]:
    defaulting, constraints = args.defaultingType or "System", args.defaultConstraints
    if defaulting not in ("List", "System"):
        errors.append(not_supported("defaultingType", defaulting, ["System", "List"]))
    if defaulting == "System":
        if constraints:
            detail = "when .defaultingType is System"
            errors.append(invalid_value("defaultingType", defaulting, f"defaultConstraints must be empty {detail}"))
        return {}
    for i, constraint in enumerate(constraints):
        where = f"defaultConstraints[{i}]"
        if constraint.maxSkew <= 0:
            errors.append(invalid_value(f"{where}.maxSkew", constraint.maxSkew, "not in valid range (0, inf)"))
        if not constraint.topologyKey:
            errors.append(required(f"{where}.topologyKey", "can not be empty"))
        if not constraint.whenUnsatisfiable:
            errors.append(required(f"{where}.whenUnsatisfiable", "can not be empty"))
        elif constraint.whenUnsatisfiable not in _ACTIONS:
            errors.append(not_supported(f"{where}.whenUnsatisfiable", constraint.whenUnsatisfiable, _ACTIONS))
        if constraint.labelSelector is not None:
            detail = "constraint must not define a selector, as they deduced for each pod"
            errors.append(forbidden(f"{where}.labelSelector", detail))
        same = (constraint.topologyKey, constraint.whenUnsatisfiable)
        if any((c.topologyKey, c.whenUnsatisfiable) == same for c in constraints[:i]):
            errors.append(duplicate(where, f"{{{same[0]}, {same[1]}}}"))
    return {"defaults": constraints}


def _near(args: InterPodAffinityArgs, errors: list[FieldError]) -> dict[str, Any]:
    weight = 1 if args.hardPodAffinityWeight is None else args.hardPodAffinityWeight
    if not 0 <= weight <= 100:
        errors.append(invalid_value("hardPodAffinityWeight", weight, "not in valid range [0-100]"))
    return {"hard_weight": weight, "ignore_preferred_of_existing": args.ignorePreferredTermsOfExistingPods}


def _preemption(args: DefaultPreemptionArgs, errors: list[FieldError]) -> dict[str, Any]:
    percentage = 10 if args.minCandidateNodesPercentage is None else args.minCandidateNodesPercentage
    absolute = 100 if args.minCandidateNodesAbsolute is None else args.minCandidateNodesAbsolute
    if not 0 <= percentage <= 100:
        errors.append(invalid_value("minCandidateNodesPercentage", percentage, "not in valid range [0, 100]"))
    if absolute < 0:
        errors.append(invalid_value("minCandidateNodesAbsolute", absolute, "not in valid range [0, inf)"))
    if not percentage and not absolute:
        detail = "cannot be zero at the same time as minCandidateNodesAbsolute"
        errors.append(invalid_value("minCandidateNodesPercentage", percentage, detail))
    return {"percentage": percentage, "absolute": absolute}


def _volumes(args: VolumeBindingArgs, errors: list[FieldError]) -> dict[str, Any]:
    seconds = 600 if args.bindTimeoutSeconds is None else args.bindTimeoutSeconds
    if seconds < 0:
        detail = "invalid BindTimeoutSeconds, should not be a negative value"
        errors.append(invalid_value("bindTimeoutSeconds", seconds, detail))
    if args.shape:
        errors.append(forbidden("shape", "needs the feature gate StorageCapacityScoring, which is off"))
    return {"bind_seconds": float(seconds)}


def _devices(args: DynamicResourcesArgs, errors: list[FieldError]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, keyword, least, detail in (
        ("filterTimeout", "filter_seconds", 0, "must be zero or positive"),
        ("bindingTimeout", "binding_seconds", 1, "must be at least 1 second"),
    ):
        text = getattr(args, field)
        if text is None:
            continue
        try:
            found[keyword] = parse_duration(text)
        except ValueError as error:
            errors.append(invalid_value(field, text, str(error)))
            continue
        if found[keyword] < least:
            errors.append(invalid_value(field, text, detail))
    return found


_READ: Mapping[str, tuple[type[Any], Callable[[Any, list[FieldError]], dict[str, Any]]]] = {
    "NodeResourcesFit": (NodeResourcesFitArgs, _fit),
    "NodeResourcesBalancedAllocation": (NodeResourcesBalancedAllocationArgs, _balance),
    "NodeAffinity": (NodeAffinityArgs, _affinity),
    "PodTopologySpread": (PodTopologySpreadArgs, _spread),
    "InterPodAffinity": (InterPodAffinityArgs, _near),
    "DefaultPreemption": (DefaultPreemptionArgs, _preemption),
    "VolumeBinding": (VolumeBindingArgs, _volumes),
    "DynamicResources": (DynamicResourcesArgs, _devices),
}
