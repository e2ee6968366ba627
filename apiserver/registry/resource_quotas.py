"""ResourceQuotas: what the objects of a namespace may use together.

https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from api.core_v1 import ResourceQuota, ResourceQuotaSpec, ResourceQuotaStatus
from api.errors import FieldError, invalid_value, required
from api.quantity import parse
from api.resources import COUNTS, HUGE_PAGES, is_whole
from api.scheme import resource_of
from apiserver.registry.columns import AGE, NAME
from apiserver.registry.internal_form import internal
from apiserver.registry.pod_defaults import round_up
from apiserver.registry.resource_validation import resource_complaints
from apiserver.registry.strategy import Column, Context, Status, Strategy

_COMPUTE = {"cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"}
_RESOURCES = (
    _COMPUTE
    | COUNTS
    | {"ephemeral-storage", "requests.ephemeral-storage", "limits.ephemeral-storage", "requests.storage"}
)
_ONLY_PODS = ("BestEffort",)
_PODS_AND_COMPUTE = ("Terminating", "NotTerminating", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity")
_CLAIMS = "VolumeAttributesClass"
_SCOPES = (*_ONLY_PODS, *_PODS_AND_COMPUTE, _CLAIMS)
_WITHOUT_VALUES = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity")
_CONFLICTING = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
_MUST_EXIST = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


@dataclass(frozen=True)
class QuotaStatus(Status):
    """`/status` of quotas: what is enforced, and what is used."""

    def validate_update(self, new: ResourceQuota, old: ResourceQuota) -> Iterator[FieldError]:
        return _validate_status(new.status)


class ResourceQuotas(Strategy[ResourceQuota]):
    resource = resource_of(ResourceQuota)
    subresources = (QuotaStatus(),)
    returns_deleted = True
    revalidates_metadata = False
    columns = (
        NAME,
        Column("Request", lambda q, now: _usage(q, limits=False), description="What is used of what can be requested."),
        Column("Limit", lambda q, now: _usage(q, limits=True), description="What is used of the limits."),
        AGE,
    )

    def default(self, obj: ResourceQuota) -> None:
        for amounts in (obj.spec.hard, obj.status.hard, obj.status.used):
            round_up(amounts)

    def prepare_for_create(self, new: ResourceQuota, context: Context) -> None:
        new.status = ResourceQuotaStatus()

    def prepare_for_update(self, new: ResourceQuota, old: ResourceQuota, context: Context) -> None:
        new.status = old.status

    def validate(self, new: ResourceQuota) -> Iterator[FieldError]:
        spec = new.spec
        yield from _validate_amounts(spec.hard, "spec.hard")
        for scope in spec.scopes:
            if scope not in _SCOPES:
                yield invalid_value("spec.scopes", list(spec.scopes), "unsupported scope")
            for _ in _unfit(scope, spec.hard):
                yield invalid_value("spec.scopes", list(spec.scopes), "unsupported scope applied to resource")
        for pair in _CONFLICTING:
            if pair <= set(spec.scopes):
                yield invalid_value("spec.scopes", list(spec.scopes), "conflicting scopes")
        yield from _validate_selector(spec, "spec.scopeSelector.matchExpressions")

    def validate_update(self, new: ResourceQuota, old: ResourceQuota) -> Iterator[FieldError]:
        if set(new.spec.scopes) != set(old.spec.scopes):
            yield invalid_value("spec.scopes", list(new.spec.scopes) or None, "field is immutable")


def _usage(quota: ResourceQuota, *, limits: bool) -> str:
    status = quota.status
    names = [name for name in sorted(status.hard) if name.startswith("limits.") is limits]
    return ", ".join(f"{name}: {status.used.get(name, '0')}/{status.hard[name]}" for name in names)


def _validate_amounts(amounts: Mapping[str, str], path: str) -> Iterator[FieldError]:
    for name, amount in sorted(amounts.items()):
        where, value = f"{path}[{name}]", parse(amount)
        for complaint in resource_complaints(name):
            yield invalid_value(where, name, complaint)
        huge = name.startswith((HUGE_PAGES, f"requests.{HUGE_PAGES}"))
        if "/" not in name and name not in _RESOURCES and not huge:
            yield invalid_value(where, name, "must be a standard resource for quota")
        if value < 0:
            yield invalid_value(where, amount, "must be greater than or equal to 0")
        if is_whole(name) and value % 1:
            yield invalid_value(where, amount, "must be an integer")


def _validate_status(status: ResourceQuotaStatus) -> Iterator[FieldError]:
    yield from _validate_amounts(status.hard, "status.hard")
    yield from _validate_amounts(status.used, "status.used")


def _unfit(scope: str, hard: Mapping[str, str]) -> Iterator[str]:
    """The resources in a quota that the scope has no say over."""
    for name in sorted(hard):
        known = name in _RESOURCES or name.startswith((HUGE_PAGES, f"requests.{HUGE_PAGES}"))
        if scope in _ONLY_PODS:
            fits = name == "pods"
        elif scope in _PODS_AND_COMPUTE:
            fits = name == "pods" or name in _COMPUTE
        elif scope == _CLAIMS:
            fits = name in ("persistentvolumeclaims", "requests.storage")
        else:
            fits = True
        if known and not fits:
            yield name


def _validate_selector(spec: ResourceQuotaSpec, path: str) -> Iterator[FieldError]:
    if spec.scopeSelector is None:
        return
    for requirement in spec.scopeSelector.matchExpressions:
        scope, operator = requirement.scopeName, requirement.operator
        if scope not in _SCOPES:
            yield invalid_value(f"{path}.scopeName", scope, "unsupported scope")
        for _ in _unfit(scope, spec.hard):
            yield invalid_value(path, internal(spec.scopeSelector), "unsupported scope applied to resource")
        if scope in _WITHOUT_VALUES and operator != "Exists":
            yield invalid_value(f"{path}.operator", operator, _MUST_EXIST)
        if operator in ("In", "NotIn"):
            if not requirement.values:
                detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                yield required(f"{path}.values", detail)
        elif operator in ("Exists", "DoesNotExist"):
            if requirement.values:
                detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                yield invalid_value(f"{path}.values", list(requirement.values), detail)
        else:
            yield invalid_value(f"{path}.operator", operator, "not a valid selector operator")
    scopes = {requirement.scopeName for requirement in spec.scopeSelector.matchExpressions}
    for pair in _CONFLICTING:
        if pair <= scopes:
            yield invalid_value(path, list(spec.scopes) or None, "conflicting scopes")
