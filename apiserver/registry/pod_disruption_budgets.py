"""PodDisruptionBudgets: how many pods of a workload can be evicted at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from api.errors import FieldError, invalid_value, not_supported
from api.meta_v1 import LabelSelector, LabelSelectorRequirement
from api.policy_v1 import PodDisruptionBudget, PodDisruptionBudgetStatus
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.conditions import validate_conditions
from apiserver.registry.internal_form import internal
from apiserver.registry.labels import validate_selector
from apiserver.registry.names import path_segment
from apiserver.registry.strategy import Column, Context, Status, Strategy
from apiserver.registry.workloads import validate_at_most_all, validate_counts, validate_int_or_percent

_MATCHES_ALL_LABEL = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match"
"""A label no pod has, by which policy/v1beta1 said that an empty selector selects nothing or everything."""
_NOTHING = LabelSelector(matchExpressions=[LabelSelectorRequirement(key=_MATCHES_ALL_LABEL, operator="Exists")])
_EVICTION_POLICIES = ("AlwaysAllow", "IfHealthyBudget")


@dataclass(frozen=True)
class DisruptionStatusUpdate(Status):
    """`/status` of budgets: what the controller counted, and what evictions took from it."""

    def validate_update(self, new: PodDisruptionBudget, old: PodDisruptionBudget) -> Iterable[FieldError]:
        yield from validate_conditions(new.status.conditions, "status.conditions")
        yield from validate_counts(
            new.status, ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
        )


def _limit(name: str) -> Callable[[PodDisruptionBudget, datetime], str]:
    def cell(budget: PodDisruptionBudget, now: datetime) -> str:
        value = getattr(budget.spec, name)
        return "N/A" if value is None else str(value)

    return cell


class PodDisruptionBudgets(Strategy[PodDisruptionBudget]):
    resource = resource_of(PodDisruptionBudget)
    subresources = (DisruptionStatusUpdate(),)
    revalidates_metadata = False
    unconditional_update = False
    columns = (
        NAME,
        Column("Min Available", _limit("minAvailable"), description="Pods that must stay."),
        Column("Max Unavailable", _limit("maxUnavailable"), description="Pods that may be missing."),
        Column(
            "Allowed Disruptions",
            lambda b, now: b.status.disruptionsAllowed,
            type="integer",
            description="Pods that may be evicted now.",
        ),
        AGE,
    )

    def default(self, obj: PodDisruptionBudget) -> None:
        selector = obj.spec.selector
        if selector is not None and selector != _NOTHING:  # never together with what else the user says
            selector.matchExpressions = [r for r in selector.matchExpressions if r.key != _MATCHES_ALL_LABEL]

    def prepare_for_create(self, new: PodDisruptionBudget, context: Context) -> None:
        new.status = PodDisruptionBudgetStatus(currentHealthy=0, desiredHealthy=0, disruptionsAllowed=0, expectedPods=0)
        new.metadata.generation = 1

    def prepare_for_update(self, new: PodDisruptionBudget, old: PodDisruptionBudget, context: Context) -> None:
        new.status = old.status
        new.metadata.generation = old.metadata.generation + (new.spec != old.spec)

    def validate_name(self, name: str, prefix: bool = False) -> Iterable[str]:
        return path_segment(name, prefix)

    def validate(self, new: PodDisruptionBudget) -> Iterator[FieldError]:
        spec = new.spec
        if spec.minAvailable is not None and spec.maxUnavailable is not None:
            yield invalid_value("spec", internal(spec), "minAvailable and maxUnavailable cannot be both set")
        for name in ("minAvailable", "maxUnavailable"):
            yield from validate_int_or_percent(getattr(spec, name), f"spec.{name}")
            yield from validate_at_most_all(getattr(spec, name), f"spec.{name}")
        yield from validate_selector(spec.selector, "spec.selector")
        policy = spec.unhealthyPodEvictionPolicy
        if policy is not None and policy not in _EVICTION_POLICIES:
            yield not_supported("spec.unhealthyPodEvictionPolicy", policy, _EVICTION_POLICIES)
